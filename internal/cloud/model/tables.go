// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

import (
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Tables is everything that the cloud stores.
type Tables struct {
	*store.Store

	Networks      *store.Table[Network]
	Subnets       *store.Table[Subnet]
	SubnetPools   *store.Table[SubnetPool]
	AddressScopes *store.Table[AddressScope]
	Ports         *store.Table[Port]
	Trunks        *store.Table[Trunk]
	RBACPolicies  *store.Table[RBACPolicy]
	Quotas        *store.Table[Quota]

	Routers         *store.Table[Router]
	FloatingIPs     *store.Table[FloatingIP]
	PortForwardings *store.Table[PortForwarding]

	SecurityGroups     *store.Table[SecurityGroup]
	SecurityGroupRules *store.Table[SecurityGroupRule]
	AddressGroups      *store.Table[AddressGroup]
	QoSPolicies        *store.Table[QoSPolicy]

	LoadBalancers  *store.Table[LoadBalancer]
	Listeners      *store.Table[Listener]
	LBPools        *store.Table[LBPool]
	Members        *store.Table[Member]
	HealthMonitors *store.Table[HealthMonitor]
	L7Policies     *store.Table[L7Policy]
	L7Rules        *store.Table[L7Rule]
	Flavors        *store.Table[Flavor]
	FlavorProfiles *store.Table[FlavorProfile]

	AvailabilityZones        *store.Table[AvailabilityZone]
	AvailabilityZoneProfiles *store.Table[AvailabilityZoneProfile]

	// Identity is Keystone's part.
	Identity IdentityTables

	Index Indexes
}

// Indexes are the ways to find rows other than by id. A name says of what and by what.
type Indexes struct {
	NetworkByProject      *store.Index[Network]
	NetworkBySegment      *store.Index[Network] // "type physnet id"; one of type local has none
	NetworkByQoSPolicy    *store.Index[Network]
	SubnetByNetwork       *store.Index[Subnet]
	SubnetByPool          *store.Index[Subnet]
	SubnetPoolByScope     *store.Index[SubnetPool]
	PortByProject         *store.Index[Port]
	PortByNetwork         *store.Index[Port]
	PortByDevice          *store.Index[Port]
	PortByHost            *store.Index[Port]
	PortByOwner           *store.Index[Port]
	PortByName            *store.Index[Port]
	PortByTag             *store.Index[Port]
	PortBySecurityGroup   *store.Index[Port]
	PortByMAC             *store.Index[Port] // network and MAC: "id mac"
	PortByBareMAC         *store.Index[Port]
	PortByAddress         *store.Index[Port] // subnet and address: "id address"
	PortByIP              *store.Index[Port]
	PortBySubnet          *store.Index[Port]
	InterfaceByNetwork    *store.Index[Port] // ports that are interfaces of routers
	DistributedBySubnet   *store.Index[Port] // ports that are on every hypervisor, and up
	PortByPair            *store.Index[Port] // network and allowed address pair: "id address"
	RoutedByNetwork       *store.Index[Port] // ports whose device_owner is network:router_...
	PortByQoSPolicy       *store.Index[Port]
	NamedPortByNetwork    *store.Index[Port] // ports with a DNS name and a device
	DirectPortByNetwork   *store.Index[Port] // ports whose binding:vnic_type is not normal
	TrunkByProject        *store.Index[Trunk]
	TrunkByPort           *store.Index[Trunk] // its parent
	TrunkBySubPort        *store.Index[Trunk]
	RBACByObject          *store.Index[RBACPolicy]
	RouterByProject       *store.Index[Router]
	RouterByGateway       *store.Index[Router] // the external network
	RouterByQoSPolicy     *store.Index[Router] // its gateway's
	FloatingIPByProject   *store.Index[FloatingIP]
	FloatingIPByPort      *store.Index[FloatingIP]
	FloatingIPByRouter    *store.Index[FloatingIP]
	FloatingIPByAddress   *store.Index[FloatingIP]
	FloatingIPByNetwork   *store.Index[FloatingIP]
	FloatingIPByQoSPolicy *store.Index[FloatingIP]
	ForwardingByFloating  *store.Index[PortForwarding]
	ForwardingByPort      *store.Index[PortForwarding]
	GroupByProject        *store.Index[SecurityGroup]
	DefaultGroupByProject *store.Index[SecurityGroup]
	RuleByGroup           *store.Index[SecurityGroupRule]
	RuleByRemoteGroup     *store.Index[SecurityGroupRule]
	RuleByAddressGroup    *store.Index[SecurityGroupRule]
	ListenerByLB          *store.Index[Listener]
	ListenerByPool        *store.Index[Listener] // its default pool
	PoolByLB              *store.Index[LBPool]
	MemberByPool          *store.Index[Member]
	MonitorByPool         *store.Index[HealthMonitor]
	L7PolicyByListener    *store.Index[L7Policy]
	L7PolicyByPool        *store.Index[L7Policy]
	L7RuleByPolicy        *store.Index[L7Rule]
	MemberBySubnet        *store.Index[Member]
	MemberByAddress       *store.Index[Member]
	LBByVIPPort           *store.Index[LoadBalancer] // also those of additional VIPs
	LBByNetwork           *store.Index[LoadBalancer] // the VIP's
	LBBySubnet            *store.Index[LoadBalancer] // the VIP's
	LBByProject           *store.Index[LoadBalancer]
	ListenerByProject     *store.Index[Listener]
	PoolByProject         *store.Index[LBPool]
	MemberByProject       *store.Index[Member]
	MonitorByProject      *store.Index[HealthMonitor]
	L7PolicyByProject     *store.Index[L7Policy]
	L7RuleByProject       *store.Index[L7Rule]
	FlavorByProfile       *store.Index[Flavor]
	LBByFlavor            *store.Index[LoadBalancer]
	ZoneByProfile         *store.Index[AvailabilityZone]
	LBByZone              *store.Index[LoadBalancer]
}

// New makes the tables on a store in memory; Open of its Store reads a file.
func New() *Tables {
	s := store.New()
	t := &Tables{Store: s}
	t.network(s)
	t.security(s)
	t.loadBalancing(s)
	t.identity(s)
	return t
}

// by indexes a column.
func by[T any](key func(*T) string) *store.Index[T] {
	return store.NewIndex(func(row *T) []string {
		if k := key(row); k != "" {
			return []string{k}
		}
		return nil
	})
}

// optional is the key of a column that may be null.
func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// segment is the key of what no two networks may have.
func segment(n *Network) string {
	if n.NetworkType == "local" || n.NetworkType == "" {
		return ""
	}
	id := ""
	if n.SegmentationID != nil {
		id = strconv.Itoa(*n.SegmentationID)
	}
	return n.NetworkType + " " + optional(n.PhysicalNetwork) + " " + id
}

func (t *Tables) network(s *store.Store) {
	ix := &t.Index
	ix.NetworkByProject = by(func(n *Network) string { return n.ProjectID })
	ix.NetworkByQoSPolicy = by(func(n *Network) string { return optional(n.QoSPolicyID) })
	ix.NetworkBySegment = by(segment)
	t.Networks = store.NewTable(s, "networks", func(r *Network) string { return r.ID }, ix.NetworkByProject, ix.NetworkByQoSPolicy, ix.NetworkBySegment)
	ix.SubnetByNetwork = by(func(r *Subnet) string { return r.NetworkID })
	ix.SubnetByPool = by(func(r *Subnet) string { return optional(r.SubnetPoolID) })
	t.Subnets = store.NewTable(s, "subnets", func(r *Subnet) string { return r.ID }, ix.SubnetByNetwork, ix.SubnetByPool)
	ix.SubnetPoolByScope = by(func(r *SubnetPool) string { return optional(r.AddressScopeID) })
	t.SubnetPools = store.NewTable(s, "subnetpools", func(r *SubnetPool) string { return r.ID }, ix.SubnetPoolByScope)
	t.AddressScopes = store.NewTable(s, "address_scopes", func(r *AddressScope) string { return r.ID })
	t.ports(s)
	ix.TrunkByProject = by(func(r *Trunk) string { return r.ProjectID })
	ix.TrunkByPort = by(func(r *Trunk) string { return r.PortID })
	ix.TrunkBySubPort = store.NewIndex(func(r *Trunk) (keys []string) {
		for _, p := range r.SubPorts {
			keys = append(keys, p.PortID)
		}
		return keys
	})
	t.Trunks = store.NewTable(s, "trunks", func(r *Trunk) string { return r.ID }, ix.TrunkByProject, ix.TrunkByPort, ix.TrunkBySubPort)
	ix.RBACByObject = by(func(r *RBACPolicy) string { return r.ObjectID })
	t.RBACPolicies = store.NewTable(s, "rbac_policies", func(r *RBACPolicy) string { return r.ID }, ix.RBACByObject)
	t.Quotas = store.NewTable(s, "quotas", func(r *Quota) string { return r.Service + " " + r.ProjectID + " " + r.Resource })
	ix.RouterByProject = by(func(r *Router) string { return r.ProjectID })
	ix.RouterByGateway = by(func(r *Router) string {
		if r.Gateway == nil {
			return ""
		}
		return r.Gateway.NetworkID
	})
	ix.RouterByQoSPolicy = by(func(r *Router) string {
		if r.Gateway == nil {
			return ""
		}
		return optional(r.Gateway.QoSPolicyID)
	})
	t.Routers = store.NewTable(s, "routers", func(r *Router) string { return r.ID }, ix.RouterByProject, ix.RouterByGateway, ix.RouterByQoSPolicy)
	ix.FloatingIPByProject = by(func(r *FloatingIP) string { return r.ProjectID })
	ix.FloatingIPByPort = by(func(r *FloatingIP) string { return optional(r.PortID) })
	ix.FloatingIPByRouter = by(func(r *FloatingIP) string { return optional(r.RouterID) })
	ix.FloatingIPByAddress = by(func(r *FloatingIP) string { return r.FloatingIPAddress })
	ix.FloatingIPByNetwork = by(func(r *FloatingIP) string { return r.FloatingNetworkID })
	ix.FloatingIPByQoSPolicy = by(func(r *FloatingIP) string { return optional(r.QoSPolicyID) })
	t.FloatingIPs = store.NewTable(s, "floatingips", func(r *FloatingIP) string { return r.ID },
		ix.FloatingIPByProject, ix.FloatingIPByPort, ix.FloatingIPByRouter, ix.FloatingIPByAddress, ix.FloatingIPByNetwork, ix.FloatingIPByQoSPolicy)
	ix.ForwardingByFloating = by(func(r *PortForwarding) string { return r.FloatingIPID })
	ix.ForwardingByPort = by(func(r *PortForwarding) string { return r.InternalPortID })
	t.PortForwardings = store.NewTable(s, "port_forwardings", func(r *PortForwarding) string { return r.ID }, ix.ForwardingByFloating, ix.ForwardingByPort)
}

func (t *Tables) ports(s *store.Store) {
	ix := &t.Index
	ix.PortByProject = by(func(p *Port) string { return p.ProjectID })
	ix.PortByNetwork = by(func(p *Port) string { return p.NetworkID })
	ix.PortByDevice = by(func(p *Port) string { return p.DeviceID })
	ix.PortByHost = by(func(p *Port) string { return p.HostID })
	ix.PortByOwner = by(func(p *Port) string { return p.DeviceOwner })
	ix.PortByName = by(func(p *Port) string { return p.Name })
	ix.PortByTag = store.NewIndex(func(p *Port) []string { return p.Tags })
	ix.PortBySecurityGroup = store.NewIndex(func(p *Port) []string { return p.SecurityGroups })
	ix.PortByMAC = by(func(p *Port) string { return p.NetworkID + " " + p.MACAddress })
	ix.PortByBareMAC = by(func(p *Port) string { return p.MACAddress })
	ix.PortByIP = store.NewIndex(func(p *Port) (keys []string) {
		for _, f := range p.FixedIPs {
			keys = append(keys, f.IPAddress)
		}
		return keys
	})
	ix.PortByAddress = store.NewIndex(func(p *Port) (keys []string) {
		for _, f := range p.FixedIPs {
			keys = append(keys, f.SubnetID+" "+f.IPAddress)
		}
		return keys
	})
	ix.PortBySubnet = store.NewIndex(func(p *Port) (keys []string) {
		for _, f := range p.FixedIPs {
			keys = append(keys, f.SubnetID)
		}
		return keys
	})
	ix.DistributedBySubnet = store.NewIndex(func(p *Port) (keys []string) {
		if p.DeviceOwner != OwnerDistributed || !p.AdminStateUp {
			return nil
		}
		for _, f := range p.FixedIPs {
			keys = append(keys, f.SubnetID)
		}
		return keys
	})
	ix.InterfaceByNetwork = by(func(p *Port) string {
		if p.DeviceOwner == OwnerRouterInterface {
			return p.NetworkID
		}
		return ""
	})
	ix.PortByPair = store.NewIndex(func(p *Port) (keys []string) {
		for _, pair := range p.AllowedAddressPairs {
			keys = append(keys, p.NetworkID+" "+pair.IPAddress)
		}
		return keys
	})
	ix.RoutedByNetwork = by(func(p *Port) string {
		if !strings.HasPrefix(p.DeviceOwner, "network:router_") {
			return ""
		}
		return p.NetworkID
	})
	ix.PortByQoSPolicy = by(func(p *Port) string { return optional(p.QoSPolicyID) })
	ix.NamedPortByNetwork = by(func(p *Port) string {
		if p.DNSName == "" || p.DeviceID == "" {
			return ""
		}
		return p.NetworkID
	})
	ix.DirectPortByNetwork = by(func(p *Port) string {
		if p.VNICType == "" || p.VNICType == "normal" {
			return ""
		}
		return p.NetworkID
	})
	t.Ports = store.NewTable(s, "ports", func(p *Port) string { return p.ID },
		ix.PortByProject, ix.PortByNetwork, ix.PortByDevice, ix.PortByHost, ix.PortByOwner, ix.PortByName, ix.PortByTag,
		ix.PortBySecurityGroup, ix.PortByMAC, ix.PortByBareMAC, ix.PortByAddress, ix.PortByIP, ix.PortBySubnet, ix.InterfaceByNetwork, ix.DistributedBySubnet,
		ix.PortByPair, ix.RoutedByNetwork, ix.PortByQoSPolicy, ix.NamedPortByNetwork, ix.DirectPortByNetwork)
}

func (t *Tables) security(s *store.Store) {
	ix := &t.Index
	ix.GroupByProject = by(func(r *SecurityGroup) string { return r.ProjectID })
	ix.DefaultGroupByProject = by(func(r *SecurityGroup) string {
		if !r.IsDefault {
			return ""
		}
		return r.ProjectID
	})
	t.SecurityGroups = store.NewTable(s, "security_groups", func(r *SecurityGroup) string { return r.ID }, ix.GroupByProject, ix.DefaultGroupByProject)
	ix.RuleByGroup = by(func(r *SecurityGroupRule) string { return r.SecurityGroupID })
	ix.RuleByRemoteGroup = by(func(r *SecurityGroupRule) string { return optional(r.RemoteGroupID) })
	ix.RuleByAddressGroup = by(func(r *SecurityGroupRule) string { return optional(r.RemoteAddressGroupID) })
	t.SecurityGroupRules = store.NewTable(s, "security_group_rules", func(r *SecurityGroupRule) string { return r.ID },
		ix.RuleByGroup, ix.RuleByRemoteGroup, ix.RuleByAddressGroup)
	t.AddressGroups = store.NewTable(s, "address_groups", func(r *AddressGroup) string { return r.ID })
	t.QoSPolicies = store.NewTable(s, "qos_policies", func(r *QoSPolicy) string { return r.ID })
}

func (t *Tables) loadBalancing(s *store.Store) {
	ix := &t.Index
	ix.LBByVIPPort = store.NewIndex((*LoadBalancer).vipPorts)
	ix.LBByNetwork = by(func(r *LoadBalancer) string { return r.VIPNetworkID })
	ix.LBBySubnet = by(func(r *LoadBalancer) string { return r.VIPSubnetID })
	ix.LBByProject = by(func(r *LoadBalancer) string { return r.ProjectID })
	ix.LBByFlavor = by(func(r *LoadBalancer) string { return optional(r.FlavorID) })
	ix.LBByZone = by(func(r *LoadBalancer) string { return optional(r.AvailabilityZone) })
	t.LoadBalancers = store.NewTable(s, "loadbalancers", func(r *LoadBalancer) string { return r.ID }, ix.LBByVIPPort, ix.LBByNetwork, ix.LBBySubnet, ix.LBByProject, ix.LBByFlavor, ix.LBByZone)
	ix.ListenerByLB = by(func(r *Listener) string { return r.LoadBalancerID })
	ix.ListenerByPool = by(func(r *Listener) string { return optional(r.DefaultPoolID) })
	ix.ListenerByProject = by(func(r *Listener) string { return r.ProjectID })
	t.Listeners = store.NewTable(s, "listeners", func(r *Listener) string { return r.ID }, ix.ListenerByLB, ix.ListenerByPool, ix.ListenerByProject)
	ix.PoolByLB = by(func(r *LBPool) string { return r.LoadBalancerID })
	ix.PoolByProject = by(func(r *LBPool) string { return r.ProjectID })
	t.LBPools = store.NewTable(s, "pools", func(r *LBPool) string { return r.ID }, ix.PoolByLB, ix.PoolByProject)
	ix.MemberByPool = by(func(r *Member) string { return r.PoolID })
	ix.MemberBySubnet = by(func(r *Member) string { return optional(r.SubnetID) })
	ix.MemberByAddress = by(func(r *Member) string { return CanonicalAddress(r.Address) })
	ix.MemberByProject = by(func(r *Member) string { return r.ProjectID })
	t.Members = store.NewTable(s, "members", func(r *Member) string { return r.ID }, ix.MemberByPool, ix.MemberBySubnet, ix.MemberByAddress, ix.MemberByProject)
	ix.MonitorByPool = by(func(r *HealthMonitor) string { return r.PoolID })
	ix.MonitorByProject = by(func(r *HealthMonitor) string { return r.ProjectID })
	t.HealthMonitors = store.NewTable(s, "healthmonitors", func(r *HealthMonitor) string { return r.ID }, ix.MonitorByPool, ix.MonitorByProject)
	ix.L7PolicyByListener = by(func(r *L7Policy) string { return r.ListenerID })
	ix.L7PolicyByPool = by(func(r *L7Policy) string { return optional(r.RedirectPoolID) })
	ix.L7PolicyByProject = by(func(r *L7Policy) string { return r.ProjectID })
	t.L7Policies = store.NewTable(s, "l7policies", func(r *L7Policy) string { return r.ID }, ix.L7PolicyByListener, ix.L7PolicyByPool, ix.L7PolicyByProject)
	ix.L7RuleByPolicy = by(func(r *L7Rule) string { return r.L7PolicyID })
	ix.L7RuleByProject = by(func(r *L7Rule) string { return r.ProjectID })
	t.L7Rules = store.NewTable(s, "l7rules", func(r *L7Rule) string { return r.ID }, ix.L7RuleByPolicy, ix.L7RuleByProject)
	t.lbFlavors(s)
}

func (t *Tables) lbFlavors(s *store.Store) {
	ix := &t.Index
	ix.FlavorByProfile = by(func(r *Flavor) string { return r.FlavorProfileID })
	t.Flavors = store.NewTable(s, "flavors", func(r *Flavor) string { return r.ID }, ix.FlavorByProfile)
	t.FlavorProfiles = store.NewTable(s, "flavor_profiles", func(r *FlavorProfile) string { return r.ID })
	ix.ZoneByProfile = by(func(r *AvailabilityZone) string { return r.ProfileID })
	t.AvailabilityZones = store.NewTable(s, "availability_zones", func(r *AvailabilityZone) string { return r.Name }, ix.ZoneByProfile)
	t.AvailabilityZoneProfiles = store.NewTable(s, "availability_zone_profiles", func(r *AvailabilityZoneProfile) string { return r.ID })
}
