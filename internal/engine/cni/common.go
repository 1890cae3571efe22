// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"net/netip"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// readIPAM accepts no address management but Neutron's.
func (c *config) readIPAM(v value) error {
	if v.isNull() {
		return nil
	}
	members, err := v.object()
	if err != nil {
		return err
	}
	if len(members) > 0 {
		e := fault.InvalidField(v.field, "not supported: Neutron assigns the addresses")
		e.Hint = "leave ipam out, or make it {}; subnets and fixedIPs choose an address"
		return e
	}
	return nil
}

// readIPMasq refuses address translation: a port has its own address.
func (c *config) readIPMasq(v value) error {
	on, err := v.flag()
	if err == nil && on {
		e := fault.InvalidField(v.field, "not supported: Kuryr translates no addresses")
		e.Hint = "a Neutron router with an external gateway leads out of the network"
		return e
	}
	return err
}

// readDNS reads the well-known key dns.
func (c *config) readDNS(v value) error {
	if v.isNull() {
		return nil
	}
	members, err := v.object()
	if err != nil {
		return err
	}
	for _, m := range members {
		switch m.key {
		case "nameservers":
			c.dns.Nameservers, err = m.nameservers()
		case "domain":
			c.dns.Domain, err = m.text("a domain")
		case "search":
			c.dns.Search, err = m.texts("domains")
		case "options":
			c.dns.Options, err = m.texts("resolver options")
		default:
			e := fault.InvalidField(m.field, "unknown key in dns")
			e.Hint = suggest(m.key, []string{"nameservers", "domain", "search", "options"})
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (v value) nameservers() ([]string, error) {
	list, err := v.texts("IP addresses of name servers")
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if _, err := netip.ParseAddr(s); err != nil {
			return nil, fault.InvalidField(v.field, "%q is not an IP address", s)
		}
	}
	return list, nil
}
