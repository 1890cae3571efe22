// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/ipam"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The owners of ports that core treats in their own ways.
const (
	ownerRouterInterface = "network:router_interface"
	ownerRouterGateway   = "network:router_gateway"
	ownerFloatingIP      = "network:floatingip"
	ownerDHCP            = "network:dhcp"
	ownerDistributed     = "network:distributed"
)

var (
	routerInterfaces = []string{ownerRouterInterface, "network:ha_router_replicated_interface", "network:router_interface_distributed"}
	withSNAT         = append(slices.Clone(routerInterfaces), "network:router_centralized_snat")
	routerPorts      = append(slices.Clone(withSNAT), ownerRouterGateway)
	// autoDeleted go with their network.
	autoDeleted = []string{ownerDHCP, ownerDistributed, "network:floatingip_agent_gateway"}
)

// wish is an item of a request's fixed_ips.
type wish struct {
	SubnetID  string `json:"subnet_id"`
	IPAddress string `json:"ip_address"`
}

// assignment gives a port its addresses.
type assignment struct {
	s    *Service
	tx   *store.Tx
	port *model.Port
	// sees tells whether who asks sees a subnet.
	sees    func(*model.Subnet) bool
	subnets []*model.Subnet
	// got are the port's addresses so far, and taken the same; released were its.
	got      []model.FixedIP
	taken    map[netip.Addr]bool
	released []model.FixedIP
}

// task is one address to find: that one, or else any of the subnets'.
type task struct {
	subnets []*model.Subnet
	address string
}

func (s *Service) assignmentOf(tx *store.Tx, p *model.Port, sees func(*model.Subnet) bool) (*assignment, error) {
	subnets, err := s.candidates(tx, p.NetworkID, p.DeviceOwner)
	return &assignment{s: s, tx: tx, port: p, sees: sees, subnets: subnets, taken: map[netip.Addr]bool{}}, err
}

// candidates gives the subnets of a network that serve a kind of port, those first that serve it alone.
func (s *Service) candidates(r store.Reader, network, owner string) ([]*model.Subnet, error) {
	var own, common []*model.Subnet
	none := true
	for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, network) {
		none = false
		switch {
		case len(sub.ServiceTypes) == 0:
			common = append(common, sub)
		case slices.Contains(sub.ServiceTypes, owner) || owner == ownerDHCP && sub.EnableDHCP:
			own = append(own, sub)
		}
	}
	if !none && own == nil && common == nil {
		return nil, rest.Conflict("IpAddressGenerationFailureNoMatchingSubnet", "No valid service subnet for the given device owner, network %s, service type %s.", network, owner)
	}
	return append(own, common...), nil
}

// assign gives a new port its addresses: what is wished for, or when nothing is
// one of each family.
func (a *assignment) assign(wishes []wish, wished bool) error {
	var tasks []task
	if wished {
		var err error
		if tasks, err = a.tasks(wishes); err != nil {
			return err
		}
	} else {
		var v4, v6 []*model.Subnet
		for _, sub := range a.subnets {
			switch {
			case sub.IPVersion == 4:
				v4 = append(v4, sub)
			case !isAuto(sub):
				v6 = append(v6, sub)
			}
		}
		for _, subnets := range [][]*model.Subnet{v4, v6} {
			if subnets != nil {
				tasks = append(tasks, task{subnets: subnets})
			}
		}
	}
	return a.do(tasks, nil)
}

// tasks checks wishes. What a host makes itself is none.
func (a *assignment) tasks(wishes []wish) (all []task, err error) {
	owner := a.port.DeviceOwner
	for _, w := range wishes {
		sub, err := a.subnetFor(w)
		if err != nil {
			return nil, err
		}
		switch {
		case w.IPAddress != "":
			if isAuto(sub) && !slices.Contains(routerInterfaces, owner) {
				return nil, badRequest("AllocationOnAutoAddressSubnet", "IPv6 address %s cannot be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses", w.IPAddress, sub.ID)
			}
			all = append(all, task{[]*model.Subnet{sub}, w.IPAddress})
		case !isAuto(sub) || slices.Contains(withSNAT, owner):
			all = append(all, task{subnets: []*model.Subnet{sub}})
		}
	}
	return all, nil
}

func (a *assignment) subnetFor(w wish) (*model.Subnet, error) {
	if len(a.subnets) == 0 {
		return nil, rest.InvalidInput("IP allocation requires subnets for network")
	}
	if w.SubnetID != "" {
		at := slices.IndexFunc(a.subnets, func(sub *model.Subnet) bool { return sub.ID == w.SubnetID })
		if at < 0 {
			if sub := a.s.Subnets.Get(a.tx, w.SubnetID); sub == nil || !a.sees(sub) {
				return nil, subnetNotFound(w.SubnetID)
			}
			return nil, rest.InvalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s", a.port.NetworkID, w.SubnetID)
		}
		if w.IPAddress != "" && !isHost(cidrOf(a.subnets[at]), w.IPAddress, a.port.DeviceOwner) {
			return nil, badRequest("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", w.IPAddress)
		}
		return a.subnets[at], nil
	}
	if w.IPAddress == "" {
		return nil, rest.InvalidInput("IP allocation requires subnet_id or ip_address")
	}
	for _, sub := range a.subnets {
		if isHost(cidrOf(sub), w.IPAddress, a.port.DeviceOwner) {
			return sub, nil
		}
	}
	return nil, badRequest("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", w.IPAddress)
}

// isHost tells whether an address of a prefix may be a port's.
func isHost(p netip.Prefix, address, owner string) bool {
	a, ok := parseIP(address)
	if !ok || !p.Contains(a) {
		return false
	}
	if a.Is6() {
		return owner == "" || slices.Contains(routerPorts, owner) || a != p.Masked().Addr()
	}
	return a != p.Masked().Addr() && a != ipam.Last(p)
}

// do finds the tasks' addresses, and those that the port makes itself on the
// subnets that are not handled.
func (a *assignment) do(tasks []task, handled map[string]bool) error {
	slices.SortStableFunc(tasks, func(x, y task) int {
		switch {
		case x.address != "" && y.address == "":
			return -1
		case x.address == "" && y.address != "":
			return 1
		}
		return 0
	})
	for _, t := range tasks {
		if err := a.find(t); err != nil {
			return err
		}
	}
	if slices.Contains(withSNAT, a.port.DeviceOwner) {
		return nil
	}
	for _, sub := range a.subnets {
		if sub.IPVersion == 6 && isAuto(sub) && !handled[sub.ID] {
			if err := a.auto(sub); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *assignment) find(t task) error {
	if t.address != "" {
		return a.take(t.subnets[0], t.address)
	}
	lowest := a.port.DeviceOwner == ownerDHCP || a.port.DeviceOwner == ownerDistributed
	for _, sub := range t.subnets {
		if address, ok := a.s.pick(a.tx, sub, lowest, a.taken, a.released); ok {
			a.add(sub, address)
			return nil
		}
	}
	return rest.Conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", a.port.NetworkID)
}

func (a *assignment) take(sub *model.Subnet, text string) error {
	address, _ := parseIP(text)
	holder := a.s.holder(a.tx, sub.ID, address.String())
	if a.taken[address] || holder != nil && (holder.ID != a.port.ID || !slices.Contains(a.released, model.FixedIP{SubnetID: sub.ID, IPAddress: address.String()})) {
		return rest.Conflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", address, sub.ID)
	}
	a.add(sub, address)
	return nil
}

// auto adds the address that the port makes of its MAC.
func (a *assignment) auto(sub *model.Subnet) error {
	address, ok := eui64(cidrOf(sub), a.port.MACAddress)
	if !ok {
		return rest.InvalidInput("%s has no address in %s", a.port.MACAddress, sub.CIDR)
	}
	return a.take(sub, address.String())
}

func (a *assignment) add(sub *model.Subnet, address netip.Addr) {
	a.taken[address] = true
	a.got = append(a.got, model.FixedIP{SubnetID: sub.ID, IPAddress: address.String()})
}

func (a *assignment) keep(f model.FixedIP) {
	if address, ok := parseIP(f.IPAddress); ok {
		a.taken[address] = true
	}
	a.got = append(a.got, f)
}

// addresses gives what the port has now, in Neutron's order.
func (a *assignment) addresses() []model.FixedIP {
	slices.SortFunc(a.got, func(x, y model.FixedIP) int {
		if d := strings.Compare(x.IPAddress, y.IPAddress); d != 0 {
			return d
		}
		return strings.Compare(x.SubnetID, y.SubnetID)
	})
	if a.got == nil {
		return []model.FixedIP{}
	}
	return a.got
}

// reassign gives a port that has addresses those that are wished for. It keeps
// what it may.
func (a *assignment) reassign(had []model.FixedIP, wishes []wish) error {
	left := slices.Clone(had)
	drop := func(match func(model.FixedIP) bool) (model.FixedIP, bool) {
		for i := len(left) - 1; i >= 0; i-- {
			if f := left[i]; match(f) {
				left = slices.Delete(left, i, i+1)
				return f, true
			}
		}
		return model.FixedIP{}, false
	}
	var add []wish
	var again []model.FixedIP
	for _, w := range wishes {
		if address, ok := parseIP(w.IPAddress); ok {
			if f, ok := drop(func(f model.FixedIP) bool { return f.IPAddress == address.String() }); ok {
				a.keep(f)
			} else {
				add = append(add, w)
			}
		}
	}
	for _, w := range wishes {
		if w.IPAddress != "" {
			continue
		}
		f, ok := drop(func(f model.FixedIP) bool { return f.SubnetID == w.SubnetID })
		switch {
		case ok && !isEUI64(f.IPAddress):
			a.keep(f)
		case ok:
			again = append(again, f)
			add = append(add, w)
		default:
			add = append(add, w)
		}
	}
	a.letGo(append(left, again...))
	return a.finish(add)
}

// letGo gives addresses back, but for those that the host makes itself.
func (a *assignment) letGo(had []model.FixedIP) {
	for _, f := range had {
		sub := a.s.Subnets.Get(a.tx, f.SubnetID)
		if sub == nil || !isAuto(sub) || slices.Contains(withSNAT, a.port.DeviceOwner) {
			a.released = append(a.released, f)
		} else {
			a.keep(f)
		}
	}
}

func (a *assignment) finish(add []wish) error {
	handled := map[string]bool{}
	for _, f := range append(slices.Clone(a.got), a.released...) {
		handled[f.SubnetID] = true
	}
	tasks, err := a.tasks(add)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		handled[t.subnets[0].ID] = true
	}
	return a.do(tasks, handled)
}
