// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"slices"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
	"github.com/kuryr-go/kuryr/internal/portpool"
)

// checkRetry bounds the pause after a check that failed.
const (
	checkRetryMin = time.Second
	checkRetryMax = 30 * time.Second
)

// check looks at the ports of rested leases before anybody has them again: all
// that the engine wants back by one request for the ports and one for their
// floating IPs, however many there are.
func (p *Pool) check(ctx context.Context, now time.Time, actions []portpool.Action) (next time.Time) {
	if p.checking || now.Before(p.checkAfter) {
		return time.Time{}
	}
	round := map[string][]lease.Lease{}
	for _, a := range actions {
		if a.Kind == portpool.Recycle {
			if leases := p.book.CheckOut(string(a.Key)); len(leases) > 0 {
				round[string(a.Key)] = leases
			}
		}
	}
	if len(round) == 0 {
		return time.Time{}
	}
	classes := map[string]lease.Class{}
	for k := range round {
		classes[k] = p.keys[k].class
	}
	p.checking = true
	p.start(func() {
		// Ahead of new ports: it is two short requests, and brings many.
		err := p.checkAll(neutron.WithPriority(ctx, neutron.Waiting), classes, round)
		p.post(func(now time.Time) {
			p.checking = false
			if err == nil {
				p.checkTries = 0
				return
			}
			p.checkAfter = now.Add(min(checkRetryMin<<min(p.checkTries, 5), checkRetryMax))
			p.checkTries++
			if ctx.Err() == nil {
				p.log.Warn("leases not checked yet, they are not handed out again before they are", "err", err)
			}
		})
	})
	return time.Time{}
}

// checkAll checks a round of leases and gives every one of them back to the book.
func (p *Pool) checkAll(ctx context.Context, classes map[string]lease.Class, round map[string][]lease.Lease) error {
	var ids []string
	for _, leases := range round {
		for _, l := range leases {
			ids = append(ids, l.PortID)
		}
	}
	ports, err := p.client.Ports(ctx, neutron.PortFilter{IDs: ids})
	var stuck map[string]bool
	if err == nil {
		stuck, err = p.takeFloatingIPsOff(ctx, ids)
	}
	if err != nil {
		p.book.CheckFailed(ids...)
		return err
	}
	byID := map[string]neutron.Port{}
	for _, port := range ports {
		byID[port.ID] = port
	}
	var failed error
	for k, leases := range round {
		if err := p.checkPool(ctx, classes[k], leases, byID, stuck); err != nil {
			failed = err
		}
	}
	return failed
}

// checkPool checks the leases of one pool; those that are stuck are given up.
func (p *Pool) checkPool(ctx context.Context, c lease.Class, leases []lease.Lease, ports map[string]neutron.Port, stuck map[string]bool) error {
	var good []lease.Lease
	var failed error
	for _, l := range leases {
		port, there := ports[l.PortID]
		if !there {
			p.missing(l)
			continue
		}
		state, err := useless, error(nil)
		if !stuck[l.PortID] {
			state, err = p.restore(ctx, c, &l, port)
		}
		switch {
		case err != nil:
			p.book.CheckFailed(l.PortID)
			failed = err
		case state == asItWas:
			good = append(good, l)
		case state == changed:
			if err := p.book.Rest(c, l); err != nil {
				failed = err
			}
		case state == useless:
			p.book.CheckFailed(l.PortID)
			if err := p.book.WithdrawPort(l.PortID); err != nil {
				failed = err
			}
		}
	}
	if err := p.book.CheckIn(c, good...); err != nil {
		return err
	}
	return failed
}

// missing gives up a lease whose port somebody deleted.
func (p *Pool) missing(l lease.Lease) {
	p.log.Warn("port of a lease was deleted by somebody else", "port", l.PortID, "name", l.PortName, "network", l.Network.String(), "mac", l.MAC)
	p.metrics.vanished.Inc()
	p.book.CheckFailed(l.PortID)
	if err := p.book.WithdrawPort(l.PortID); err != nil {
		p.log.Error("lease not given up", "port", l.PortID, "err", err)
	}
}

// takeFloatingIPsOff detaches what a user attached to ports that are to be
// somebody else's. stuck are the ports whose floating IPs these credentials may
// not take off.
func (p *Pool) takeFloatingIPsOff(ctx context.Context, ports []string) (stuck map[string]bool, err error) {
	found, err := p.client.FloatingIPs(ctx, neutron.FloatingIPFilter{PortIDs: ports})
	if err != nil {
		return nil, err
	}
	stuck = map[string]bool{}
	for _, f := range found {
		err := p.client.DetachFloatingIP(ctx, f.ID)
		switch {
		case err == nil, fault.Is(err, fault.NotFound):
			p.log.Info("floating IP taken off a port whose container has ended", "floatingIP", f.FloatingIPAddress, "port", f.PortID)
		case fault.Retryable(err):
			return nil, err
		default:
			p.log.Warn("floating IP cannot be taken off a port, which is given up for that", "floatingIP", f.FloatingIPAddress, "port", f.PortID, "err", err)
			stuck[f.PortID] = true
		}
	}
	return stuck, nil
}

// portState is what a check found.
type portState int

const (
	asItWas portState = iota
	// changed: what differed was set right just now.
	changed
	// useless: it cannot be set right; the port goes.
	useless
)

// restore compares a port with what the pool's ports are, and sets right what a
// user, or a move to another pool, has made different.
func (p *Pool) restore(ctx context.Context, c lease.Class, l *lease.Lease, port neutron.Port) (portState, error) {
	if port.DeviceID != l.DeviceID || port.DeviceOwner != OwnerMade {
		p.log.Warn("port of a lease belongs to somebody else now", "port", describePort(port))
		return useless, nil
	}
	r, err := p.resolveClass(ctx, c)
	switch {
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		// What the class names is gone: the pool says so when it orders.
		p.log.Warn("port of a lease is of a class that is no more, and is given up", "port", describePort(port), "err", err)
		return useless, nil
	case err != nil:
		return asItWas, err
	}
	groups := groupIDs(r.groups)
	if groups == nil {
		groups = []string{}
		for _, g := range l.SecurityGroups {
			groups = append(groups, g.ID)
		}
	}
	o := p.Direct.options
	u, differs := difference(*l, port, groups, poolDescription(o.Cluster, o.Node, c.Key()), poolPortName(o.Node))
	if port.MACAddress != "" && !sameMAC(port.MACAddress, l.MAC) || port.NetworkID != l.Network.ID || port.NetworkID != r.network.ID {
		p.log.Warn("port of a lease is no longer what it was, and is given up", "port", describePort(port))
		return useless, nil
	}
	if len(differs) == 0 {
		return asItWas, nil
	}
	p.log.Info("port of a lease is set right again", "port", l.PortID, "changed", differs)
	now, err := p.client.UpdatePort(ctx, port.ID, u)
	switch {
	case err != nil && !fault.Retryable(err):
		p.log.Warn("port of a lease cannot be set right, and is given up", "port", l.PortID, "err", err)
		return useless, nil
	case err != nil:
		return asItWas, err
	}
	fresh, err := p.describeOwn(ctx, now, r)
	if err == nil {
		*l = fresh
	}
	return changed, err
}

// difference is the change that makes a port what it shall be, and the names of
// what differs.
func difference(l lease.Lease, port neutron.Port, groups []string, description, name string) (u neutron.PortUpdate, differs []string) {
	set := func(what string, differ bool, change func()) {
		if differ {
			differs = append(differs, what)
			change()
		}
	}
	up, none := true, ""
	set("name", port.Name != name, func() { u.Name = &name })
	set("description", port.Description != description, func() { u.Description = &description })
	set("admin_state_up", !port.AdminStateUp, func() { u.AdminStateUp = &up })
	set("security_groups", !sameSet(port.SecurityGroups, groups), func() { u.SecurityGroups = &groups })
	set("allowed_address_pairs", len(port.AllowedAddressPairs) > 0, func() { u.AllowedAddressPairs = &[]neutron.AddressPair{} })
	set("qos_policy_id", port.QoSPolicyID != nil && *port.QoSPolicyID != "", func() { u.QoSPolicyID = &neutron.Nullable[string]{} })
	set("dns_name", port.DNSName != "", func() { u.DNSName = &none })
	if l.PortSecurity != nil && port.PortSecurityEnabled != nil {
		set("port_security_enabled", *port.PortSecurityEnabled != *l.PortSecurity, func() { u.PortSecurityEnabled = l.PortSecurity })
	}
	if port.HostID != nil {
		set("binding:host_id", *port.HostID != l.Host, func() { u.HostID = &l.Host })
	}
	var was, is []neutron.FixedIP
	for _, a := range l.Addresses {
		was = append(was, neutron.FixedIP{SubnetID: a.Subnet.ID, IPAddress: a.Prefix.Addr()})
	}
	is = append(is, port.FixedIPs...)
	order := func(a, b neutron.FixedIP) int { return a.IPAddress.Compare(b.IPAddress) }
	slices.SortFunc(is, order)
	sorted := slices.SortedFunc(slices.Values(was), order)
	set("fixed_ips", !slices.Equal(is, sorted), func() { u.FixedIPs = &was })
	return u, differs
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
