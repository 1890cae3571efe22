// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// order is a demand that is complete and, as far as can be told without
// asking the cloud, correct.
type order struct {
	lease.Demand
	// fromDefaults tells which keys the demand left out.
	fromDefaults struct{ project, network, subnets, groups bool }
}

// complete fills in the defaults and checks what can be checked here. Its
// errors are Invalid and name the key.
func complete(d lease.Demand, defaults Defaults) (order, error) {
	o := order{Demand: d}
	if o.Project == "" && defaults.Project != "" {
		o.Project, o.fromDefaults.project = defaults.Project, true
	}
	if o.Port != "" {
		return o, checkAlone(d)
	}
	if o.Network == "" {
		o.Network, o.fromDefaults.network = defaults.Network, true
		if len(o.Subnets) == 0 {
			o.Subnets, o.fromDefaults.subnets = defaults.Subnets, true
		}
	}
	secured := o.PortSecurity == nil || *o.PortSecurity
	if o.SecurityGroups == nil && secured {
		o.SecurityGroups, o.fromDefaults.groups = defaults.SecurityGroups, true
	}
	if o.Network == "" {
		return o, fault.InvalidField("network", "no network is named, and this node has no default one")
	}
	for _, check := range []func(lease.Demand) error{checkWords, checkMAC, checkAddresses, checkPairs, checkSecurity} {
		if err := check(o.Demand); err != nil {
			return o, err
		}
	}
	if o.MAC != "" {
		o.MAC = strings.ToLower(o.MAC)
	}
	return o, nil
}

// checkAlone refuses what would change an existing port.
func checkAlone(d lease.Demand) error {
	for _, c := range []struct {
		field string
		given bool
	}{
		{"subnets", len(d.Subnets) > 0},
		{"securityGroups", d.SecurityGroups != nil},
		{"fixedIPs", len(d.FixedIPs) > 0},
		{"mac", d.MAC != ""},
		{"name", d.Name != ""},
		{"dnsName", d.DNSName != ""},
		{"qosPolicy", d.QoSPolicy != ""},
		{"allowedAddressPairs", len(d.AllowedAddressPairs) > 0},
		{"portSecurity", d.PortSecurity != nil},
	} {
		if c.given {
			return fault.InvalidField(c.field, "not allowed together with port: an existing port is used as it is")
		}
	}
	return nil
}

// maxName is the length of a port's name in Neutron's database.
const maxName = 255

func checkWords(d lease.Demand) error {
	if len(d.Name) > maxName {
		return fault.InvalidField("name", "longer than %d bytes", maxName)
	}
	if i := slices.Index(d.Subnets, ""); i >= 0 {
		return fault.InvalidField(element("subnets", i), "empty; want a name or an id")
	}
	if i := slices.Index(d.SecurityGroups, ""); i >= 0 {
		return fault.InvalidField(element("securityGroups", i), "empty; want a name or an id")
	}
	return nil
}

func checkMAC(d lease.Demand) error {
	if d.MAC == "" {
		return nil
	}
	return checkHardwareAddress("mac", d.MAC)
}

func checkHardwareAddress(field, s string) error {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6 || strings.Count(s, ":") != 5:
		return fault.InvalidField(field, "%q is no MAC address; want six bytes like fa:16:3e:01:02:03", s)
	case mac[0]&1 != 0:
		return fault.InvalidField(field, "%s is a multicast address; the lowest bit of the first byte must be 0", s)
	case slices.Max(mac) == 0:
		return fault.InvalidField(field, "%s is no interface's address", s)
	}
	return nil
}

func checkAddresses(d lease.Demand) error {
	for i, a := range d.FixedIPs {
		field := element("fixedIPs", i)
		switch {
		case !a.IsValid():
			return fault.InvalidField(field, "no address")
		case a.Zone() != "":
			return fault.InvalidField(field, "%s has a zone; want a plain address", a)
		case a.IsUnspecified(), a.IsMulticast(), a.IsLoopback():
			return fault.InvalidField(field, "%s cannot be an interface's address", a)
		case slices.Index(d.FixedIPs, a) < i:
			return fault.InvalidField(field, "%s is asked for twice", a)
		}
	}
	return nil
}

func checkPairs(d lease.Demand) error {
	for i, p := range d.AllowedAddressPairs {
		field := element("allowedAddressPairs", i)
		if _, err := netip.ParseAddr(p.IPAddress); err != nil {
			if _, err := netip.ParsePrefix(p.IPAddress); err != nil {
				return fault.InvalidField(field+".ipAddress", "%q is neither an address nor a prefix", p.IPAddress)
			}
		}
		if p.MACAddress != "" {
			if err := checkHardwareAddress(field+".macAddress", p.MACAddress); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSecurity(d lease.Demand) error {
	if d.PortSecurity == nil || *d.PortSecurity {
		return nil
	}
	if len(d.SecurityGroups) > 0 {
		return fault.InvalidField("securityGroups", "not allowed with portSecurity false: security groups hold only on ports with port security")
	}
	if len(d.AllowedAddressPairs) > 0 {
		return fault.InvalidField("allowedAddressPairs", "not allowed with portSecurity false: without it, every source address is allowed")
	}
	return nil
}

// element names an element of a list in the network configuration.
func element(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// extensions lists the extensions of Neutron that an order cannot do without,
// by the key that needs them.
func (o order) extensions() []need {
	var needs []need
	add := func(given bool, field, alias string) {
		if given {
			needs = append(needs, need{field, alias})
		}
	}
	add(o.QoSPolicy != "", "qosPolicy", "qos")
	add(o.DNSName != "", "dnsName", "dns-integration")
	add(o.PortSecurity != nil, "portSecurity", "port-security")
	add(len(o.AllowedAddressPairs) > 0, "allowedAddressPairs", "allowed-address-pairs")
	return needs
}

// need is a key of the network configuration and the extension behind it.
type need struct{ field, alias string }
