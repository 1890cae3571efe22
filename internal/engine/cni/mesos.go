// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// mesosArgs is the key of args under which Mesos's isolator network/cni puts
// the task's NetworkInfo (a protobuf message as JSON, in snake case).
const mesosArgs = "org.apache.mesos"

// labelPrefix begins the labels that are meant for Kuryr.
const labelPrefix = "kuryr."

// label is one of those labels.
type label struct{ key, text string }

// labelKey says which key of the network configuration a label stands for.
type labelKey struct {
	label, key string
	apply      func(c *config, k labelKey, text string) error
}

// labelKeys are the labels honoured, in the order of the documentation.
// Neither the project nor port security is among them: these are the
// operator's to decide, not the framework's.
var labelKeys = []labelKey{
	{"kuryr.network", "network", labelText(func(c *config) *string { return &c.demand.Network })},
	{"kuryr.subnet", "subnets", labelTexts(func(c *config) *[]string { return &c.demand.Subnets })},
	{"kuryr.security-groups", "securityGroups", labelTexts(func(c *config) *[]string { return &c.demand.SecurityGroups })},
	{"kuryr.port", "port", labelText(func(c *config) *string { return &c.demand.Port })},
	{"kuryr.port-name", "portName", labelText(func(c *config) *string { return &c.demand.Name })},
	{"kuryr.qos-policy", "qosPolicy", labelText(func(c *config) *string { return &c.demand.QoSPolicy })},
}

// readMesos reads the args of Mesos's isolator. Keys that are not named here
// are not Kuryr's: name is the network configuration's again, port_mappings is
// served by Mesos's own port mapper.
func (c *config) readMesos(v value) error {
	members, err := v.object()
	if err != nil {
		return err
	}
	m, ok := find(members, "network_info")
	if !ok || m.isNull() {
		return nil
	}
	c.mesos = true
	m.field = "network_info"
	if members, err = m.object(); err != nil {
		return err
	}
	for _, m := range members {
		if m.isNull() {
			continue
		}
		switch m.key {
		case "ip_addresses":
			err = c.readMesosAddresses(m.value)
		case "labels":
			err = c.readLabels(m.value)
		case "groups":
			err = refuseGroups(m.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readMesosAddresses takes the addresses asked for. An entry without one asks
// for any, which is what every port has.
func (c *config) readMesosAddresses(v value) error {
	items, err := v.list("addresses")
	if err != nil {
		return err
	}
	var ips []wishedIP
	for _, item := range items {
		members, err := item.object()
		if err != nil {
			return err
		}
		m, ok := find(members, "ip_address")
		if !ok || m.isNull() || string(m.raw) == `""` {
			continue
		}
		s, err := m.text("an IP address")
		if err != nil {
			return err
		}
		if ips, err = addAddress(ips, m.field, s); err != nil {
			return err
		}
		if err := checkProtocol(members, ips[len(ips)-1].ip); err != nil {
			return err
		}
	}
	c.addresses = append(c.addresses, addressWish{fromMesos, v.field, ips})
	return nil
}

// checkProtocol holds an address against the family given beside it.
func checkProtocol(members []member, ip netip.Addr) error {
	m, ok := find(members, "protocol")
	if !ok || m.isNull() {
		return nil
	}
	protocol, err := m.text("IPv4 or IPv6")
	if err != nil {
		return err
	}
	if family := map[bool]string{true: "IPv4", false: "IPv6"}[ip.Is4()]; protocol != family {
		return fault.InvalidField(m.field, "%q, but %s is an %s address", protocol, ip, family)
	}
	return nil
}

// refuseGroups does not let pass what asks for isolation and would get none.
func refuseGroups(v value) error {
	items, err := v.list("strings")
	if err != nil {
		return err
	}
	if len(items) > 0 {
		e := fault.InvalidField(v.field, "not supported")
		e.Hint = "name Neutron security groups in the label kuryr.security-groups"
		return e
	}
	return nil
}

// readLabels takes the labels that begin with labelPrefix; others are somebody
// else's.
func (c *config) readLabels(v value) error {
	members, err := v.object()
	if err != nil {
		return err
	}
	m, ok := find(members, "labels")
	if !ok || m.isNull() {
		return nil
	}
	items, err := m.list("labels")
	if err != nil {
		return err
	}
	for _, item := range items {
		if err := c.readLabel(item); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) readLabel(v value) error {
	members, err := v.object()
	if err != nil {
		return err
	}
	m, ok := find(members, "key")
	if !ok {
		return fault.InvalidField(join(v.field, "key"), "missing")
	}
	name, err := m.longText("the key of a label")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(strings.ToLower(name), labelPrefix) {
		return nil
	}
	if !slices.ContainsFunc(labelKeys, func(k labelKey) bool { return k.label == name }) {
		return unknownLabel(name)
	}
	if slices.ContainsFunc(c.labels, func(l label) bool { return l.key == name }) {
		return fault.InvalidField("label "+name, "stands twice")
	}
	m, ok = find(members, "value")
	if !ok {
		return fault.InvalidField("label "+name, "has no value")
	}
	m.field = "label " + name
	s, err := m.longText("a value")
	c.labels = append(c.labels, label{name, s})
	return err
}

func unknownLabel(name string) error {
	var known, tails []string
	for _, k := range labelKeys {
		known = append(known, k.label)
		tails = append(tails, strings.TrimPrefix(k.label, labelPrefix))
	}
	e := fault.InvalidField("label "+name[:min(len(name), maxText)], "unknown to Kuryr")
	if tail := nearest(name[len(labelPrefix):], tails); tail != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", labelPrefix+tail)
	} else {
		e.Hint = "Kuryr's labels are " + strings.Join(known, ", ")
	}
	return e
}

// applyLabels completes the configuration with the labels. A label sets only
// what the file leaves out: what the operator fixed, a framework cannot loosen.
func (c *config) applyLabels() error {
	for _, l := range c.labels {
		i := slices.IndexFunc(labelKeys, func(k labelKey) bool { return k.label == l.key })
		k := labelKeys[i]
		if err := k.apply(c, k, l.text); err != nil {
			return err
		}
		if !c.set[k.key] {
			c.spelling[k.key] = "label " + k.label
		}
	}
	return nil
}

func labelText(to func(*config) *string) func(*config, labelKey, string) error {
	return func(c *config, k labelKey, s string) error {
		if len(s) > maxText {
			return fault.InvalidField("label "+k.label, "%d bytes long; at most %d", len(s), maxText)
		}
		if field := to(c); !c.set[k.key] {
			*field = s
		} else if *field != s {
			return fixedByFile(k, s)
		}
		return nil
	}
}

// labelTexts reads a list whose items are separated by commas. A name with a
// comma in it cannot be written so; its id can.
func labelTexts(to func(*config) *[]string) func(*config, labelKey, string) error {
	return func(c *config, k labelKey, s string) error {
		var items []string
		for item := range strings.SplitSeq(s, ",") {
			item = strings.TrimSpace(item)
			switch {
			case item == "":
				return fault.InvalidField("label "+k.label, "%.80q has an empty item", s)
			case len(item) > maxText:
				return fault.InvalidField("label "+k.label, "an item is %d bytes long; at most %d", len(item), maxText)
			case len(items) == maxItems:
				return fault.InvalidField("label "+k.label, "more than %d items in a list", maxItems)
			case slices.Contains(items, item):
				return fault.InvalidField("label "+k.label, "%q stands twice in the list", item)
			}
			items = append(items, item)
		}
		if field := to(c); !c.set[k.key] {
			*field = items
		} else if !sameSet(*field, items) {
			return fixedByFile(k, s)
		}
		return nil
	}
}

func fixedByFile(k labelKey, s string) error {
	e := fault.InvalidField("label "+k.label, "asks for %.80q, but the network configuration's %s says otherwise", s, k.key)
	e.Hint = "a label sets only what the network configuration leaves out"
	return e
}
