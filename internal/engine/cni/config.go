// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// config is a network configuration while it is read.
type config struct {
	demand       lease.Demand
	mtu          int
	defaultRoute *bool
	dns          types.DNS
	mesos        bool

	// addresses and macs are who asks for which, to be weighed when all is read.
	addresses []addressWish
	macs      []macWish
	// labels are Mesos's; they come after the keys they may complete.
	labels []label
	// set are the keys of the demand that the file has.
	set map[string]bool
	// spelling is as in Call.
	spelling map[string]string
}

// key is one key of a network configuration.
type key struct {
	name string
	read func(*config, value) error
}

// ownKeys are Kuryr's, in the order of the documentation.
var ownKeys = []key{
	{"network", oneText("the name or id of a network", func(c *config) *string { return &c.demand.Network })},
	{"subnets", textList("names or ids of subnets", func(c *config) *[]string { return &c.demand.Subnets })},
	{"securityGroups", textList("names or ids of security groups", func(c *config) *[]string { return &c.demand.SecurityGroups })},
	{"project", oneText("the name or id of a project", func(c *config) *string { return &c.demand.Project })},
	{"fixedIPs", (*config).readFixedIPs},
	{"mac", (*config).readMAC},
	{"port", oneText("the name or id of a port", func(c *config) *string { return &c.demand.Port })},
	{"portName", oneText("a name for the port", func(c *config) *string { return &c.demand.Name })},
	{"dnsName", oneText("a host name", func(c *config) *string { return &c.demand.DNSName })},
	{"qosPolicy", oneText("the name or id of a QoS policy", func(c *config) *string { return &c.demand.QoSPolicy })},
	{"allowedAddressPairs", (*config).readPairs},
	{"portSecurity", boolean(func(c *config) **bool { return &c.demand.PortSecurity })},
	{"mtu", (*config).readMTU},
	{"defaultRoute", boolean(func(c *config) **bool { return &c.defaultRoute })},
	{"socket", (*config).readSocket},
}

// commonKeys are those that the CNI specification gives every plugin.
var commonKeys = []key{
	{"cniVersion", unread},
	{"cniVersions", unread},
	{"name", unread},
	{"type", unread},
	{"capabilities", (*config).readCapabilities},
	{"runtimeConfig", (*config).readRuntimeConfig},
	{"args", (*config).readConfigArgs},
	{"prevResult", unread},
	{"dns", (*config).readDNS},
	{"ipMasq", (*config).readIPMasq},
	{"ipam", (*config).readIPAM},
	{"disableCheck", unread},
	{"disableGC", unread},
	{"loadOnlyInlinedPlugins", unread},
}

// unread is for keys that are read elsewhere, or are the runtime's alone.
func unread(*config, value) error { return nil }

func oneText(what string, to func(*config) *string) func(*config, value) error {
	return func(c *config, v value) (err error) {
		*to(c), err = v.text(what)
		return err
	}
}

func textList(what string, to func(*config) *[]string) func(*config, value) error {
	return func(c *config, v value) (err error) {
		*to(c), err = v.texts(what)
		return err
	}
}

func boolean(to func(*config) **bool) func(*config, value) error {
	return func(c *config, v value) error {
		b, err := v.flag()
		*to(c) = &b
		return err
	}
}

// read takes every key of the configuration, and refuses those it does not know.
func (c *config) read(members []member) error {
	c.set = map[string]bool{}
	for _, m := range members {
		known, ok := lookup(m.key)
		switch {
		case ok:
			if err := known.read(c, m.value); err != nil {
				return err
			}
			c.set[m.key] = true
		case !strings.HasPrefix(m.key, "cni.dev/"):
			return unknownKey(m.key)
		}
	}
	return nil
}

func lookup(name string) (key, bool) {
	for _, table := range [][]key{ownKeys, commonKeys} {
		if i := slices.IndexFunc(table, func(k key) bool { return k.name == name }); i >= 0 {
			return table[i], true
		}
	}
	return key{}, false
}

func unknownKey(name string) error {
	if len(name) > maxText {
		name = name[:maxText] + "…"
	}
	e := fault.InvalidField(name, "unknown key in the network configuration")
	if name == "plugins" {
		e.Hint = "this is a configuration list, where the configuration of one plugin is wanted"
		return e
	}
	var known []string
	for _, k := range slices.Concat(ownKeys, commonKeys) {
		known = append(known, k.name)
	}
	if e.Hint = suggest(name, known); e.Hint == "" {
		e.Hint = "Kuryr's keys are " + strings.Join(known[:len(ownKeys)], ", ")
	}
	return e
}

// settle weighs what was asked for in more than one place, and refuses what
// excludes each other.
func (c *config) settle() error {
	if err := c.applyLabels(); err != nil {
		return err
	}
	if err := c.settleAddresses(); err != nil {
		return err
	}
	if err := c.settleMAC(); err != nil {
		return err
	}
	if err := c.checkAdoption(); err != nil {
		return err
	}
	return c.checkPortSecurity()
}

// checkAdoption holds lease.Demand's rule: an existing port is used as it is.
func (c *config) checkAdoption() error {
	d := c.demand
	if d.Port == "" {
		return nil
	}
	for _, other := range []struct {
		key string
		set bool
	}{
		{"subnets", d.Subnets != nil},
		{"securityGroups", d.SecurityGroups != nil},
		{"fixedIPs", d.FixedIPs != nil},
		{"mac", d.MAC != ""},
		{"portName", d.Name != ""},
		{"dnsName", d.DNSName != ""},
		{"qosPolicy", d.QoSPolicy != ""},
		{"allowedAddressPairs", d.AllowedAddressPairs != nil},
		{"portSecurity", d.PortSecurity != nil},
	} {
		if other.set {
			return fault.InvalidField(c.spelled(other.key), "excluded by %s: an existing port is used as it is", c.spelled("port"))
		}
	}
	return nil
}

// checkPortSecurity refuses what Neutron would: filters without the switch
// that makes them work.
func (c *config) checkPortSecurity() error {
	d := c.demand
	if d.PortSecurity == nil || *d.PortSecurity {
		return nil
	}
	if len(d.SecurityGroups) > 0 {
		return fault.InvalidField("portSecurity", "false excludes %s: without port security no group has any effect", c.spelled("securityGroups"))
	}
	if len(d.AllowedAddressPairs) > 0 {
		return fault.InvalidField("portSecurity", "false excludes allowedAddressPairs: without port security every address is allowed")
	}
	return nil
}

// spelled says where a key's value came from.
func (c *config) spelled(key string) string {
	if own, ok := c.spelling[key]; ok {
		return own
	}
	return key
}
