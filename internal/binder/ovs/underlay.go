// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/lease"
)

// keyEncapIP is the Open_vSwitch external id with the node's tunnel address,
// or several with commas between them.
const keyEncapIP = "ovn-encap-ip"

// underlayFresh is how long a device's MTU is believed. Before something is
// refused it is always read again.
const underlayFresh = 10 * time.Second

// underlay is the device of the node that carries OVN's tunnels.
type underlay struct {
	addr   netip.Addr
	device string
	mtu    int
}

// underlays remembers the device of each tunnel address, and of which
// networks it was said that they cannot be checked.
type underlays struct {
	mu     sync.Mutex
	known  map[string]knownUnderlay
	warned map[string]bool
}

type knownUnderlay struct {
	underlay
	at time.Time
}

// checkUnderlay refuses an MTU that does not fit into the tunnels. What
// cannot be known (the network's type, the device) is logged once a network.
func (b *Binder) checkUnderlay(ctx context.Context, c *conn, l *lease.Lease, mtu int) error {
	if l.NetworkType == "" {
		b.warnUnchecked(ctx, l, "the credentials do not show the network's type")
		return nil
	}
	if _, tunnelled := overhead(l.NetworkType, netip.Addr{}); !tunnelled {
		return nil
	}
	addrs := strings.FieldsFunc(c.theSwitch().ExternalIDs[keyEncapIP], func(r rune) bool { return r == ',' || r == ' ' })
	if len(addrs) == 0 {
		b.warnUnchecked(ctx, l, "the database has no external_ids:"+keyEncapIP)
	}
	for _, addr := range addrs {
		u, err := b.underlays.find(b.host, addr, underlayFresh)
		if err == nil && !fits(l, mtu, u) {
			u, err = b.underlays.find(b.host, addr, 0)
		}
		if err != nil {
			b.warnUnchecked(ctx, l, err.Error())
			continue
		}
		if !fits(l, mtu, u) {
			bytes, _ := overhead(l.NetworkType, u.addr)
			return tooLarge(mtu, bytes, l, u)
		}
	}
	return nil
}

func fits(l *lease.Lease, mtu int, u underlay) bool {
	bytes, _ := overhead(l.NetworkType, u.addr)
	return mtu+bytes <= u.mtu
}

// warnUnchecked says once a network that its MTU is taken on trust.
func (b *Binder) warnUnchecked(ctx context.Context, l *lease.Lease, why string) {
	b.underlays.mu.Lock()
	if b.underlays.warned == nil {
		b.underlays.warned = make(map[string]bool)
	}
	said := b.underlays.warned[l.Network.ID]
	b.underlays.warned[l.Network.ID] = true
	b.underlays.mu.Unlock()
	if !said {
		b.log.WarnContext(ctx, "network MTU is not checked against the node's", "network", l.Network.String(), "mtu", l.MTU, "why", why)
	}
}

// find gives the device with a tunnel address, from memory when that is no
// older than fresh.
func (us *underlays) find(h *netlink.Handle, addr string, fresh time.Duration) (underlay, error) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if k, ok := us.known[addr]; ok && time.Since(k.at) < fresh {
		return k.underlay, nil
	}
	u, err := lookUpUnderlay(h, addr)
	if err != nil {
		return u, err
	}
	if us.known == nil {
		us.known = make(map[string]knownUnderlay)
	}
	us.known[addr] = knownUnderlay{underlay: u, at: time.Now()}
	return u, nil
}

// lookUpUnderlay asks for the route to the node's own address: two requests,
// where a list of addresses would pass all devices of all containers by.
func lookUpUnderlay(h *netlink.Handle, addr string) (underlay, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return underlay{}, fmt.Errorf("external_ids:%s: %w", keyEncapIP, err)
	}
	routes, err := h.RouteGetWithOptions(ip.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true})
	if err != nil || len(routes) == 0 {
		return underlay{}, fmt.Errorf("no device of the node has the tunnel address %s", addr)
	}
	if bits, _ := routes[0].Dst.Mask.Size(); routes[0].Dst == nil || bits != ip.BitLen() {
		return underlay{}, fmt.Errorf("no device of the node has the tunnel address %s", addr)
	}
	link, err := h.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return underlay{}, fmt.Errorf("device with the tunnel address %s: %w", addr, err)
	}
	return underlay{addr: ip, device: link.Attrs().Name, mtu: link.Attrs().MTU}, nil
}
