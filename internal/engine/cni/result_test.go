// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	types020 "github.com/containernetworking/cni/pkg/types/020"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

var update = flag.Bool("update", false, "write the golden files anew")

// dualStack is an attachment with all that a result can tell.
func dualStack() agent.Attachment {
	return agent.Attachment{
		ID: "0b6c5a0e-5f0a-4b0e-8f0a-1c2d3e4f5a6b", Key: agent.Key{Sandbox: "c0ffee", Interface: "eth0"}, Netns: "/run/netns/blue",
		Lease: lease.Lease{
			PortID: "7d1f0c52-96f4-4c11-8a3f-2f8f5f0c7f0e", MAC: "fa:16:3e:00:00:0a", MTU: 1442,
			Addresses: []lease.Address{
				{Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1")},
				{Prefix: netip.MustParsePrefix("2001:db8::5/64"), Gateway: netip.MustParseAddr("2001:db8::1")},
				{Prefix: netip.MustParsePrefix("10.0.1.5/24")},
			},
			Routes: []lease.Route{{Dst: netip.MustParsePrefix("192.0.2.0/24"), Via: netip.MustParseAddr("10.0.0.254")}},
			DNS:    lease.DNS{Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.53")}, Domain: "blue.example.org", Search: []string{"blue.example.org"}},
		},
		Bound: binder.Result{
			Host:          binder.Interface{Name: "tap7d1f0c52-96", MAC: "fe:16:3e:00:00:0a", MTU: 1442},
			Container:     binder.Interface{Name: "eth0", MAC: "fa:16:3e:00:00:0a", MTU: 1442},
			DefaultRoutes: []binder.DefaultRoute{{Via: "10.0.0.1", Metric: 100}, {Via: "2001:db8::1", Metric: 100}},
		},
	}
}

// bare is an attachment without addresses.
func bare() agent.Attachment {
	at := dualStack()
	at.Lease.Addresses, at.Lease.Routes, at.Lease.DNS, at.Bound.DefaultRoutes = nil, nil, lease.DNS{}, nil
	return at
}

func TestAResultHasTheShapeOfItsVersion(t *testing.T) {
	for _, version := range agentapi.CNIVersions {
		t.Run(version, func(t *testing.T) {
			got, err := Result(dualStack(), version, types.DNS{})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "result-"+version+".json"), got)
			parsed, err := create.Create(version, got)
			if err != nil {
				t.Fatalf("the reference library does not read it: %v", err)
			}
			if parsed.Version() != version {
				t.Errorf("read as version %s", parsed.Version())
			}
		})
	}
}

// golden compares JSON with a file, in which it is indented for the reader.
func golden(t *testing.T, path string, got json.RawMessage) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

func TestAPortWithoutAddressesNeedsANewerVersion(t *testing.T) {
	for _, version := range agentapi.CNIVersions {
		_, err := Result(bare(), version, types.DNS{})
		if old := version < "0.3.0"; old != fault.Is(err, fault.Invalid) || old != (err != nil) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestConfiguredDNSGoesBeforeNeutrons(t *testing.T) {
	cloud := dualStack().Lease.DNS
	for name, tt := range map[string]struct{ configured, want types.DNS }{
		"nothing configured": {types.DNS{}, types.DNS{Nameservers: []string{"10.0.0.53"}, Domain: "blue.example.org", Search: []string{"blue.example.org"}}},
		"one field":          {types.DNS{Nameservers: []string{"9.9.9.9"}}, types.DNS{Nameservers: []string{"9.9.9.9"}, Domain: "blue.example.org", Search: []string{"blue.example.org"}}},
		"all fields": {
			types.DNS{Nameservers: []string{"9.9.9.9"}, Domain: "d", Search: []string{"s"}, Options: []string{"o"}},
			types.DNS{Nameservers: []string{"9.9.9.9"}, Domain: "d", Search: []string{"s"}, Options: []string{"o"}},
		},
	} {
		if diff := cmp.Diff(tt.want, resolver(cloud, tt.configured)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func drawAttachment(t *rapid.T) agent.Attachment {
	at := dualStack()
	at.Lease.Addresses, at.Bound.DefaultRoutes = nil, nil
	for i := range rapid.IntRange(1, 6).Draw(t, "addresses") {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		raw := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "address")
		if size == 16 {
			raw[0] = 0x20 // no address of the other family in disguise
		}
		addr, _ := netip.AddrFromSlice(raw)
		bits := rapid.IntRange(1, addr.BitLen()).Draw(t, "bits")
		address := lease.Address{Prefix: netip.PrefixFrom(addr, bits)}
		if rapid.Bool().Draw(t, "gateway") {
			address.Gateway = addr
			at.Bound.DefaultRoutes = append(at.Bound.DefaultRoutes, binder.DefaultRoute{Via: addr.String(), Metric: i})
		}
		at.Lease.Addresses = append(at.Lease.Addresses, address)
	}
	return at
}

// What an ADD answers must pass a CHECK when it comes back as prevResult.
func TestARuntimeGetsBackWhatItWasTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := drawAttachment(t)
		version := rapid.SampledFrom(agentapi.CNIVersions).Draw(t, "version")
		told, err := Result(at, version, types.DNS{})
		if err != nil {
			t.Fatal(err)
		}
		if version < "0.3.0" {
			checkOld(t, at, told)
			return
		}
		result, err := create.Create(version, told)
		if err != nil {
			t.Fatal(err)
		}
		current, err := types100.GetResult(result)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range at.Lease.Addresses {
			if got := current.IPs[i].Address.String(); got != a.Prefix.String() {
				t.Fatalf("address %s became %s", a.Prefix, got)
			}
		}
		if version < "0.4.0" {
			return
		}
		checked := parseCheck(t, version, string(told))
		if err := checked.previous.lacks(at); err != nil {
			t.Fatal(err)
		}
		more := at
		more.Lease.Addresses = append(append([]lease.Address{}, at.Lease.Addresses...), lease.Address{Prefix: netip.MustParsePrefix("203.0.113.77/32")})
		if checked.previous.lacks(more) == nil {
			t.Fatal("an address that the runtime was not told of is not missed")
		}
	})
}

func parseCheck(t interface{ Fatal(...any) }, version, previous string) Call {
	call, err := Parse(agentapi.CNIRequest{
		Command: "CHECK", ContainerID: "c0ffee", IfName: "eth0", Netns: "/run/netns/blue",
		Stdin: fmt.Appendf(nil, `{"cniVersion":%q,"name":"blue","prevResult":%s}`, version, previous),
	})
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// checkOld holds a result of the oldest form: the first address of each family.
func checkOld(t *rapid.T, at agent.Attachment, told json.RawMessage) {
	var got types020.Result
	if err := json.Unmarshal(told, &got); err != nil {
		t.Fatal(err)
	}
	var first4, first6 string
	for _, a := range at.Lease.Addresses {
		switch {
		case a.Prefix.Addr().Is4() && first4 == "":
			first4 = a.Prefix.String()
		case a.Prefix.Addr().Is6() && first6 == "":
			first6 = a.Prefix.String()
		}
	}
	text := func(c *types020.IPConfig) string {
		if c == nil {
			return ""
		}
		return c.IP.String()
	}
	if text(got.IP4) != first4 || text(got.IP6) != first6 {
		t.Fatalf("%s\nwant %q and %q", told, first4, first6)
	}
}

func TestCheckNeedsAResultThatHoldsTheAttachment(t *testing.T) {
	result, err := Result(dualStack(), "1.0.0", types.DNS{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"as it was": {func(map[string]any) {}, ""},
		"with more of it": {func(m map[string]any) {
			m["interfaces"] = append(m["interfaces"].([]any), map[string]any{"name": "ifb0"})
		}, ""},
		"other MAC": {func(m map[string]any) {
			m["interfaces"].([]any)[1].(map[string]any)["mac"] = "00:00:5e:00:53:01"
		}, ""},
		"no interfaces":      {func(m map[string]any) { delete(m, "interfaces") }, "interface tap7d1f0c52-96 is not in it"},
		"no container":       {func(m map[string]any) { m["interfaces"] = m["interfaces"].([]any)[:1] }, "interface eth0 is not in it"},
		"on the host":        {func(m map[string]any) { delete(m["interfaces"].([]any)[1].(map[string]any), "sandbox") }, "interface eth0 is not in it"},
		"an address is gone": {func(m map[string]any) { m["ips"] = m["ips"].([]any)[:2] }, "address 10.0.1.5/24 is not in it"},
	} {
		var m map[string]any
		if err := json.Unmarshal(result, &m); err != nil {
			t.Fatal(err)
		}
		tt.change(m)
		previous, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		call := parseCheck(t, "1.0.0", string(previous))
		err = call.previous.lacks(dualStack())
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !bytes.Contains([]byte(err.Error()), []byte(tt.want))):
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		case err != nil && Failure(call, err).Code != agentapi.CodeBroken:
			t.Errorf("%s: code %d", name, Failure(call, err).Code)
		}
	}
	for extra, want := range map[string]string{
		``:                        "prevResult: missing",
		`,"prevResult":null`:      "prevResult: missing",
		`,"prevResult":[]`:        "prevResult: want the result of the ADD, got a list",
		`,"prevResult":{"ips":7}`: "prevResult: not a result of version 1.0.0",
	} {
		r := agentapi.CNIRequest{Command: "CHECK", ContainerID: "c", IfName: "e", Netns: "/n", Stdin: []byte(`{"cniVersion":"1.0.0","name":"x"` + extra + `}`)}
		call, err := Parse(r)
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) || Failure(call, err).Code != agentapi.CodeConfig {
			t.Errorf("%q: %v; want %q", extra, err, want)
		}
	}
}
