// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// explain says which key of the network configuration Neutron refused, in the
// configuration's spelling, and who is in the way. Neutron's own words and
// request id stay in the message.
func (d *Direct) explain(ctx context.Context, err error, o order, r resolved) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	out := *e
	out.Err = err
	switch neutron.ErrorType(err) {
	case neutron.TypeAddressInUse, neutron.TypeAddressAllocated:
		i := mentioned(e.Message, o.FixedIPs)
		if i < 0 {
			return err
		}
		out.Field = element("fixedIPs", i)
		out.Hint = d.holder(ctx, neutron.PortFilter{NetworkID: r.network.ID, Address: o.FixedIPs[i]})
	case neutron.TypeMACInUse:
		out.Field = "mac"
		out.Hint = d.holder(ctx, neutron.PortFilter{NetworkID: r.network.ID, MACAddress: o.MAC})
	case neutron.TypeAddressesExhausted:
		out.Hint = "network " + called(r.network.Name, r.network.ID) + " has no free address in " + listSubnets(r.candidates()) + ": release ports, or add a subnet"
	default:
		out.Field = refusedKey(err, o, r)
		if out.Field == "project" {
			// Neutron calls it a bad request, but it is a right that is missing.
			out.Class = fault.Unauthorized
			out.Hint = "leave project out, or use credentials that may make ports for other projects; see the page on credentials"
		}
	}
	return &out
}

// candidates are the subnets from which Neutron was to choose.
func (r resolved) candidates() []neutron.Subnet {
	if len(r.fixed) == 0 {
		return r.subnets
	}
	return matching(r.subnets, func(s neutron.Subnet) bool {
		return slices.ContainsFunc(r.fixed, func(f neutron.FixedIP) bool { return f.SubnetID == s.ID })
	})
}

// mentioned finds the address that a message is about; -1 when none is.
func mentioned(message string, addresses []netip.Addr) int {
	words := strings.FieldsFunc(message, func(r rune) bool { return r == ' ' || r == ',' || r == '\'' || r == '"' })
	for _, w := range words {
		a, err := netip.ParseAddr(strings.TrimRight(w, ".:;"))
		if err == nil {
			if i := slices.Index(addresses, a); i >= 0 {
				return i
			}
		}
	}
	return -1
}

// invalidInput finds the attribute in "Invalid input for dns_name. Reason: …".
var invalidInput = regexp.MustCompile(`Invalid input for '?([a-z_:]+)'?`)

// keys are the configuration's keys by Neutron's attributes.
var keys = map[string]string{
	"network_id": "network", "fixed_ips": "fixedIPs", "mac_address": "mac", "name": "name", "dns_name": "dnsName",
	"qos_policy_id": "qosPolicy", "security_groups": "securityGroups", "allowed_address_pairs": "allowedAddressPairs",
	"port_security_enabled": "portSecurity", "project_id": "project", "tenant_id": "project",
}

// refusedKey is the key that an answer of Neutron is about, or "".
func refusedKey(err error, o order, r resolved) string {
	var answer *neutron.APIError
	if !errors.As(err, &answer) {
		return ""
	}
	switch answer.Type {
	case neutron.TypeNetworkNotFound:
		return "network"
	case neutron.TypeQoSPolicyNotFound:
		return "qosPolicy"
	case neutron.TypeSubnetNotFound:
		return "subnets"
	case neutron.TypeGroupNotFound, "PortSecurityAndIPRequiredForSecurityGroups":
		return groupKey(answer.Message, r)
	case "InvalidIpForSubnet", "InvalidIpForNetwork":
		if i := mentioned(answer.Message, o.FixedIPs); i >= 0 {
			return element("fixedIPs", i)
		}
		return "fixedIPs"
	}
	if m := invalidInput.FindStringSubmatch(answer.Message); m != nil {
		return keys[m[1]]
	}
	if strings.Contains(answer.Message, "'project_id'") || strings.Contains(answer.Message, "'tenant_id'") {
		return "project"
	}
	return ""
}

// groupKey is the key of the security group whose id a message has.
func groupKey(message string, r resolved) string {
	for i, g := range r.groups {
		if strings.Contains(message, g.ID) {
			return element("securityGroups", i)
		}
	}
	return "securityGroups"
}

// holder says who has what was asked for.
func (d *Direct) holder(ctx context.Context, f neutron.PortFilter) string {
	f.Limit = 1
	ports, err := d.client.Ports(ctx, f)
	if err != nil || len(ports) == 0 {
		return "the port that has it cannot be seen with these credentials"
	}
	return "it belongs to port " + describePort(ports[0])
}

// describePort tells an operator enough of a port to find its user.
func describePort(p neutron.Port) string {
	parts := []string{called(p.Name, p.ID)}
	for _, part := range []struct{ word, value string }{
		{"device_owner", p.DeviceOwner}, {"device_id", p.DeviceID}, {"host", deref(p.HostID)}, {"status", p.Status},
	} {
		if part.value != "" {
			parts = append(parts, part.word+" "+part.value)
		}
	}
	return strings.Join(parts, ", ")
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// checkBound refuses a port that Neutron could not bind to the node.
func (d *Direct) checkBound(ctx context.Context, l lease.Lease) error {
	if l.VIFType != "binding_failed" && l.VIFType != "unbound" {
		return nil
	}
	e := fault.New(fault.Unavailable, "supply: Neutron could not bind port %s to host %q (binding:vif_type is %s)", l.PortID, d.options.Node, l.VIFType)
	e.Hint = "the node's OVN controller or Neutron agent must be alive, and report exactly this host name; " +
		"network " + called(l.Network.Name, l.Network.ID) + " must be of a type that it supports"
	if seen := d.agentsSeen(ctx); seen != "" {
		e.Hint = seen + "; " + e.Hint
	}
	return e
}

// agentsSeen says what Neutron knows of the node's agents; "" when these
// credentials may not know.
func (d *Direct) agentsSeen(ctx context.Context) string {
	agents, err := d.client.Agents(ctx, "")
	if err != nil || len(agents) == 0 {
		return ""
	}
	return describeAgents(d.options.Node, agents)
}

// maxHosts is how many hosts a message names.
const maxHosts = 10

// describeAgents compares a node with the agents that Neutron knows.
func describeAgents(node string, agents []neutron.Agent) string {
	var hosts, here []string
	for _, a := range agents {
		if a.Host == node {
			state := "alive"
			if !a.Alive {
				state = "dead"
			}
			here = append(here, fmt.Sprintf("%s is %s", a.Type, state))
		} else if !slices.Contains(hosts, a.Host) {
			hosts = append(hosts, a.Host)
		}
	}
	if len(here) > 0 {
		return fmt.Sprintf("for host %q, Neutron says: %s", node, strings.Join(here, ", "))
	}
	slices.Sort(hosts)
	if len(hosts) > maxHosts {
		hosts = append(hosts[:maxHosts], fmt.Sprintf("and %d more", len(hosts)-maxHosts))
	}
	return fmt.Sprintf("Neutron knows no agent on host %q, but on: %s", node, strings.Join(hosts, ", "))
}
