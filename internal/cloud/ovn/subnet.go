// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const kindSubnet = "subnet"

// subnetKind is what OVN's DHCP server tells the hosts of a subnet.
func subnetKind() kind {
	return kind{
		name: kindSubnet,
		every: func(v view) iter.Seq[string] {
			return ids(v.Subnets.All(v), func(s *model.Subnet) string { return s.ID })
		},
		rows: func(v view, id string) []Row {
			s := v.Subnets.Get(v, id)
			options, ok := dhcpOptions(v, s)
			if !ok {
				return nil
			}
			return []Row{dhcpRow(s, "", options)}
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableDHCP: func(row *ovsdb.Row) (id, key string, ok bool) {
				id = row.Entry(columnIDs, idDHCPSubnet)
				return id, id, id != "" && row.Entry(columnIDs, idDHCPPort) == ""
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"subnets":  itself,
			"networks": subnetsOfNetwork,
		},
	}
}

func subnetsOfNetwork(v view, c store.Change, dirty func(string)) {
	if before, after := changed[model.Network](c); before == nil || after == nil || before.MTU != after.MTU {
		for s := range v.Subnets.By(v, v.Index.SubnetByNetwork, c.ID) {
			dirty(s.ID)
		}
	}
}

// dhcpRow is a subnet's row of DHCP_Options, or that of a port with options of its own.
func dhcpRow(s *model.Subnet, portID string, options ovsdb.Map) Row {
	row := Row{
		Table: tableDHCP, Key: dhcpKey(s.ID, portID),
		Columns: ovsdb.Columns{
			"cidr": s.CIDR, "options": options,
			columnIDs: ovsdb.Map{idDHCPSubnet: s.ID, idRevision: revision(s.RevisionNumber)},
		},
	}
	if portID != "" {
		row.Columns[columnIDs].(ovsdb.Map)[idDHCPPort] = portID
	}
	return row
}

func dhcpKey(subnetID, portID string) string {
	if portID == "" {
		return subnetID
	}
	return subnetID + " " + portID
}

// dhcpOptions are what a subnet's hosts are told. ok is false for a subnet without DHCP.
func dhcpOptions(v view, s *model.Subnet) (options ovsdb.Map, ok bool) {
	if s == nil || !s.EnableDHCP {
		return nil, false
	}
	if s.IPVersion == 6 {
		return dhcpv6Options(v.options, s), deref(s.IPv6AddressMode) != "slaac"
	}
	n := v.Networks.Get(v, s.NetworkID)
	if n == nil {
		return nil, false
	}
	return dhcpv4Options(v.options, s, n), true
}

func dhcpv4Options(o *Options, s *model.Subnet, n *model.Network) ovsdb.Map {
	gateway := deref(s.GatewayIP)
	if gateway == "" {
		// The server would have no address.
		return ovsdb.Map{}
	}
	options := ovsdb.Map{
		"server_id": gateway, "router": gateway, "server_mac": serverMAC(s.ID),
		"lease_time": strconv.Itoa(int(o.DHCPLease.Seconds())), "mtu": strconv.Itoa(n.MTU),
	}
	if o.DNSDomain != "" && o.DNSDomain != "openstacklocal" {
		options["domain_name"] = strconv.Quote(o.DNSDomain)
	}
	if servers := dnsServers(o, s); len(servers) > 0 {
		options["dns_server"] = "{" + strings.Join(servers, ", ") + "}"
	}
	if len(s.HostRoutes) > 0 {
		var routes []string
		for _, r := range s.HostRoutes {
			routes = append(routes, r.Destination+","+r.NextHop)
		}
		// A host that is told this option ignores the router (RFC 3442).
		routes = append(routes, "0.0.0.0/0,"+gateway)
		options["classless_static_route"] = "{" + strings.Join(routes, ", ") + "}"
	}
	return options
}

func dhcpv6Options(o *Options, s *model.Subnet) ovsdb.Map {
	options := ovsdb.Map{"server_id": serverMAC(s.ID)}
	if servers := dnsServers(o, s); len(servers) > 0 {
		options["dns_server"] = "{" + strings.Join(servers, ", ") + "}"
	}
	if deref(s.IPv6AddressMode) == "dhcpv6-stateless" {
		options["dhcpv6_stateless"] = "true"
	}
	return options
}

// dnsServers are a subnet's, or else the cloud's of its family. The address
// that is all zeros says that there shall be none.
func dnsServers(o *Options, s *model.Subnet) []string {
	servers := slices.Clone(s.DNSNameservers)
	if len(servers) == 0 {
		for _, server := range o.DNSServers {
			if a, err := netip.ParseAddr(server); err == nil && a.Is4() == (s.IPVersion == 4) {
				servers = append(servers, server)
			}
		}
	}
	if len(servers) == 1 {
		if a, err := netip.ParseAddr(servers[0]); err == nil && a.IsUnspecified() {
			return nil
		}
	}
	return servers
}

// serverMAC is the MAC of a subnet's DHCP server. Neutron's is random; this one
// is the same after a restart.
func serverMAC(subnetID string) string {
	sum := sha256.Sum256([]byte(subnetID))
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}
