// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// add is a well-formed ADD with more keys in its configuration.
func add(extra string) agentapi.CNIRequest {
	if extra != "" {
		extra = "," + extra
	}
	return agentapi.CNIRequest{
		Command: "ADD", ContainerID: "c0ffee", IfName: "eth0", Netns: "/run/netns/blue",
		Stdin: []byte(`{"cniVersion":"1.1.0","name":"blue","type":"kuryr-cni"` + extra + `}`),
	}
}

// mesos is an ADD as Mesos makes it, with a NetworkInfo.
func mesos(networkInfo, extra string) agentapi.CNIRequest {
	if extra != "" {
		extra = "," + extra
	}
	return agentapi.CNIRequest{
		Command: "ADD", IfName: "eth0", ContainerID: "2c6b9e9a-0c5a-4f0e-9a41-3c1d4e5f6a7b.77d1c1a6-93a8-4f7e-8a39-4a0f3f6cbb10",
		Netns: "/var/run/mesos/isolators/network/cni/2c6b9e9a/ns",
		Stdin: []byte(`{"name":"blue","type":"kuryr-cni","args":{"org.apache.mesos":{"network_info":` + networkInfo + `}}` + extra + `}`),
	}
}

func labels(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fmt.Sprintf(`{"key":%q,"value":%q}`, pairs[i], pairs[i+1]))
	}
	return `{"name":"blue","labels":{"labels":[` + strings.Join(list, ",") + `]}}`
}

func ptr[T any](v T) *T { return &v }

func addrs(s ...string) []netip.Addr {
	var list []netip.Addr
	for _, a := range s {
		list = append(list, netip.MustParseAddr(a))
	}
	return list
}

var compare = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreUnexported(Call{}),
}

func withArgs(r agentapi.CNIRequest, args string) agentapi.CNIRequest {
	r.Args = args
	return r
}

func TestEveryKeyReachesTheDemand(t *testing.T) {
	for name, tt := range map[string]struct {
		request agentapi.CNIRequest
		want    Call
	}{
		"nothing but the node's defaults": {add(""), Call{}},
		"network":                         {add(`"network":"blue net"`), Call{Demand: lease.Demand{Network: "blue net"}}},
		"subnets":                         {add(`"subnets":["v4","v6"]`), Call{Demand: lease.Demand{Subnets: []string{"v4", "v6"}}}},
		"security groups":                 {add(`"securityGroups":["web","db"]`), Call{Demand: lease.Demand{SecurityGroups: []string{"web", "db"}}}},
		"no security group at all":        {add(`"securityGroups":[]`), Call{Demand: lease.Demand{SecurityGroups: []string{}}}},
		"project":                         {add(`"project":"p"`), Call{Demand: lease.Demand{Project: "p"}}},
		"fixed addresses":                 {add(`"fixedIPs":["10.0.0.5","2001:db8::5"]`), Call{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5", "2001:db8::5")}}},
		"mac":                             {add(`"mac":"FA-16-3E-00-00-0A"`), Call{Demand: lease.Demand{MAC: "fa:16:3e:00:00:0a"}}},
		"port":                            {add(`"port":"mine","network":"n","mtu":1400,"defaultRoute":false`), Call{MTU: 1400, DefaultRoute: ptr(false), Demand: lease.Demand{Port: "mine", Network: "n"}}},
		"port's name":                     {add(`"portName":"pn"`), Call{Demand: lease.Demand{Name: "pn"}}},
		"dns name":                        {add(`"dnsName":"web1"`), Call{Demand: lease.Demand{DNSName: "web1"}}},
		"qos policy":                      {add(`"qosPolicy":"gold"`), Call{Demand: lease.Demand{QoSPolicy: "gold"}}},
		"address pairs": {
			add(`"allowedAddressPairs":[{"ipAddress":"10.1.0.0/24"},{"ipAddress":"10.0.0.9","macAddress":"fa:16:3e:00:00:01"}]`),
			Call{Demand: lease.Demand{AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.1.0.0/24"}, {IPAddress: "10.0.0.9", MACAddress: "fa:16:3e:00:00:01"}}}},
		},
		"port security off":  {add(`"portSecurity":false`), Call{Demand: lease.Demand{PortSecurity: ptr(false)}}},
		"mtu":                {add(`"mtu":1280`), Call{MTU: 1280}},
		"default route":      {add(`"defaultRoute":true`), Call{DefaultRoute: ptr(true)}},
		"socket":             {add(`"socket":"/run/other.sock"`), Call{}},
		"dns":                {add(`"dns":{"nameservers":["10.0.0.53"],"domain":"d","search":["a","b"],"options":["ndots:2"]}`), Call{DNS: types.DNS{Nameservers: []string{"10.0.0.53"}, Domain: "d", Search: []string{"a", "b"}, Options: []string{"ndots:2"}}}},
		"keys that CNI owns": {add(`"cniVersions":["1.1.0"],"capabilities":{"ips":true,"mac":true,"portMappings":false},"ipMasq":false,"ipam":{},"disableCheck":true,"disableGC":true,"loadOnlyInlinedPlugins":true,"cni.dev/anything":{},"prevResult":null,"runtimeConfig":null,"args":null,"dns":null`), Call{}},

		"ips from runtimeConfig":          {add(`"runtimeConfig":{"ips":["10.0.0.5/24","2001:db8::5"],"portMappings":[]}`), Call{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5", "2001:db8::5")}}},
		"mac from runtimeConfig":          {add(`"runtimeConfig":{"mac":"fa:16:3e:00:00:01"}`), Call{Demand: lease.Demand{MAC: "fa:16:3e:00:00:01"}}},
		"nothing from empty wishes":       {add(`"runtimeConfig":{"mac":"","ips":[]},"args":{"cni":{"ips":null}}`), Call{}},
		"ips and mac from args":           {add(`"args":{"cni":{"ips":["10.0.0.5"],"mac":"fa:16:3e:00:00:01","labels":[]},"other":7}`), Call{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5"), MAC: "fa:16:3e:00:00:01"}}},
		"ips and mac from CNI_ARGS":       {withArgs(add(""), "IP=10.0.0.5/24,2001:db8::5;MAC=fa:16:3e:00:00:01;"), Call{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5", "2001:db8::5"), MAC: "fa:16:3e:00:00:01"}}},
		"unknown CNI_ARGS when told to":   {withArgs(add(""), "FOO=1;K8S_POD_NAME=p=q;IgnoreUnknown=true"), Call{}},
		"pod's identity":                  {withArgs(add(""), "K8S_POD_NAMESPACE=n;K8S_POD_NAME=p;NOMAD_JOB_ID=j;NERDCTL_CNI_DHCP_HOSTNAME=h"), Call{}},
		"agreeing sources":                {withArgs(add(`"fixedIPs":["2001:db8::5","10.0.0.5"],"runtimeConfig":{"ips":["10.0.0.5/24","2001:db8::5/64"]}`), "IP=10.0.0.5"), Call{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5", "2001:db8::5")}}},
		"nerdctl's two families":          {withArgs(add(`"runtimeConfig":{"ips":["2001:db8::5"]}`), "IP=10.0.0.5;IgnoreUnknown=1"), Call{Demand: lease.Demand{FixedIPs: addrs("2001:db8::5", "10.0.0.5")}}},
		"CNI_ARGS yields to capabilities": {withArgs(add(`"runtimeConfig":{"ips":["10.0.0.5"],"mac":"fa:16:3e:00:00:01"}`), "IP=10.0.0.6;MAC=fa:16:3e:00:00:02"), Call{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5"), MAC: "fa:16:3e:00:00:01"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tt.request)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Command, tt.want.Version, tt.want.Network = "ADD", "1.1.0", "blue"
			tt.want.Key, tt.want.Netns = agent.Key{Sandbox: "c0ffee", Interface: "eth0"}, "/run/netns/blue"
			if diff := cmp.Diff(tt.want, got, compare); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
		})
	}
}

func TestMesosLabelsReachTheDemand(t *testing.T) {
	for name, tt := range map[string]struct {
		request agentapi.CNIRequest
		want    lease.Demand
	}{
		"nothing asked": {mesos(`{"name":"blue"}`, ""), lease.Demand{}},
		"all labels": {
			mesos(labels("kuryr.network", "n", "kuryr.subnet", "a, b", "kuryr.security-groups", "web,db", "kuryr.port-name", "p", "kuryr.qos-policy", "q", "team", "x", "kuryr", "y"), ""),
			lease.Demand{Network: "n", Subnets: []string{"a", "b"}, SecurityGroups: []string{"web", "db"}, Name: "p", QoSPolicy: "q"},
		},
		"a port":      {mesos(labels("kuryr.port", "mine"), ""), lease.Demand{Port: "mine"}},
		"an address":  {mesos(`{"ip_addresses":[{"protocol":"IPv4","ip_address":"10.0.0.5"},{"protocol":"IPv6","ip_address":"2001:db8::5"}]}`, ""), lease.Demand{FixedIPs: addrs("10.0.0.5", "2001:db8::5")}},
		"any address": {mesos(`{"ip_addresses":[{"protocol":"IPv4"},{}],"groups":[],"labels":null,"port_mappings":[{"host_port":1,"container_port":2}]}`, ""), lease.Demand{}},
		"a label that repeats the file": {
			mesos(labels("kuryr.network", "n", "kuryr.security-groups", "db,web"), `"network":"n","securityGroups":["web","db"]`),
			lease.Demand{Network: "n", SecurityGroups: []string{"web", "db"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tt.request)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Demand, compare); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
			if !got.Mesos || got.Version != "0.1.0" || got.Key.Sandbox != tt.request.ContainerID {
				t.Errorf("Mesos %v, version %s, sandbox %s", got.Mesos, got.Version, got.Key.Sandbox)
			}
		})
	}
}

func TestAVersionKnowsItsOperations(t *testing.T) {
	for _, version := range append([]string{""}, agentapi.CNIVersions...) {
		for command, first := range map[string]string{"ADD": "", "CHECK": "0.4.0", "STATUS": "1.1.0", "GC": "1.1.0"} {
			r := add("")
			r.Command = command
			r.Stdin = fmt.Appendf(nil, `{"cniVersion":%q,"name":"x","cni.dev/valid-attachments":[]`, version)
			if command == "CHECK" {
				r.Stdin = append(r.Stdin, `,"prevResult":{}`...)
			}
			call, err := Parse(agentapi.CNIRequest{Command: command, ContainerID: "c", IfName: "e", Netns: "/n", Stdin: append(r.Stdin, '}')})
			if spoken := version >= first; spoken != (err == nil) {
				t.Errorf("%s with version %q: %v", command, version, err)
			} else if !spoken && Failure(call, err).Code != agentapi.CodeVersion {
				t.Errorf("%s with version %q: code %d", command, version, Failure(call, err).Code)
			}
			if version != "" && call.Version != version {
				t.Errorf("%s with version %q is answered in %q", command, version, call.Version)
			}
		}
	}
}

func TestDelNeverFailsForItsConfiguration(t *testing.T) {
	for _, stdin := range []string{
		"", "nonsense", "[]", `{"name":7}`, `{"cniVersion":"9.9.9"}`, `{"name":"x","secGroups":[]}`, `{"name":"x","prevResult":7}`, "{\"name\":\"\xff\"}",
	} {
		r := agentapi.CNIRequest{Command: "DEL", ContainerID: "c", IfName: "eth0", Stdin: []byte(stdin), Args: "nonsense"}
		call, err := Parse(r)
		if err != nil || call.Key != (agent.Key{Sandbox: "c", Interface: "eth0"}) {
			t.Errorf("stdin %q: %v, %v", stdin, call.Key, err)
		}
	}
	r := add("")
	r.Command, r.Netns = "DEL", ""
	if call, err := Parse(r); err != nil || call.Network != "blue" || call.Version != "1.1.0" {
		t.Errorf("%+v, %v", call, err)
	}
	// What could never be added can be deleted.
	if _, err := Parse(agentapi.CNIRequest{Command: "DEL", ContainerID: "no/way", IfName: strings.Repeat("x", 99)}); err != nil {
		t.Error(err)
	}
	for _, missing := range []agentapi.CNIRequest{{Command: "DEL", IfName: "eth0"}, {Command: "DEL", ContainerID: "c"}} {
		if call, err := Parse(missing); err == nil || Failure(call, err).Code != agentapi.CodeEnvironment {
			t.Errorf("%+v: %v", missing, err)
		}
	}
}

func TestGCNeedsItsList(t *testing.T) {
	gc := func(extra string) (Call, error) {
		return Parse(agentapi.CNIRequest{Command: "GC", Path: "/opt/cni/bin", Stdin: []byte(`{"cniVersion":"1.1.0","name":"blue","type":"kuryr-cni","unknownKey":1` + extra + `}`)})
	}
	if call, err := gc(""); err == nil || Failure(call, err).Code != agentapi.CodeConfig {
		t.Errorf("without a list: keeps %v, %v", call.Keep, err)
	}
	two := []agent.Key{{Sandbox: "a.b", Interface: "eth0"}, {Sandbox: "c", Interface: "net1"}}
	for extra, want := range map[string][]agent.Key{
		`,"cni.dev/valid-attachments":[]`:   nil,
		`,"cni.dev/valid-attachments":null`: nil,
		`,"cni.dev/valid-attachments":[{"containerID":"a.b","ifname":"eth0"},{"containerID":"c","ifname":"net1"}]`:                         two,
		`,"cni.dev/attachments":[{"containerID":"a.b","ifname":"eth0"},{"containerID":"c","ifname":"net1","more":1}]`:                      two,
		`,"cni.dev/attachments":[{"containerID":"c","ifname":"net1"}],"cni.dev/valid-attachments":[{"containerID":"a.b","ifname":"eth0"}]`: two,
	} {
		call, err := gc(extra)
		if err != nil {
			t.Errorf("%s: %v", extra, err)
		}
		if diff := cmp.Diff(want, call.Keep, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", extra, diff)
		}
	}
	for extra, want := range map[string]string{
		`,"cni.dev/valid-attachments":{}`:                                     "cni.dev/valid-attachments: want a list of attachments, got an object",
		`,"cni.dev/valid-attachments":["a"]`:                                  "cni.dev/valid-attachments[0]: want an object, got a string",
		`,"cni.dev/valid-attachments":[{"containerID":"a"}]`:                  "cni.dev/valid-attachments[0].ifname: missing",
		`,"cni.dev/valid-attachments":[{"ifname":"a","containerID":""}]`:      "cni.dev/valid-attachments[0].containerID: empty",
		`,"cni.dev/valid-attachments":[{"containerId":"a","ifname":"eth0"}]`:  "cni.dev/valid-attachments[0].containerID: missing",
		`,"cni.dev/valid-attachments":[{"containerID":"a","ifname":["eth"]}]`: "cni.dev/valid-attachments[0].ifname: want the ifname of an attachment, got a list",
	} {
		if _, err := gc(extra); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", extra, err, want)
		}
	}
}

func TestAnErrorOfTheCoreIsWordedAsTheCallerAsked(t *testing.T) {
	call, err := Parse(mesos(`{"labels":{"labels":[{"key":"kuryr.subnet","value":"a,b"}]},"ip_addresses":[{},{"ip_address":"2001:db8::5"}]}`, `"runtimeConfig":{"ips":["10.0.0.5"]},"qosPolicy":"q"`))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"subnets[1]":                       "label kuryr.subnet[1]",
		"fixedIPs[1]":                      "network_info.ip_addresses[1].ip_address",
		"fixedIPs":                         "runtimeConfig.ips[0]",
		"fixedIPs[0]":                      "runtimeConfig.ips[0]",
		"qosPolicy":                        "qosPolicy",
		"netns":                            "CNI_NETNS",
		"interface":                        "CNI_IFNAME",
		"name":                             "portName",
		"allowedAddressPairs[0].ipAddress": "allowedAddressPairs[0].ipAddress",
	} {
		got := Failure(call, fmt.Errorf("agent: %w", fault.InvalidField(field, "wrong")))
		if got.Msg != want+": wrong" {
			t.Errorf("%s becomes %q", field, got.Msg)
		}
	}
}

// FuzzParse looks for crashes, errors without code or text, and security
// groups that are lost on the way.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"cniVersion":"1.1.0","name":"blue","type":"kuryr-cni","network":"n","securityGroups":["web"],"fixedIPs":["10.0.0.5"]}`,
		`{"name":"x","securityGroups":["a","b"],"port":"p"}`,
		`{"name":"x","args":{"org.apache.mesos":{"network_info":{"labels":{"labels":[{"key":"kuryr.security-groups","value":"a,b"}]}}}}}`,
		`{"name":"x","runtimeConfig":{"ips":["10.0.0.5/24"],"mac":"fa:16:3e:00:00:01"},"allowedAddressPairs":[{"ipAddress":"10.0.0.0/8"}]}`,
		`{"cniVersion":"1.0.0","name":"x","prevResult":{"interfaces":[{"name":"e"}],"ips":[{"address":"10.0.0.5/24"}]},"dns":{}}`,
		`{"cniVersion":"1.1.0","name":"x","cni.dev/valid-attachments":[{"containerID":"a","ifname":"b"}]}`,
	} {
		f.Add("ADD", []byte(seed), "IP=10.0.0.5;IgnoreUnknown=1", "c0ffee", "eth0")
		f.Add("CHECK", []byte(seed), "", "c0ffee", "eth0")
		f.Add("GC", []byte(seed), "", "", "")
		f.Add("DEL", []byte(seed), "", "a.b", "eth0")
	}
	f.Fuzz(func(t *testing.T, command string, stdin []byte, args, container, ifname string) {
		r := agentapi.CNIRequest{Command: command, ContainerID: container, IfName: ifname, Netns: "/run/netns/x", Args: args, Stdin: stdin}
		call, err := Parse(r)
		if err != nil {
			got := Failure(call, err)
			if got.Code == 0 || got.Code == agentapi.CodeInternal || got.Msg == "" || !fault.Is(err, fault.Invalid) {
				t.Fatalf("%v becomes %+v", err, got)
			}
			if !json.Valid(got.Response().Stdout) {
				t.Fatalf("%s", got.Response().Stdout)
			}
			return
		}
		var conf struct {
			Groups *[]string `json:"securityGroups"`
		}
		if command != "ADD" || json.Unmarshal(stdin, &conf) != nil || conf.Groups == nil {
			return
		}
		if diff := cmp.Diff(*conf.Groups, call.Demand.SecurityGroups); diff != "" {
			t.Fatalf("security groups lost (-want +got)\n%s", diff)
		}
	})
}
