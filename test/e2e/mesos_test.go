// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/rig"
)

// mesosResult is the answer as Mesos's isolator parses it.
type mesosResult struct {
	IP4, IP6 *struct {
		IP      string
		Gateway string
		Routes  []struct{ Dst, GW string }
	}
	DNS struct{ Nameservers []string }
	IPs json.RawMessage
}

// mesos calls the plugin with the six variables that the isolator sets, and
// nothing else. Without a namespace CNI_NETNS is left out, as after a reboot.
func mesos(t *testing.T, a *rig.Agent, command, id, ifname, netns string, stdin []byte) ([]byte, error) {
	t.Helper()
	env := []string{
		"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + id, "CNI_PATH=" + world.Programs.Dir,
		"CNI_IFNAME=" + ifname, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	if netns != "" {
		env = append(env, "CNI_NETNS="+netns)
	}
	return a.Plugin(within(t, stateTime), rig.Call{Command: command, Env: env, Stdin: stdin})
}

// networkInfo is what the isolator adds to the file: the task's NetworkInfo.
func networkInfo(c rig.Conf, name string, ips []string, labels map[string]string) []byte {
	info := map[string]any{"name": name}
	for _, ip := range ips {
		list, _ := info["ip_addresses"].([]any)
		info["ip_addresses"] = append(list, map[string]any{"protocol": "IPv4", "ip_address": ip})
	}
	var pairs []any
	for k, v := range labels {
		pairs = append(pairs, map[string]any{"key": k, "value": v})
	}
	if pairs != nil {
		info["labels"] = map[string]any{"labels": pairs}
	}
	return c.With(map[string]any{"args": map[string]any{"org.apache.mesos": map[string]any{"network_info": info}}}).JSON()
}

func TestMesosTasksGetTheNetworkGroupsAndAddressesOfTheirLabels(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "tasks", "10.30.0.0/24", "fd00:30::/64"))
	other := must[rig.Network](t)(tn.Network(ctx, "others", "10.31.0.0/24", "10.31.1.0/24"))
	web := must[string](t)(tn.Group(ctx, "web"))
	agent := world.agents[0]
	// The file of the operator: no version, hence CNI 0.1.0, and one plugin, no list.
	// It names no network: that is the tasks' choice.
	file := rig.Conf{"name": "kuryr", "type": "kuryr-cni", "socket": agent.Socket, "project": tn.Project}
	// A nested container's id: two UUIDs and a dot.
	id := "0bb0d4b6-35f5-4a58-b4e9-6e9a3a1f9a10.7d0c2a7e-8f38-45a2-ae66-0d2a9f1f9b77"
	s := sandbox(t)
	stdin := map[string][]byte{
		"eth0": networkInfo(file, "kuryr", []string{"10.30.0.50"}, map[string]string{"kuryr.network": net.Name, "kuryr.security-groups": "web", "team": "a"}),
		"eth1": networkInfo(file.With(map[string]any{"name": "second"}), "second", nil,
			map[string]string{"kuryr.network": other.ID, "kuryr.subnet": other.Subnets[1].Name}),
	}
	// All networks of a container at the same time, one process each.
	var wg sync.WaitGroup
	answers := map[string][]byte{}
	var mu sync.Mutex
	for ifname, in := range stdin {
		wg.Go(func() {
			out, err := mesos(t, agent, "ADD", id, ifname, s.Path(), in)
			if err != nil {
				t.Errorf("ADD %s: %v", ifname, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[ifname] = out
		})
	}
	wg.Wait()
	var first, second mesosResult
	ok(t, json.Unmarshal(answers["eth0"], &first))
	ok(t, json.Unmarshal(answers["eth1"], &second))
	if first.IP4 == nil || first.IP4.IP != "10.30.0.50/24" || first.IP6 != nil || first.IPs != nil {
		t.Errorf("first answer %s", answers["eth0"])
	}
	if second.IP4 == nil || !other.Subnets[1].CIDR.Contains(netip.MustParsePrefix(second.IP4.IP).Addr()) || len(second.DNS.Nameservers) == 0 {
		t.Errorf("second answer %s", answers["eth1"])
	}
	var groups []string
	for _, p := range must[[]ports.Port](t)(tn.Ports(ctx)) {
		if p.FixedIPs[0].IPAddress == "10.30.0.50" {
			groups = p.SecurityGroups
		}
	}
	if len(groups) != 1 || groups[0] != web {
		t.Errorf("groups %v, want %s", groups, web)
	}
	// The container ends; the agent of Mesos restarts, finds no namespace, and calls again.
	for range 2 {
		for ifname, in := range stdin {
			_, err := mesos(t, agent, "DEL", id, ifname, "", in)
			ok(t, err)
		}
	}
	ok(t, agent.Settled(within(t, stateTime)))
	busyPorts(ctx, t, tn, agent, 0)
}

func TestMesosReadsWhatIsWrongWithALabel(t *testing.T) {
	agent := world.agents[0]
	file := rig.Conf{"name": "kuryr", "type": "kuryr-cni", "socket": agent.Socket, "cniVersion": "0.2.0"}
	s := sandbox(t)
	for name, labels := range map[string]map[string]string{
		"kuryr.securitygroups": {"kuryr.securitygroups": "web"},
		"kuryr.network":        {"kuryr.network": "no-such-network"},
	} {
		_, err := mesos(t, agent, "ADD", "task", "eth0", s.Path(), networkInfo(file, "kuryr", nil, labels))
		if err == nil || !strings.Contains(err.Error(), name[len("kuryr."):]) {
			t.Errorf("%s: %v, which does not name it", name, err)
		}
	}
}
