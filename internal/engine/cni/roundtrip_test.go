// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/lease"
)

var (
	names = rapid.StringMatching(`[^\x00-\x1f,]{1,60}`).Filter(func(s string) bool { return len(s) <= maxText && strings.TrimSpace(s) == s })
	macs  = rapid.StringMatching(`fa:16:3e(:[0-9a-f]{2}){3}`)
	ips   = rapid.Custom(func(t *rapid.T) netip.Addr {
		raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
		if raw[0] = 0x20; rapid.Bool().Draw(t, "v4") {
			return netip.AddrFrom4([4]byte{10, raw[1], raw[2], raw[3]})
		}
		return netip.AddrFrom16([16]byte(raw))
	})
)

// drawDemand is any demand that a network configuration can express.
func drawDemand(t *rapid.T) lease.Demand {
	maybe := func(g *rapid.Generator[string], label string) string {
		return rapid.OneOf(rapid.Just(""), g).Draw(t, label)
	}
	d := lease.Demand{Project: maybe(names, "project"), Network: maybe(names, "network")}
	if d.Port = maybe(names, "port"); d.Port != "" {
		return d
	}
	d.Subnets = rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(t, "subnets")
	if rapid.Bool().Draw(t, "has groups") {
		d.SecurityGroups = rapid.SliceOfNDistinct(names, 0, 4, rapid.ID).Draw(t, "groups")
	}
	d.FixedIPs = rapid.SliceOfNDistinct(ips, 0, 4, rapid.ID).Draw(t, "ips")
	d.MAC, d.Name, d.DNSName, d.QoSPolicy = maybe(macs, "mac"), maybe(names, "name"), maybe(names, "dns"), maybe(names, "qos")
	for range rapid.IntRange(0, 3).Draw(t, "pairs") {
		d.AllowedAddressPairs = append(d.AllowedAddressPairs, lease.AddressPair{IPAddress: ips.Draw(t, "pair").String(), MACAddress: maybe(macs, "pair's mac")})
	}
	if len(d.SecurityGroups)+len(d.AllowedAddressPairs) == 0 && rapid.Bool().Draw(t, "insecure") {
		d.PortSecurity = new(bool)
	}
	return d
}

// encoded is a demand as a journal holds it: the form in which two demands are the same.
func encoded(t *rapid.T, d lease.Demand) string {
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The keys of a network configuration are those of a demand, but for the name,
// which is the configuration's own there.
func TestADemandComesThroughAConfigurationUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDemand(t)
		conf := map[string]any{}
		if err := json.Unmarshal([]byte(encoded(t, d)), &conf); err != nil {
			t.Fatal(err)
		}
		if d.Name != "" {
			conf["portName"] = d.Name
		}
		if d.SecurityGroups == nil {
			delete(conf, "securityGroups")
		}
		conf["name"], conf["cniVersion"], conf["type"] = "blue", "1.1.0", "kuryr-cni"
		stdin, err := json.Marshal(conf)
		if err != nil {
			t.Fatal(err)
		}
		call, err := Parse(agentapi.CNIRequest{Command: "ADD", ContainerID: "c", IfName: "eth0", Netns: "/n", Stdin: stdin})
		if err != nil {
			t.Fatalf("%v\n%s", err, stdin)
		}
		if diff := cmp.Diff(encoded(t, d), encoded(t, call.Demand)); diff != "" {
			t.Fatal("(-want +got)\n", diff)
		}
	})
}

// What a framework asks for in labels is what the same names in a file ask for.
func TestALabelSaysWhatAKeySays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOfNDistinct(names, 1, 4, rapid.ID).Draw(t, "groups")
		network := names.Draw(t, "network")
		info, err := json.Marshal(map[string]any{"labels": map[string]any{"labels": []map[string]string{
			{"key": "kuryr.network", "value": network}, {"key": "kuryr.security-groups", "value": strings.Join(groups, " , ")},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		call, err := Parse(mesos(string(info), ""))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lease.Demand{Network: network, SecurityGroups: groups}, call.Demand, compare); diff != "" {
			t.Fatal("(-want +got)\n", diff)
		}
	})
}
