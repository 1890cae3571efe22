// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) portResource() *rest.Resource[model.Port] {
	ix := &s.Index
	return &rest.Resource[model.Port]{
		Core: true, Name: "port", Plural: "ports", Kind: "Port", Attributes: s.attributes["ports"], Table: s.Ports,
		Meta: (*model.Port).Of, Tagged: true, Quota: "port", StrictMarker: true,
		Sees: func(c *rest.Call, r store.Reader, p *model.Port) bool {
			n := s.Networks.Get(r, p.NetworkID)
			return n != nil && n.ProjectID == c.Caller.ProjectID
		},
		Target: s.portTarget, View: s.viewPort, Filters: s.portFilters(), CheckFilters: checkPortFilters,
		Indexes: []rest.By[model.Port]{
			{Filter: "mac_address", Index: ix.PortByBareMAC, Key: macKey},
			{Filter: "fixed_ips", Index: ix.PortByIP, Key: fixedIPKey("ip_address")},
			{Filter: "device_id", Index: ix.PortByDevice},
			{Filter: "name", Index: ix.PortByName},
			{Filter: "tags", Index: ix.PortByTag, Key: tagKey},
			{Filter: "security_groups", Index: ix.PortBySecurityGroup},
			{Filter: "fixed_ips", Index: ix.PortBySubnet, Key: fixedIPKey("subnet_id")},
			{Filter: "binding:host_id", Index: ix.PortByHost},
			{Filter: "network_id", Index: ix.PortByNetwork},
			{Filter: "project_id", Index: ix.PortByProject},
			{Filter: "device_owner", Index: ix.PortByOwner},
		},
		Before: func(c *rest.Call, r store.Reader, v rest.Values, project string) error {
			return s.mayUse(c, r, "port", v.String("network_id"), project)
		},
		Create: s.createPort, Update: s.updatePort, Delete: s.deletePort,
	}
}

func (s *Service) portTarget(c *rest.Call, r store.Reader, p *model.Port) rest.Target {
	t := rest.Target{ProjectID: p.ProjectID, DeviceOwner: p.DeviceOwner}
	if n := s.Networks.Get(r, p.NetworkID); n != nil {
		t.NetworkProject = n.ProjectID
		t.Shared = s.sharedWith(r, n.ID, accessAsShared, c.Caller.ProjectID)
	}
	// What rules look at is its beginning alone; so rows with others are alike.
	if strings.HasPrefix(t.DeviceOwner, "network:") {
		t.DeviceOwner = "network:"
	} else {
		t.DeviceOwner = ""
	}
	return t
}

func (s *Service) viewPort(c *rest.Call, r store.Reader, p *model.Port, shown map[string]any) {
	shown["dns_domain"] = rest.Absent
	shown["dns_assignment"] = s.dnsAssignment(p)
	shown["resource_request"] = nil
	// Neutron binds after it has written down what it will answer: the answer
	// has the revision before, and does not say who bound.
	if c.Memo == boundNow || c.Method == http.MethodPost && p.HostID != "" {
		shown["revision_number"] = p.RevisionNumber - 1
	}
	if c.Method == http.MethodGet && p.VIFType == vifOVS {
		shown["binding:vif_details"] = withDriver(p.VIFDetails)
	}
	if details := s.trunkDetails(r, p, c.PathValue("id") == ""); details != nil {
		shown["trunk_details"] = details
	}
}

// dnsAssignment is the names of a port's addresses.
func (s *Service) dnsAssignment(p *model.Port) []map[string]string {
	all := make([]map[string]string, len(p.FixedIPs))
	for i, f := range p.FixedIPs {
		host := p.DNSName
		if host == "" || !s.namesPorts() {
			host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(f.IPAddress)
		}
		fqdn := host
		if !strings.HasSuffix(host, ".") && s.o.DNSDomain != "" {
			fqdn += "." + s.o.DNSDomain
		}
		all[i] = map[string]string{"ip_address": f.IPAddress, "hostname": host, "fqdn": fqdn}
	}
	return all
}

// defaultDNSDomain is that of a cloud that gives ports no names.
const defaultDNSDomain = "openstacklocal."

func (s *Service) namesPorts() bool {
	return s.o.DNSDomain != "" && s.o.DNSDomain != defaultDNSDomain
}

func (s *Service) portFilters() map[string]func(*rest.Call, store.Reader, *model.Port, []string) bool {
	return map[string]func(*rest.Call, store.Reader, *model.Port, []string) bool{
		"fixed_ips": func(_ *rest.Call, _ store.Reader, p *model.Port, values []string) bool {
			return fixedIPsMatch(p, values)
		},
		"security_groups": func(_ *rest.Call, _ store.Reader, p *model.Port, values []string) bool {
			return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(p.SecurityGroups, v) })
		},
		"mac_address": func(_ *rest.Call, _ store.Reader, p *model.Port, values []string) bool {
			return slices.ContainsFunc(values, func(v string) bool {
				mac, ok := parseMAC(v)
				return ok && mac == p.MACAddress
			})
		},
	}
}

func checkPortFilters(filters map[string][]string) error {
	for _, v := range filters["fixed_ips"] {
		if key, _, ok := strings.Cut(v, "="); !ok || strings.TrimSpace(key) == "" {
			return rest.InvalidInput("'%s' is not of the form <key>=[value]", v)
		}
	}
	return nil
}

// fixedIPsMatch tells whether a port passes filters "ip_address=…",
// "subnet_id=…" and "ip_address_substr=…": one of each kind.
func fixedIPsMatch(p *model.Port, values []string) bool {
	wanted := map[string][]string{}
	for _, v := range values {
		key, value, _ := strings.Cut(v, "=")
		wanted[strings.TrimSpace(key)] = append(wanted[strings.TrimSpace(key)], strings.TrimSpace(value))
	}
	any := func(key string, match func(f model.FixedIP, v string) bool) bool {
		return len(wanted[key]) == 0 || slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool {
			return slices.ContainsFunc(wanted[key], func(v string) bool { return match(f, v) })
		})
	}
	return any("ip_address", func(f model.FixedIP, v string) bool { return sameIP(f.IPAddress, v) }) &&
		any("subnet_id", func(f model.FixedIP, v string) bool { return f.SubnetID == v }) &&
		any("ip_address_substr", func(f model.FixedIP, v string) bool { return strings.Contains(f.IPAddress, v) })
}

// macKey, fixedIPKey and tagKey give the key of an index by which the values of a filter are found.
func macKey(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	return parseMAC(values[0])
}

func fixedIPKey(name string) func([]string) (string, bool) {
	return func(values []string) (key string, ok bool) {
		for _, v := range values {
			field, value, _ := strings.Cut(v, "=")
			if strings.TrimSpace(field) != name {
				continue
			}
			if key != "" {
				return "", false
			}
			key = strings.TrimSpace(value)
			if a, ok := parseIP(key); ok {
				key = a.String()
			}
		}
		return key, key != ""
	}
}

func tagKey(values []string) (string, bool) {
	first, _, _ := strings.Cut(values[0], ",")
	return first, true
}

func sameIP(a, b string) bool {
	if a == b {
		return true
	}
	x, ok := parseIP(b)
	return ok && x.String() == a
}

func (s *Service) createPort(c *rest.Call, tx *store.Tx, v rest.Values, p *model.Port) error {
	n, err := s.network(c, tx, p.NetworkID)
	if err != nil {
		return err
	}
	if err := s.ownsDevice(c, tx, p); err != nil {
		return err
	}
	var wishes []wish
	if v.Has("fixed_ips") {
		if err := v.Decode("fixed_ips", &wishes); err != nil {
			return err
		}
	}
	if err := s.chooseMAC(tx, p); err != nil {
		return err
	}
	sees := func(sub *model.Subnet) bool { return s.seesSubnet(c, tx, sub) }
	a, err := s.assignmentOf(tx, p, sees)
	if err != nil {
		return err
	}
	if err := a.assign(wishes, v.Has("fixed_ips")); err != nil {
		return err
	}
	p.FixedIPs = a.addresses()
	if err := s.secure(c, tx, v, n, p); err != nil {
		return err
	}
	s.describe(v, p)
	p.QoSNetworkPolicyID = n.QoSPolicyID
	if p.QoSPolicyID != nil {
		if _, err := s.qosPolicy(tx, c, *p.QoSPolicyID); err != nil {
			return err
		}
	}
	if err := s.dhcpOptions(v, p, nil); err != nil {
		return err
	}
	p.Status, p.RevisionNumber = statusDown, 1
	if len(p.Tags) > 0 {
		p.RevisionNumber++
	}
	if err := s.checkProfile(tx, p); err != nil {
		return err
	}
	s.bindNew(tx, n, p)
	return s.portChanges(tx, c, nil, p)
}

func (s *Service) seesSubnet(c *rest.Call, r store.Reader, sub *model.Subnet) bool {
	return c == nil || c.Sees() || sub.ProjectID == c.Caller.ProjectID || s.sharedWith(r, sub.NetworkID, accessAsShared, c.Caller.ProjectID)
}

// describe sets what a request says in another form than the columns have.
func (s *Service) describe(v rest.Values, p *model.Port) {
	if profile, ok := v["binding:profile"].(map[string]any); ok {
		p.Profile = profile
	} else if v.Has("binding:profile") || p.Profile == nil {
		p.Profile = map[string]any{}
	}
	if !s.namesPorts() {
		p.DNSName = ""
	}
}

// ownsDevice keeps projects from making a port the interface of another's router.
func (s *Service) ownsDevice(c *rest.Call, r store.Reader, p *model.Port) error {
	if c == nil || c.Caller.Admin() || p.DeviceID == "" || !slices.Contains(routerInterfaces, p.DeviceOwner) {
		return nil
	}
	if router := s.Routers.Get(r, p.DeviceID); router != nil && router.ProjectID != p.ProjectID {
		return rest.Conflict("DeviceIDNotOwnedByTenant", "The following device_id %s is not owned by your tenant or matches another tenants router.", p.DeviceID)
	}
	return nil
}

// chooseMAC makes a MAC address where there is none, and refuses one that the network has.
func (s *Service) chooseMAC(r store.Reader, p *model.Port) error {
	taken := func(mac string) bool { return s.Ports.First(r, s.Index.PortByMAC, p.NetworkID+" "+mac) != nil }
	if p.MACAddress != "" {
		if taken(p.MACAddress) {
			return rest.Conflict("MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", p.NetworkID, p.MACAddress)
		}
		return nil
	}
	const tries = 100
	for range tries {
		if mac := randomMAC(); !taken(mac) {
			p.MACAddress = mac
			return nil
		}
	}
	return exhausted("NetworkMacAddressGenerationFailure", "Unable to generate unique mac on network %s.", p.NetworkID)
}

func (s *Service) deletePort(_ *rest.Call, tx *store.Tx, p *model.Port) error {
	if err := s.portMayGo(tx, p); err != nil {
		return err
	}
	return s.portGone(tx, p)
}

// AllocatePort makes a port in somebody else's change: with an id, a MAC address
// and a status, and with the addresses that it names, or those of the subnets
// that it names, or else one of each family.
func (s *Service) AllocatePort(tx *store.Tx, p model.Port) (*model.Port, error) {
	if p.Meta.ID == "" {
		p.Meta = s.engine.NewMeta(p.ProjectID)
	}
	n, err := s.network(nil, tx, p.NetworkID)
	if err != nil {
		return nil, err
	}
	if err := s.chooseMAC(tx, &p); err != nil {
		return nil, err
	}
	a, err := s.assignmentOf(tx, &p, func(*model.Subnet) bool { return true })
	if err != nil {
		return nil, err
	}
	var wishes []wish
	for _, f := range p.FixedIPs {
		wishes = append(wishes, wish(f))
	}
	if err := a.assign(wishes, wishes != nil); err != nil {
		return nil, err
	}
	p.FixedIPs = a.addresses()
	if strings.HasPrefix(p.DeviceOwner, "network:") {
		p.PortSecurityEnabled = false
	}
	if p.VNICType == "" {
		p.VNICType = vnicNormal
	}
	if p.Profile == nil {
		p.Profile = map[string]any{}
	}
	p.Status, p.RevisionNumber, p.QoSNetworkPolicyID = statusDown, 1, n.QoSPolicyID
	s.bindNew(tx, n, &p)
	if err := s.portChanges(tx, nil, nil, &p); err != nil {
		return nil, err
	}
	s.Ports.Put(tx, &p)
	return &p, nil
}

// ReleasePort removes a port in somebody else's change.
func (s *Service) ReleasePort(tx *store.Tx, id string) {
	p := s.Ports.Get(tx, id)
	if p == nil {
		return
	}
	_ = s.portGone(tx, p) // who asks has taken it out of use
	s.Ports.Delete(tx, id)
}
