// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"errors"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// Call is one call of a runtime, read and checked.
type Call struct {
	// Command is one of the operations of the specification.
	Command string
	// Version is the version of the specification to answer in.
	Version string
	// Network is the name of the network configuration: the scope of GC.
	Network string
	// Key is the attachment; empty for GC, STATUS and VERSION.
	Key agent.Key
	// Netns is the path of the sandbox's network namespace; may be empty on DEL.
	Netns string
	// Demand, MTU (bytes; zero: the network's) and DefaultRoute are what an ADD asks for.
	Demand       lease.Demand
	MTU          int
	DefaultRoute *bool
	// DNS is what the configuration says of name resolution: each of its
	// fields goes before Neutron's.
	DNS types.DNS
	// Mesos tells that the call has Mesos's network_info.
	Mesos bool
	// Keep are the attachments a GC must leave alone.
	Keep []agent.Key

	// previous is the result a CHECK is held against.
	previous previous
	// spelling maps the demand's fields to where they were asked for; nil
	// until the call is wholly read.
	spelling map[string]string
}

// newest is the newest version of the specification that is spoken.
var newest = agentapi.CNIVersions[len(agentapi.CNIVersions)-1]

// since says which version brought an operation; the others were always there.
var since = map[string]string{
	agentapi.CommandCheck: "0.4.0", agentapi.CommandGC: "1.1.0", agentapi.CommandStatus: "1.1.0",
}

// errVersion marks a cniVersion that is not spoken, or does not know the
// operation (CNI code 1).
var errVersion = errors.New("incompatible CNI version")

// Parse reads a call. Its errors are a fault.Error of class Invalid each, and
// name the variable, key, label or argument at fault. The Call that comes with
// an error has what is needed to answer it: at least the Version.
//
// A DEL is read leniently: only a missing variable makes it fail.
func Parse(r agentapi.CNIRequest) (Call, error) {
	call := Call{Command: r.Command, Version: newest, Netns: r.Netns, Key: agent.Key{Sandbox: r.ContainerID, Interface: r.IfName}}
	if variable, problem := r.CheckEnvironment(); variable != "" {
		return call, fault.InvalidField(variable, "%s", problem)
	}
	if r.Command == agentapi.CommandVersion {
		return call, nil
	}
	members, err := document(r.Stdin)
	if r.Command == agentapi.CommandDel {
		call.identifyLeniently(members)
		return call, nil
	}
	if err == nil {
		err = call.identify(members)
	}
	if err != nil {
		return call, err
	}
	if r.Command == agentapi.CommandGC {
		call.Keep, err = attachments(members)
		return call, err
	}
	return call, call.configure(members, r.Args)
}

// identify reads the version and the name, on which all else depends.
func (c *Call) identify(members []member) (err error) {
	c.Version = agentapi.CNIVersions[0]
	if m, ok := find(members, "cniVersion"); ok {
		if c.Version, err = readVersion(m.value); err != nil {
			c.Version = newest
			return err
		}
	}
	if first, ok := since[c.Command]; ok && slices.Index(agentapi.CNIVersions, c.Version) < slices.Index(agentapi.CNIVersions, first) {
		e := fault.InvalidField("cniVersion", "version %s of the CNI specification has no %s; it came with %s", c.Version, c.Command, first)
		e.Err = errVersion
		return e
	}
	m, ok := find(members, "name")
	if !ok {
		return fault.InvalidField("name", "missing: the network configuration needs a name")
	}
	if c.Network, err = m.text("the name of the network configuration"); err != nil {
		return err
	}
	if !agentapi.PlainName(c.Network) {
		return fault.InvalidField("name", "%q does not fit; %s", c.Network, agentapi.PlainNameRule)
	}
	return nil
}

// identifyLeniently takes the version and the name when they can be had.
func (c *Call) identifyLeniently(members []member) {
	version, network := c.Version, c.Network
	if err := c.identify(members); err != nil {
		c.Version, c.Network = version, network
	}
}

// readVersion reads a cniVersion. An empty one counts as absent, as in the
// reference library.
func readVersion(v value) (string, error) {
	if string(v.raw) == `""` {
		return agentapi.CNIVersions[0], nil
	}
	version, err := v.text("a version of the CNI specification, as a string")
	if err != nil {
		return "", err
	}
	if !slices.Contains(agentapi.CNIVersions, version) {
		e := fault.InvalidField("cniVersion", "%q is not spoken", version)
		e.Hint = "supported are " + strings.Join(agentapi.CNIVersions, ", ")
		e.Err = errVersion
		return "", e
	}
	return version, nil
}

// configure reads the whole configuration, and weighs its sources.
func (c *Call) configure(members []member, cniArgs string) error {
	conf := config{spelling: map[string]string{}}
	if err := conf.read(members); err != nil {
		return err
	}
	if err := conf.readArgs(cniArgs); err != nil {
		return err
	}
	if err := conf.settle(); err != nil {
		return err
	}
	c.Demand, c.MTU, c.DefaultRoute, c.DNS = conf.demand, conf.mtu, conf.defaultRoute, conf.dns
	c.Mesos = conf.mesos
	if err := c.readPrevious(members); err != nil {
		return err
	}
	c.spelling = conf.spelling
	return nil
}

// spell gives a field of the demand, as the core names it, in the caller's
// words. Before the call was wholly read, its fields are in these words already.
func (c *Call) spell(field string) string {
	if c.spelling == nil {
		return field
	}
	if own, ok := c.spelling[field]; ok {
		return own
	}
	base := field
	if i := strings.IndexAny(field, "[."); i >= 0 {
		base = field[:i]
	}
	if own, ok := c.spelling[base]; ok {
		return own + field[len(base):]
	}
	switch field {
	case "netns":
		return "CNI_NETNS"
	case "interface":
		return "CNI_IFNAME"
	case "sandbox":
		return "CNI_CONTAINERID"
	case "name":
		return "portName"
	}
	return field
}

func find(members []member, key string) (member, bool) {
	i := slices.IndexFunc(members, func(m member) bool { return m.key == key })
	if i < 0 {
		return member{}, false
	}
	return members[i], true
}

// attachments reads the list of a GC. It must be there: to take a missing list
// for an empty one would cut off every container of the network. null is the
// empty list, since the reference library writes one so.
func attachments(members []member) ([]agent.Key, error) {
	var keep []agent.Key
	found := false
	// The second is the name in older drafts; the reference library writes both.
	for _, name := range []string{"cni.dev/valid-attachments", "cni.dev/attachments"} {
		m, ok := find(members, name)
		if !ok {
			continue
		}
		found = true
		if m.isNull() {
			continue
		}
		items, err := m.list("attachments")
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			k, err := attachmentKey(item)
			if err != nil {
				return nil, err
			}
			keep = append(keep, k)
		}
	}
	if !found {
		e := fault.InvalidField("cni.dev/valid-attachments", "missing: GC needs the list of the attachments to keep")
		e.Hint = "an empty list removes all attachments of the network"
		return nil, e
	}
	return keep, nil
}

func attachmentKey(v value) (agent.Key, error) {
	members, err := v.object()
	if err != nil {
		return agent.Key{}, err
	}
	var k agent.Key
	for _, want := range []struct {
		key string
		to  *string
	}{{"containerID", &k.Sandbox}, {"ifname", &k.Interface}} {
		m, ok := find(members, want.key)
		if !ok {
			return agent.Key{}, fault.InvalidField(join(v.field, want.key), "missing")
		}
		if *want.to, err = m.longText("the " + want.key + " of an attachment"); err != nil {
			return agent.Key{}, err
		}
	}
	return k, nil
}
