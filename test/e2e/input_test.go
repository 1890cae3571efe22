// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/rig"
)

func TestBadInputIsAnsweredWithTheFieldAndWhatIsAllowed(t *testing.T) {
	tn, ctx := tenant(t), within(t, 2*stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.60.0.0/24", "fd00:60::/64"))
	must[rig.Network](t)(tn.Network(ctx, "twin"))
	must[rig.Network](t)(tn.Network(ctx, "twin"))
	taken := must[*ports.Port](t)(tn.Port(ctx, "taken", net))
	agent, s := world.agents[0], sandbox(t)
	used := taken.FixedIPs[0].IPAddress
	base := agent.Conf("net", map[string]any{"project": tn.Project})
	conf := func(k string, v any) []byte { return base.With(map[string]any{k: v}).JSON() }
	for name, c := range map[string]struct {
		call rig.Call
		says []string
	}{
		"unknown network":         {rig.Call{Stdin: conf("network", "nowhere")}, []string{"network", "nowhere"}},
		"ambiguous name":          {rig.Call{Stdin: conf("network", "twin")}, []string{"network", "twin", "id"}},
		"unknown subnet":          {rig.Call{Stdin: conf("subnets", []string{"nosub"})}, []string{"subnets[0]", "nosub"}},
		"unknown group":           {rig.Call{Stdin: conf("securityGroups", []string{"default", "nogroup"})}, []string{"securityGroups[1]", "nogroup"}},
		"unknown project":         {rig.Call{Stdin: conf("project", "noproject")}, []string{"project", "noproject"}},
		"unknown QoS policy":      {rig.Call{Stdin: conf("qosPolicy", "noqos")}, []string{"qosPolicy", "noqos"}},
		"unknown port":            {rig.Call{Stdin: conf("port", "noport")}, []string{"port", "noport"}},
		"address outside":         {rig.Call{Stdin: conf("fixedIPs", []string{"10.99.0.1"})}, []string{"fixedIPs[0]", "10.99.0.1", "10.60.0.0/24"}},
		"address in use":          {rig.Call{Stdin: conf("fixedIPs", []string{used})}, []string{"fixedIPs", used, taken.ID}},
		"malformed address":       {rig.Call{Stdin: conf("fixedIPs", []string{"10.60.0.300"})}, []string{"fixedIPs[0]", "10.60.0.300"}},
		"wrong MAC":               {rig.Call{Stdin: conf("mac", "01:00:5e:00:00:01")}, []string{"mac", "01:00:5e:00:00:01"}},
		"malformed MAC":           {rig.Call{Stdin: conf("mac", "nonsense")}, []string{"mac", "nonsense"}},
		"MTU too small for IPv6":  {rig.Call{Stdin: conf("mtu", 900)}, []string{"mtu", "900", "1280"}},
		"MTU larger than the net": {rig.Call{Stdin: conf("mtu", 9000)}, []string{"mtu", "9000", "1442"}},
		"unknown key":             {rig.Call{Stdin: conf("securityGroup", "web")}, []string{"securityGroup", "securityGroups"}},
		"wrong type":              {rig.Call{Stdin: conf("mtu", "big")}, []string{"mtu"}},
		"unknown version":         {rig.Call{Stdin: conf("cniVersion", "9.9.9")}, []string{"9.9.9"}},
		"malformed JSON":          {rig.Call{Stdin: []byte(`{"cniVersion": "1.0.0", `)}, []string{"JSON"}},
		"10 MB":                   {rig.Call{Stdin: bytes.Repeat([]byte("x"), 10<<20)}, []string{"1048576"}},
		"missing namespace":       {rig.Call{Stdin: base.JSON(), Netns: "/run/netns/not-there"}, []string{"CNI_NETNS", "/run/netns/not-there"}},
		"no namespace":            {rig.Call{Stdin: base.JSON(), Netns: "-"}, []string{"CNI_NETNS"}},
		"bad interface name":      {rig.Call{Stdin: base.JSON(), IfName: "eth0/1"}, []string{"CNI_IFNAME", "eth0/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			call := c.call
			call.Command, call.ContainerID = "ADD", s.ID
			switch call.Netns {
			case "":
				call.Netns = s.Path()
			case "-":
				call.Netns = ""
			}
			if call.IfName == "" {
				call.IfName = "eth0"
			}
			_, err := agent.Plugin(ctx, call)
			var e *types.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v is no CNI error", err)
			}
			text := e.Msg + "; " + e.Details
			t.Logf("code %d: %s", e.Code, text)
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in the error", want)
				}
			}
		})
	}
	ok(t, agent.Settled(within(t, stateTime)))
	busyPorts(ctx, t, tn, agent, 0)
}

func TestAQuotaIsToldInNeutronsWordsWithTheRequestID(t *testing.T) {
	ctx := within(t, stateTime)
	project := world.Cloud.NewProject(t)
	tn := must[*rig.Tenant](t)(rig.NewTenant(ctx, project))
	must[rig.Network](t)(tn.Network(ctx, "net", "10.61.0.0/24"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cluster: "quota"})
	// The DHCP port of OVN counts too: what is there now, and one more.
	ok(t, project.SetQuota(ctx, quotas.UpdateOpts{Port: gophercloud.IntToPointer(portCount(t, tn) + 1)}))
	conf := agent.Conf("net", map[string]any{"project": tn.Project})
	first := attach(t, agent, conf)
	_, err := agent.Add(ctx, sandbox(t), "eth0", conf)
	if err == nil {
		t.Fatal("the quota was exceeded")
	}
	t.Logf("code %d: %v", code(err), err)
	var e *types.Error
	errors.As(err, &e)
	for _, want := range []string{"uota", "req-"} {
		if !strings.Contains(e.Msg+e.Details, want) {
			t.Errorf("%q is not in the error", want)
		}
	}
	// A port that is just going back makes room.
	ok(t, agent.Del(ctx, first.Sandbox, "eth0", conf))
	attach(t, agent, conf)
}

func portCount(t *testing.T, tn *rig.Tenant) int {
	t.Helper()
	pages, err := ports.List(tn.Client, ports.ListOpts{ProjectID: tn.Project}).AllPages(within(t, stateTime))
	ok(t, err)
	return len(must[[]ports.Port](t)(ports.ExtractPorts(pages)))
}
