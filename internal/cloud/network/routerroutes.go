// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// mostRoutes is Neutron's max_routes.
const mostRoutes = 30

// reach is where a router's next hops may be, and its own addresses, where they may not.
type reach struct {
	prefixes  []netip.Prefix
	addresses []string
}

func (s *Service) reachOf(r store.Reader, router, without string) (all reach) {
	for p := range s.Ports.By(r, s.Index.PortByDevice, router) {
		if p.ID == without {
			continue
		}
		for _, f := range p.FixedIPs {
			if sub := s.Subnets.Get(r, f.SubnetID); sub != nil {
				all.prefixes = append(all.prefixes, cidrOf(sub))
			}
			all.addresses = append(all.addresses, f.IPAddress)
		}
	}
	return all
}

// setRoutes gives a router its extra routes.
func (s *Service) setRoutes(r store.Reader, row *model.Router, routes []model.Route) error {
	if err := checkNextHops(row.ID, routes, s.reachOf(r, row.ID, "")); err != nil {
		return err
	}
	row.Routes = slices.Clone(routes)
	slices.SortFunc(row.Routes, func(a, b model.Route) int {
		if d := strings.Compare(a.Destination, b.Destination); d != 0 {
			return d
		}
		return strings.Compare(a.NextHop, b.NextHop)
	})
	if row.Routes == nil {
		row.Routes = []model.Route{}
	}
	return nil
}

func checkNextHops(router string, routes []model.Route, all reach) error {
	if len(routes) > mostRoutes {
		return badRequest("RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum %d.", router, mostRoutes)
	}
	for _, route := range routes {
		hop, _ := parseIP(route.NextHop)
		if !slices.ContainsFunc(all.prefixes, func(p netip.Prefix) bool { return p.Contains(hop) }) {
			return invalidRoutes(routes, "the nexthop is not connected with router")
		}
		if slices.Contains(all.addresses, route.NextHop) {
			return invalidRoutes(routes, "the nexthop is used by router")
		}
	}
	return nil
}

func invalidRoutes(routes []model.Route, reason string) error {
	var list []any
	for _, route := range routes {
		list = append(list, map[string]any{"destination": route.Destination, "nexthop": route.NextHop})
	}
	return badRequest("InvalidRoutes", "Invalid format for routes: %s, %s", rest.Repr(list), reason)
}

// checkRoutesBehind checks a router's routes against what it will be connected
// with when its gateway goes to a network, or nowhere. A router without
// interfaces keeps them all.
func (s *Service) checkRoutesBehind(r store.Reader, row *model.Router, network *model.Network) error {
	if len(row.Routes) == 0 {
		return nil
	}
	gatewayPort := ""
	if row.Gateway != nil {
		gatewayPort = row.Gateway.PortID
	}
	all := s.reachOf(r, row.ID, gatewayPort)
	if network != nil {
		for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, network.ID) {
			all.prefixes = append(all.prefixes, cidrOf(sub))
		}
	}
	if all.prefixes == nil && all.addresses == nil {
		all = s.reachOf(r, row.ID, "")
	}
	return checkNextHops(row.ID, row.Routes, all)
}

// routesOf reads the routes of an action's body.
func routesOf(body map[string]any) ([]model.Route, error) {
	router, _ := body["router"].(map[string]any)
	checked, err := checkRoutes(router["routes"])
	if err != nil {
		return nil, rest.BadRequest("Invalid input for routes. Reason: %s.", err)
	}
	var routes []model.Route
	err = rest.Values{"routes": checked}.Decode("routes", &routes)
	return routes, err
}

func (s *Service) addRoutes(_ *rest.Call, tx *store.Tx, body map[string]any, row *model.Router) (any, error) {
	routes, err := routesOf(body)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(row.Routes)
	for _, route := range routes {
		if !slices.Contains(all, route) {
			all = append(all, route)
		}
	}
	return s.replaceRoutes(tx, row, all)
}

func (s *Service) removeRoutes(_ *rest.Call, tx *store.Tx, body map[string]any, row *model.Router) (any, error) {
	routes, err := routesOf(body)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(row.Routes), func(route model.Route) bool { return slices.Contains(routes, route) })
	return s.replaceRoutes(tx, row, left)
}

func (s *Service) replaceRoutes(tx *store.Tx, old *model.Router, routes []model.Route) (any, error) {
	row := *old
	if err := s.setRoutes(tx, &row, routes); err != nil {
		return nil, err
	}
	if !slices.Equal(row.Routes, old.Routes) {
		s.engine.Touch(&row.Meta)
		s.Routers.Put(tx, &row)
	}
	return wholeRouter(&row), nil
}
