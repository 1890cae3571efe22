// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"fmt"
	"net/netip"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

const (
	// defaultMTU is for a network of which Neutron does not say.
	defaultMTU = 1500
	// minMTU4 and minMTU6 are what the protocols need (RFC 791, RFC 8200);
	// below them the kernel takes the protocol off the interface.
	minMTU4 = 68
	minMTU6 = 1280
	// maxMTU is the largest an Ethernet device takes.
	maxMTU = 65535
)

// chooseMTU is the interface's MTU: the network's, or the smaller one asked for.
func chooseMTU(r *binder.Request) (int, error) {
	network, source := r.Lease.MTU, "the MTU of network "+r.Lease.Network.String()
	if network == 0 {
		network = defaultMTU
		source += " (1500, Neutron does not say)"
	}
	mtu := network
	if r.MTU != 0 {
		mtu = r.MTU
	}
	if mtu > network {
		return 0, fault.InvalidField("mtu", "%d is larger than %d, %s", mtu, network, source)
	}
	least, family := minMTU4, "IPv4"
	if hasV6(&r.Lease) {
		least, family = minMTU6, "an IPv6 address"
	}
	if mtu < least || mtu > maxMTU {
		return 0, fault.InvalidField("mtu", "%d is smaller than %d, the least that %s needs", mtu, least, family)
	}
	return mtu, nil
}

func hasV6(l *lease.Lease) bool {
	for _, a := range l.Addresses {
		if a.Prefix.Addr().Is6() {
			return true
		}
	}
	return false
}

// overhead is what a tunnel adds to a packet: outer IP, and the rest as
// Neutron counts it (neutron_lib.constants; geneve with OVN's max_header_size
// of 38). ok is false for a network without a tunnel, or of a type not known.
func overhead(networkType string, underlay netip.Addr) (bytes int, ok bool) {
	const ipv4, ipv6 = 20, 40
	switch networkType {
	case "geneve":
		bytes = 38
	case "vxlan":
		bytes = 30
	case "gre":
		bytes = 22
	default:
		return 0, false
	}
	if underlay.Is6() {
		return bytes + ipv6, true
	}
	return bytes + ipv4, true
}

// tooLarge is the error for an interface whose packets do not fit through the
// underlay: small ones would pass and large ones vanish.
func tooLarge(mtu, overhead int, l *lease.Lease, u underlay) error {
	e := fault.New(fault.Conflict,
		"MTU %d of %s network %s plus %d bytes of tunnel header is %d, but device %s, which carries the tunnels from %s, has MTU %d",
		mtu, l.NetworkType, l.Network, overhead, mtu+overhead, u.device, u.addr, u.mtu)
	e.Hint = fmt.Sprintf("set Neutron's global_physnet_mtu to %d and the network's MTU to %d, or raise the MTU of %s to %d",
		u.mtu, u.mtu-overhead, u.device, mtu+overhead)
	return e
}
