// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/ipam"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) subnetPoolResource() *rest.Resource[model.SubnetPool] {
	return &rest.Resource[model.SubnetPool]{
		Core: true, Name: "subnetpool", Plural: "subnetpools", Kind: "SubnetPool", Attributes: s.attributes["subnetpools"], Table: s.SubnetPools,
		Meta: (*model.SubnetPool).Of, Tagged: true, Quota: "subnetpool",
		NotFound: func(_ *rest.Call, id string) error { return subnetPoolNotFound(id) },
		Sees: func(c *rest.Call, r store.Reader, p *model.SubnetPool) bool {
			return s.sharedWith(r, p.ID, accessAsShared, c.Caller.ProjectID)
		},
		Target: func(c *rest.Call, r store.Reader, p *model.SubnetPool) rest.Target {
			return rest.Target{ProjectID: p.ProjectID, Shared: s.sharedWith(r, p.ID, accessAsShared, c.Caller.ProjectID)}
		},
		View: func(c *rest.Call, r store.Reader, p *model.SubnetPool, shown map[string]any) {
			shown["shared"] = s.sharedWith(r, p.ID, accessAsShared, c.Caller.ProjectID)
			if c.Method == http.MethodPut { // which Neutron words otherwise
				if p.DefaultQuota == nil {
					shown["default_quota"] = rest.Absent
				}
				return
			}
			shown["min_prefixlen"] = strconv.Itoa(p.MinPrefixLen)
			shown["max_prefixlen"] = strconv.Itoa(p.MaxPrefixLen)
			shown["default_prefixlen"] = strconv.Itoa(p.DefaultPrefixLen)
		},
		Filters: map[string]func(*rest.Call, store.Reader, *model.SubnetPool, []string) bool{
			"shared": sharedFilter(s, func(p *model.SubnetPool) string { return p.ID }),
		},
		Create: s.createSubnetPool, Update: s.updateSubnetPool, Delete: s.deleteSubnetPool,
	}
}

func subnetPoolNotFound(id string) error {
	return rest.NotFound("SubnetPoolNotFound", "Subnet pool %s could not be found.", id)
}

// seesShared tells whether the caller sees an object that RBAC policies open.
func (s *Service) seesShared(c *rest.Call, r store.Reader, m *model.Meta) bool {
	return c.Sees() || m.ProjectID == c.Caller.ProjectID || s.sharedWith(r, m.ID, accessAsShared, c.Caller.ProjectID)
}

// poolOf gives the pool that a subnet is of, or nil.
func (s *Service) poolOf(r store.Reader, sub *model.Subnet) *model.SubnetPool {
	if sub.SubnetPoolID == nil {
		return nil
	}
	return s.SubnetPools.Get(r, *sub.SubnetPoolID)
}

// poolFor gives the pool that a new subnet is to be of, or nil.
func (s *Service) poolFor(c *rest.Call, r store.Reader, v rest.Values) (*model.SubnetPool, error) {
	id, byDefault := v.String("subnetpool_id"), v.Bool("use_default_subnetpool")
	switch {
	case id != "" && byDefault:
		return nil, badResource("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
	case id == "prefix_delegation":
		return nil, notImplemented("Prefix delegation is not supported.")
	case id != "":
		if p := s.SubnetPools.Get(r, id); p != nil && s.seesShared(c, r, &p.Meta) {
			return p, s.checkPoolVersion(v, p)
		}
		return nil, subnetPoolNotFound(id)
	case !byDefault:
		return nil, nil //nolint:nilnil // none is asked for
	}
	version, _ := v.Int("ip_version")
	if prefix, ok := parseCIDR(v.String("cidr")); ok {
		version = 6
		if prefix.Addr().Is4() {
			version = 4
		}
	}
	for p := range s.SubnetPools.All(r) {
		if p.IsDefault && p.IPVersion == version && s.seesShared(c, r, &p.Meta) {
			return p, s.checkPoolVersion(v, p)
		}
	}
	return nil, badResource("subnets", "No default subnetpool found for IPv%d", version)
}

func (s *Service) checkPoolVersion(v rest.Values, p *model.SubnetPool) error {
	if version, ok := v.Int("ip_version"); ok && version != p.IPVersion {
		return badResource("subnets", "Cannot allocate IPv%d subnet from IPv%d subnet pool", version, p.IPVersion)
	}
	return nil
}

// carve gives a new subnet its prefix out of a pool: the one that is asked for,
// that of its gateway, or any.
func (s *Service) carve(tx *store.Tx, v rest.Values, sub *model.Subnet, pool *model.SubnetPool) error {
	want, specific := parseCIDR(sub.CIDR)
	length, given := v.Int("prefixlen")
	if !given {
		length = pool.DefaultPrefixLen
	}
	if gateway, ok := parseIP(v.String("gateway_ip")); ok && !specific {
		if length > gateway.BitLen() {
			return subnetAllocation("Insufficient prefix space to allocate subnet size /%d", length)
		}
		want, specific = netip.PrefixFrom(gateway, length).Masked(), true
	}
	if specific {
		length = want.Bits()
	}
	if length > pool.MaxPrefixLen {
		return badRequest("MaxPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, maximum allowed prefix is %d.", length, pool.MaxPrefixLen)
	}
	if length < pool.MinPrefixLen {
		return badRequest("MinPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, minimum allowed prefix is %d.", length, pool.MinPrefixLen)
	}
	if err := s.checkPoolQuota(tx, sub.ProjectID, pool, length); err != nil {
		return err
	}
	free := s.freePrefixes(tx, pool)
	if specific {
		if !slices.ContainsFunc(free, func(p netip.Prefix) bool { return p.Bits() <= length && p.Contains(want.Addr()) }) {
			return subnetAllocation("Cannot allocate requested subnet from the available set of prefixes")
		}
		sub.CIDR = want.Masked().String()
		return nil
	}
	// The smallest that does is taken, so that the large ones last.
	slices.SortStableFunc(free, func(a, b netip.Prefix) int { return b.Bits() - a.Bits() })
	for _, p := range free {
		if length >= p.Bits() {
			sub.CIDR = netip.PrefixFrom(p.Addr(), length).String()
			gateway := p.Addr().Next().String()
			sub.GatewayIP = &gateway
			return nil
		}
	}
	return subnetAllocation("Insufficient prefix space to allocate subnet size /%d", length)
}

// subnetAllocation is Neutron's exception SubnetAllocationError, which its API takes for its own failure.
func subnetAllocation(format string, args ...any) error {
	e := api.Errorf(http.StatusInternalServerError, "SubnetAllocationError", format, args...)
	e.Message = "Failed to allocate subnet: " + e.Message + "."
	return e
}

// freePrefixes is what of a pool no subnet has.
func (s *Service) freePrefixes(r store.Reader, pool *model.SubnetPool) []netip.Prefix {
	set := poolSet(pool)
	for sub := range s.Subnets.By(r, s.Index.SubnetByPool, pool.ID) {
		set = set.Without(ipam.RangeOf(cidrOf(sub)))
	}
	return set.Prefixes()
}

func poolSet(pool *model.SubnetPool) ipam.Set {
	prefixes := make([]netip.Prefix, len(pool.Prefixes))
	for i, text := range pool.Prefixes {
		prefixes[i], _ = parseCIDR(text)
	}
	return ipam.SetOfPrefixes(prefixes...)
}

// checkPoolQuota refuses a prefix that a pool's quota has no room for. The
// quota is in addresses of IPv4, in networks of /64 of IPv6.
func (s *Service) checkPoolQuota(r store.Reader, project string, pool *model.SubnetPool, length int) error {
	if pool.DefaultQuota == nil || *pool.DefaultQuota == 0 {
		return nil
	}
	unit := 32
	if pool.IPVersion == 6 {
		unit = 64
	}
	units := func(bits int) float64 {
		if bits > unit {
			return 1 / float64(uint64(1)<<min(bits-unit, 63))
		}
		return float64(uint64(1) << min(unit-bits, 63))
	}
	used := units(length)
	for sub := range s.Subnets.By(r, s.Index.SubnetByPool, pool.ID) {
		if sub.ProjectID == project {
			used += units(cidrOf(sub).Bits())
		}
	}
	if used > float64(*pool.DefaultQuota) {
		return rest.Conflict("SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	}
	return nil
}

func (s *Service) createSubnetPool(c *rest.Call, tx *store.Tx, v rest.Values, p *model.SubnetPool) error {
	if err := s.completePool(v, p); err != nil {
		return err
	}
	if err := s.checkPool(c, tx, nil, p); err != nil {
		return err
	}
	if v.Bool("shared") {
		s.share(tx, p.ProjectID, "subnetpool", p.ID, accessAsShared)
	}
	return nil
}

// completePool reads a pool's prefixes and completes its bounds.
func (s *Service) completePool(v rest.Values, p *model.SubnetPool) error {
	if len(p.Prefixes) == 0 {
		return badRequest("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	p.IPVersion = 6
	if first, _ := parseCIDR(p.Prefixes[0]); first.Addr().Is4() {
		p.IPVersion = 4
	}
	for _, text := range p.Prefixes {
		if prefix, _ := parseCIDR(text); prefix.Addr().Is4() != (p.IPVersion == 4) {
			return badRequest("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
	}
	p.Prefixes = texts(poolSet(p).Prefixes())
	most, least := 32, 8
	if p.IPVersion == 6 {
		most, least = 128, 64
	}
	if !v.Has("min_prefixlen") && p.MinPrefixLen == 0 {
		p.MinPrefixLen = least
	}
	if !v.Has("max_prefixlen") && p.MaxPrefixLen == 0 {
		p.MaxPrefixLen = most
	}
	if !v.Has("default_prefixlen") && p.DefaultPrefixLen == 0 {
		p.DefaultPrefixLen = p.MinPrefixLen
	}
	bounds := func(kind string, bits int, base string, limit int) error {
		return badRequest("IllegalSubnetPoolPrefixBounds", "Illegal prefix bounds: %s=%d, %s=%d.", kind, bits, base, limit)
	}
	switch {
	case p.MinPrefixLen > p.MaxPrefixLen:
		return bounds("min_prefixlen", p.MinPrefixLen, "max_prefixlen", p.MaxPrefixLen)
	case p.MaxPrefixLen > most:
		return bounds("max_prefixlen", p.MaxPrefixLen, "ip_version_max", most)
	case p.DefaultPrefixLen < p.MinPrefixLen:
		return bounds("default_prefixlen", p.DefaultPrefixLen, "min_prefixlen", p.MinPrefixLen)
	case p.DefaultPrefixLen > p.MaxPrefixLen:
		return bounds("default_prefixlen", p.DefaultPrefixLen, "max_prefixlen", p.MaxPrefixLen)
	}
	return nil
}

func texts(prefixes []netip.Prefix) []string {
	all := make([]string, len(prefixes))
	for i, p := range prefixes {
		all[i] = p.String()
	}
	return all
}

// checkPool checks a pool against the others: one default of each family, and
// no overlap within an address scope.
func (s *Service) checkPool(c *rest.Call, r store.Reader, old, p *model.SubnetPool) error {
	if p.IsDefault && (old == nil || !old.IsDefault) {
		for other := range s.SubnetPools.All(r) {
			if other.IsDefault && other.IPVersion == p.IPVersion && other.ID != p.ID {
				return rest.InvalidInput("A default subnetpool for this IP family has already been set. Only one default may exist per IP family")
			}
		}
	}
	if p.AddressScopeID == nil {
		return nil
	}
	scope := s.AddressScopes.Get(r, *p.AddressScopeID)
	if scope == nil || !s.seesShared(c, r, &scope.Meta) {
		return addressScopeNotFound(*p.AddressScopeID)
	}
	if scope.IPVersion != p.IPVersion {
		return badRequest("IllegalSubnetPoolIpVersionAssociationToAddressScope", "Illegal subnetpool association: subnetpool %s cannot associate with address scope %s because subnetpool ip_version is not %d.",
			p.ID, scope.ID, scope.IPVersion)
	}
	if old != nil && !equal(old.AddressScopeID, p.AddressScopeID) && s.sharesNetworks(r, p) {
		return badRequest("NetworkAddressScopeAffinityError", affinity)
	}
	for other := range s.SubnetPools.By(r, s.Index.SubnetPoolByScope, scope.ID) {
		if other.ID != p.ID && poolSet(other).Overlaps(poolSet(p)) {
			return rest.Conflict("AddressScopePrefixConflict", "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.")
		}
	}
	return nil
}

// sharesNetworks tells whether a subnet of the pool is on a network with one of its family that is not.
func (s *Service) sharesNetworks(r store.Reader, p *model.SubnetPool) bool {
	for sub := range s.Subnets.By(r, s.Index.SubnetByPool, p.ID) {
		for other := range s.Subnets.By(r, s.Index.SubnetByNetwork, sub.NetworkID) {
			if other.IPVersion == p.IPVersion && (other.SubnetPoolID == nil || *other.SubnetPoolID != p.ID) {
				return true
			}
		}
	}
	return false
}

func (s *Service) updateSubnetPool(c *rest.Call, tx *store.Tx, v rest.Values, old, p *model.SubnetPool) error {
	if v.Has("prefixes") {
		for _, r := range poolSet(old) {
			if !poolSet(p).Contains(r) {
				return badRequest("IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.")
			}
		}
	}
	if err := s.completePool(v, p); err != nil {
		return err
	}
	if old.AddressScopeID != nil && !c.Caller.Admin() {
		if scope := s.AddressScopes.Get(tx, *old.AddressScopeID); scope != nil && scope.ProjectID != c.Caller.ProjectID {
			return badRequest("IllegalSubnetPoolUpdate", "Illegal subnetpool update : subnetpool %s cannot be updated when associated with shared address scope %s.", p.ID, scope.ID)
		}
	}
	return s.checkPool(c, tx, old, p)
}

func (s *Service) deleteSubnetPool(_ *rest.Call, tx *store.Tx, p *model.SubnetPool) error {
	if s.Subnets.First(tx, s.Index.SubnetByPool, p.ID) != nil {
		return badRequest("SubnetPoolDeleteError", "Unable to delete subnet pool: Subnet pool has existing allocations.")
	}
	s.unshare(tx, p.ID)
	return nil
}
