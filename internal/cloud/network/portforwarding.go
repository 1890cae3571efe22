// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func badForwarding(format string, args ...any) *api.Error {
	return badResource("port_forwarding", format, args...)
}

func (s *Service) servePortForwardings() {
	rest.Add(s.engine, &rest.Resource[model.PortForwarding]{
		Name: "port_forwarding", Plural: "port_forwardings", Path: "/v2.0/floatingips/{parent}/port_forwardings", Kind: "PortForwarding",
		Attributes: s.attributes["port_forwardings"], Table: s.PortForwardings,
		Meta: func(pf *model.PortForwarding) *model.Meta { return &pf.Meta },
		In:   func(parent string, pf *model.PortForwarding) bool { return pf.FloatingIPID == parent },
		Parent: func(c *rest.Call, r store.Reader) error {
			if f := s.FloatingIPs.Get(r, c.Parent); f == nil || f.ProjectID != c.Caller.ProjectID && !c.Caller.Admin() {
				return floatingIPNotFound(c.Parent)
			}
			return nil
		},
		// Who sees the floating IP sees what it forwards.
		Sees: func(*rest.Call, store.Reader, *model.PortForwarding) bool { return true },
		Target: func(_ *rest.Call, r store.Reader, pf *model.PortForwarding) rest.Target {
			t := rest.Target{ProjectID: pf.ProjectID}
			if f := s.FloatingIPs.Get(r, pf.FloatingIPID); f != nil {
				t.ParentProject = f.ProjectID
			}
			return t
		},
		NotFound: func(_ *rest.Call, id string) error {
			return rest.NotFound("PortForwardingNotFound", "Port Forwarding %s could not be found.", id)
		},
		Indexes: []rest.By[model.PortForwarding]{{Filter: "internal_port_id", Index: s.Index.ForwardingByPort}},
		Of:      s.Index.ForwardingByFloating,
		View:    viewPortForwarding,
		Create:  s.createPortForwarding,
		Update:  s.updatePortForwarding,
		Delete:  s.deletePortForwarding,
	})
}

// viewPortForwarding shows the single ports as null where there is a range, or
// not at all when it is only looked at.
func viewPortForwarding(c *rest.Call, _ store.Reader, pf *model.PortForwarding, shown map[string]any) {
	shown["internal_port"], shown["external_port"] = rest.Absent, rest.Absent
	if c.Method != http.MethodGet {
		shown["internal_port"], shown["external_port"] = nil, nil
	}
	showPorts(shown, pf)
}

func showPorts(shown map[string]any, pf *model.PortForwarding) {
	if pf.InternalPort != 0 {
		shown["internal_port"] = pf.InternalPort
	}
	if pf.ExternalPort != 0 {
		shown["external_port"] = pf.ExternalPort
	}
}

// checkForwardedPort reads a port, or null.
func checkForwardedPort(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	n, err := strconv.Atoi(rest.Str(v))
	switch {
	case err != nil:
		return nil, rest.Reasonf("'%s' is not an integer", rest.Str(v))
	case n < 1:
		return nil, rest.Reasonf("'%d' is too small - must be at least '1'", n)
	case n > 65535:
		return nil, rest.Reasonf("'%d' is too large - must be no larger than '65535'", n)
	}
	return n, nil
}

// checkForwardedRange reads "first:last" or one port, or null.
func checkForwardedRange(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	ends := strings.Split(rest.Str(v), ":")
	if len(ends) > 2 || slices.Contains(ends, "") {
		return nil, rest.Reasonf("Port range must be two integers separated by a colon")
	}
	var numbers []int
	for _, end := range ends {
		n, err := strconv.Atoi(end)
		switch {
		case err != nil || n < 0 || n > 65535:
			return nil, rest.Reasonf("Invalid port: %s", end)
		case n < 1:
			return nil, rest.Reasonf("Invalid port: %s, the port must be in the range [1, 65535]", end)
		}
		numbers = append(numbers, n)
	}
	if numbers[0] > numbers[len(numbers)-1] {
		return nil, rest.Reasonf("First port in a port range must be lower than the second port")
	}
	return rest.Str(v), nil
}

// checkForwardedProtocol wants a name in lower case.
func checkForwardedProtocol(v any) (any, error) {
	text, ok := v.(string)
	if !ok {
		return nil, rest.InvalidInput("Input value %s must be string type", rest.Str(v))
	}
	lower := strings.ToLower(text)
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 255 {
		return text, nil
	}
	if !slices.Contains([]string{"tcp", "udp", "icmp", "icmp6", "sctp", "dccp"}, lower) {
		return nil, rest.InvalidInput("IP protocol '%s' is not supported. Only protocol names and their integer representation (0 to 255) are supported", text)
	}
	return text, nil
}

// ports is a range of them; none where first is zero.
type ports struct {
	first, last int
	// text is how a request writes them.
	text string
}

func (p ports) String() string { return fmt.Sprintf("%d:%d", p.first, p.last) }

func (p ports) overlaps(q ports) bool {
	return p.first != 0 && q.first != 0 && max(p.first, q.first) <= min(p.last, q.last)
}

func portsOf(text string) (p ports) {
	first, last, cut := strings.Cut(text, ":")
	p.first, _ = strconv.Atoi(first)
	if p.last = p.first; cut {
		p.last, _ = strconv.Atoi(last)
	}
	p.text = text
	return p
}

// givenPorts gives what a request says of a port and of a range. Of both, the
// one is stored and the other compared with what there is.
func givenPorts(v rest.Values, port, portRange string) (stored, compared ports) {
	if text := v.String(portRange); text != "" {
		compared = portsOf(text)
		stored = compared
	}
	if n, ok := v.Int(port); ok {
		stored = ports{first: n, last: n}
		if compared.first == 0 {
			compared = stored
		}
	}
	return stored, compared
}

func (pf *forwarding) set(internal, external ports) {
	if internal.first != 0 {
		pf.InternalPortRange, pf.InternalPort = internal.String(), 0
		if internal.first == internal.last {
			pf.InternalPort = internal.first
		}
	}
	if external.first != 0 {
		pf.ExternalPortRange, pf.ExternalPort = external.String(), 0
		if external.first == external.last {
			pf.ExternalPort = external.first
		}
	}
}

// forwarding is a row in the making.
type forwarding struct{ *model.PortForwarding }

func (s *Service) createPortForwarding(c *rest.Call, tx *store.Tx, v rest.Values, row *model.PortForwarding) error {
	row.FloatingIPID = c.Parent
	internal, compareInternal := givenPorts(v, "internal_port", "internal_port_range")
	external, compareExternal := givenPorts(v, "external_port", "external_port_range")
	if internal.first == 0 || external.first == 0 {
		return badForwarding("Both an internal and an external port or port range must be specified")
	}
	pf := forwarding{row}
	pf.set(internal, external)
	if err := s.checkCollisions(tx, row, compareInternal, compareExternal); err != nil {
		return err
	}
	if err := s.checkNotAssociated(tx, row.InternalPortID, row.InternalIPAddress); err != nil {
		return err
	}
	f := s.FloatingIPs.Get(tx, c.Parent)
	if f.PortID != nil {
		return alreadyAssociated(f, row.InternalPortID, row.InternalIPAddress)
	}
	return s.forwardBy(c, tx, f, row)
}

// forwardBy has a floating IP forward by the router that leads to the port.
func (s *Service) forwardBy(c *rest.Call, tx *store.Tx, f *model.FloatingIP, row *model.PortForwarding) error {
	router, err := s.forwardingRouter(c, tx, f, row)
	if err != nil {
		return err
	}
	if f.RouterID != nil && *f.RouterID != router {
		return badForwarding("The Floating IP %s had been set on router %s, the internal Neutron port %s can not reach it", f.ID, *f.RouterID, row.InternalPortID)
	}
	next := *f
	next.RouterID, next.Status = &router, statusActive
	s.engine.Touch(&next.Meta)
	next.RevisionNumber++ // for the status
	s.FloatingIPs.Put(tx, &next)
	return nil
}

func (s *Service) forwardingRouter(c *rest.Call, r store.Reader, f *model.FloatingIP, row *model.PortForwarding) (string, error) {
	p := s.Ports.Get(r, row.InternalPortID)
	if p == nil || !s.seesPort(c, r, p) {
		return "", portNotFound(row.InternalPortID)
	}
	all := ipv4Of(p)
	if all == nil {
		return "", badForwarding("Requested internal port %s must allocate an IPv4 address at least.", p.ID)
	}
	at := slices.IndexFunc(all, func(a model.FixedIP) bool { return a.IPAddress == row.InternalIPAddress })
	if at < 0 {
		return "", badForwarding("Requested internal IP address %s is not suitable for internal neutron port %s, as its fixed_ips are %s",
			row.InternalIPAddress, p.ID, reprFixedIPs(all))
	}
	router := s.routerBetween(r, p, all[at].SubnetID, f.FloatingNetworkID)
	if router == "" {
		return "", badForwarding("External network %s is not reachable from subnet %s. Cannot set Port forwarding for port %s with Floating IP %s",
			f.FloatingNetworkID, all[at].SubnetID, p.ID, f.ID)
	}
	return router, nil
}

func reprFixedIPs(all []model.FixedIP) string {
	var items []string
	for _, a := range all {
		items = append(items, fmt.Sprintf("{'subnet_id': '%s', 'ip_address': '%s'}", a.SubnetID, a.IPAddress))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// checkNotAssociated refuses a port that has a floating IP of its own.
func (s *Service) checkNotAssociated(r store.Reader, port, address string) error {
	f := s.FloatingIPs.First(r, s.Index.FloatingIPByPort, port)
	if f == nil {
		return nil
	}
	return rest.Conflict("PortHasBindingFloatingIP",
		"Cannot create port forwarding to floating IP %s (%s) with port %s using fixed IP %s, as that port already has a binding floating IP.",
		f.FloatingIPAddress, f.ID, port, address)
}

// checkCollisions refuses ports that another forwarding has: inside of the same
// address, outside of the same floating IP.
func (s *Service) checkCollisions(r store.Reader, row *model.PortForwarding, internal, external ports) error {
	if n := internal.last - internal.first; internal.first != 0 && n > 0 && n != external.last-external.first {
		return badForwarding("Invalid ranges of internal and/or external ports. The relation between internal and external ports must be N-N or 1-N")
	}
	collision := func(key string, there, asked ports) error {
		return badForwarding("There is a port collision with the %s. The following ranges collides: %s and %s", key, there, cmp.Or(asked.text, asked.String()))
	}
	for other := range s.PortForwardings.By(r, s.Index.ForwardingByPort, row.InternalPortID) {
		there := portsOf(other.InternalPortRange)
		if other.ID != row.ID && other.Protocol == row.Protocol && other.InternalIPAddress == row.InternalIPAddress && there.overlaps(internal) {
			return collision("internal_port_range", there, internal)
		}
	}
	for other := range s.PortForwardings.By(r, s.Index.ForwardingByFloating, row.FloatingIPID) {
		there := portsOf(other.ExternalPortRange)
		if other.ID != row.ID && other.Protocol == row.Protocol && there.overlaps(external) {
			return collision("external_port_range", there, external)
		}
	}
	return nil
}

func (s *Service) updatePortForwarding(c *rest.Call, tx *store.Tx, v rest.Values, old, row *model.PortForwarding) error {
	row.InternalPort, row.ExternalPort = old.InternalPort, old.ExternalPort
	row.InternalPortRange, row.ExternalPortRange = old.InternalPortRange, old.ExternalPortRange
	internal, compareInternal := givenPorts(v, "internal_port", "internal_port_range")
	external, compareExternal := givenPorts(v, "external_port", "external_port_range")
	pf := forwarding{row}
	pf.set(internal, external)
	if v.Has("internal_port_id") {
		if err := s.checkNotAssociated(tx, row.InternalPortID, row.InternalIPAddress); err != nil {
			return err
		}
	}
	addressed := v.String("internal_ip_address") != ""
	if row.InternalPortID != old.InternalPortID {
		if p := s.Ports.Get(tx, row.InternalPortID); p != nil && !addressed && ipv4Of(p) != nil {
			row.InternalIPAddress, addressed = ipv4Of(p)[0].IPAddress, true
		}
		if err := s.forwardBy(c, tx, s.FloatingIPs.Get(tx, c.Parent), row); err != nil {
			return err
		}
	} else {
		bump(s, tx, s.FloatingIPs, c.Parent, func(f *model.FloatingIP) *model.Meta { return &f.Meta })
	}
	p := s.Ports.Get(tx, row.InternalPortID)
	if p == nil || !slices.ContainsFunc(p.FixedIPs, func(a model.FixedIP) bool { return a.IPAddress == row.InternalIPAddress }) {
		var all []model.FixedIP
		if p != nil {
			all = p.FixedIPs
		}
		return badForwarding("The internal IP does not correspond to an address on the internal port, which has fixed_ips %s", reprFixedIPs(all))
	}
	if err := s.checkUnlikeOthers(tx, v, old, row); err != nil {
		return err
	}
	if compareInternal.first == 0 && addressed {
		compareInternal = portsOf(row.InternalPortRange)
	}
	if err := s.checkCollisions(tx, row, compareInternal, compareExternal); err != nil {
		return err
	}
	if row.InternalPortID == old.InternalPortID && row.Protocol == old.Protocol {
		return nil
	}
	// Another port or protocol brings the old ports to new neighbours.
	if err := s.checkNotDouble(tx, row); err != nil {
		return err
	}
	return s.checkCollisions(tx, row, portsOf(row.InternalPortRange), portsOf(row.ExternalPortRange))
}

// checkUnlikeOthers refuses an update after which the floating IP has two
// forwardings with the same port. To Neutron all ranges are the same, which
// have no port.
func (s *Service) checkUnlikeOthers(r store.Reader, v rest.Values, old, row *model.PortForwarding) error {
	alike := func(format string, args ...any) error {
		return badForwarding("Another port forwarding entry with the same attributes already exists, conflicting values are {"+format+"}", args...)
	}
	port := func(n int) string {
		if n == 0 {
			return "None"
		}
		return strconv.Itoa(n)
	}
	internal, external := old.InternalPort, old.ExternalPort
	if n, ok := v.Int("internal_port"); ok {
		internal = n
	}
	if n, ok := v.Int("external_port"); ok {
		external = n
	}
	for other := range s.PortForwardings.By(r, s.Index.ForwardingByFloating, row.FloatingIPID) {
		switch {
		case other.ID == row.ID || other.Protocol != row.Protocol:
		case other.ExternalPort == external:
			return alike("'floating_ip_address': '%s', 'external_port': %s", s.FloatingIPs.Get(r, row.FloatingIPID).FloatingIPAddress, port(external))
		case other.InternalPortID == row.InternalPortID && other.InternalIPAddress == row.InternalIPAddress && other.InternalPort == internal:
			return alike("'internal_port_id': '%s', 'internal_ip_address': '%s', 'internal_port': %s", row.InternalPortID, row.InternalIPAddress, port(internal))
		}
	}
	return nil
}

// checkNotDouble refuses what another floating IP forwards already.
func (s *Service) checkNotDouble(r store.Reader, row *model.PortForwarding) error {
	for other := range s.PortForwardings.By(r, s.Index.ForwardingByPort, row.InternalPortID) {
		if other.ID != row.ID && other.Protocol == row.Protocol && other.InternalIPAddress == row.InternalIPAddress && other.InternalPortRange == row.InternalPortRange && row.InternalPort != 0 {
			return badForwarding("A duplicate port forwarding entry with same attributes already exists, conflicting values are "+
				"{'internal_port_id': '%s', 'internal_ip_address': '%s', 'internal_port': %d, 'protocol': '%s'}",
				row.InternalPortID, row.InternalIPAddress, row.InternalPort, row.Protocol)
		}
	}
	return nil
}

func (s *Service) deletePortForwarding(_ *rest.Call, tx *store.Tx, row *model.PortForwarding) error {
	s.forwardsNoMore(tx, row)
	return nil
}

// forwardsNoMore takes a floating IP off its router with the last thing that it forwards.
func (s *Service) forwardsNoMore(tx *store.Tx, row *model.PortForwarding) {
	old := s.FloatingIPs.Get(tx, row.FloatingIPID)
	if old == nil {
		return
	}
	f := *old
	if s.PortForwardings.Count(tx, s.Index.ForwardingByFloating, row.FloatingIPID) == 1 {
		association{}.store(&f)
		f.RevisionNumber++ // for the status
	}
	s.engine.Touch(&f.Meta)
	s.FloatingIPs.Put(tx, &f)
}

// stopForwarding ends what is forwarded to a port that goes, or to addresses that it has no more.
func (s *Service) stopForwarding(tx *store.Tx, p *model.Port, gone bool) {
	left := ipv4Of(p)
	for _, pf := range slices.Collect(s.PortForwardings.By(tx, s.Index.ForwardingByPort, p.ID)) {
		stays := slices.ContainsFunc(left, func(a model.FixedIP) bool { return a.IPAddress == pf.InternalIPAddress })
		if gone || !stays {
			s.forwardsNoMore(tx, pf)
			s.PortForwardings.Delete(tx, pf.ID)
		}
	}
}
