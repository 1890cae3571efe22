// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"maps"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// statusNotApplicable is that of a port that holds a floating IP.
const statusNotApplicable = "N/A"

func badRouter(format string, args ...any) *api.Error { return badResource("router", format, args...) }

func (s *Service) serveRouters() {
	res := &rest.Resource[model.Router]{
		Name: "router", Plural: "routers", Kind: "Router",
		Attributes: s.attributes["routers"], Table: s.Routers,
		Meta:   func(r *model.Router) *model.Meta { return &r.Meta },
		Tagged: true, Quota: "router", NoBulk: true,
		NotFound: func(_ *rest.Call, id string) error {
			return rest.NotFound("RouterNotFound", "Router %s could not be found", id)
		},
		Indexes: []rest.By[model.Router]{{Filter: "project_id", Index: s.Index.RouterByProject}},
		View:    viewRouter,
		Create:  s.createRouter,
		Update:  s.updateRouter,
		Delete:  s.deleteRouter,
	}
	rest.Add(s.engine, res)
	rest.Act(s.engine, res, "add_router_interface", s.addInterface)
	rest.Act(s.engine, res, "remove_router_interface", s.removeInterface)
	rest.Act(s.engine, res, "add_extraroutes", s.addRoutes)
	rest.Act(s.engine, res, "remove_extraroutes", s.removeRoutes)
}

func viewRouter(_ *rest.Call, _ store.Reader, row *model.Router, shown map[string]any) {
	shown["availability_zones"] = append([]string{}, row.AvailabilityZoneHints...)
	shown["external_gateway_info"] = nil
	if g := row.Gateway; g != nil {
		info := map[string]any{"network_id": g.NetworkID, "enable_snat": g.EnableSNAT, "external_fixed_ips": g.FixedIPs}
		if g.QoSPolicyID != nil {
			info["qos_policy_id"] = *g.QoSPolicyID
		}
		shown["external_gateway_info"] = info
	}
}

var routerColumns = api.ColumnsOf[model.Router](rest.TimeLayout)

// wholeRouter is a router as Neutron's actions show it: with what is hidden elsewhere.
func wholeRouter(row *model.Router) any {
	shown := routerColumns.Map(row)
	viewRouter(nil, nil, row, shown)
	delete(shown, "flavor_id")
	maps.Copy(shown, map[string]any{"tenant_id": row.ProjectID, "ha_vr_id": 0, "gw_port_id": nil})
	if row.Gateway != nil {
		shown["gw_port_id"] = row.Gateway.PortID
	}
	return map[string]any{"router": shown}
}

func (s *Service) createRouter(c *rest.Call, tx *store.Tx, v rest.Values, row *model.Router) error {
	row.Gateway, row.Status = nil, statusActive
	row.Routes = []model.Route{}
	if err := s.checkZones(row.AvailabilityZoneHints); err != nil {
		return err
	}
	info, err := gatewayInfo(v)
	if err != nil || info == nil {
		return err
	}
	row.RevisionNumber++
	return s.setGateway(c, tx, info, row)
}

// checkZones wants availability zones that gateways have.
func (s *Service) checkZones(hints []string) error {
	var absent []string
	for _, hint := range hints {
		there := s.o.Backend != nil && slices.ContainsFunc(s.o.Backend.Chassis(), func(c model.Chassis) bool {
			return slices.Contains(c.AvailabilityZones, hint)
		})
		if !there {
			absent = append(absent, hint)
		}
	}
	if absent != nil {
		return rest.NotFound("AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", strings.Join(absent, ", "))
	}
	return nil
}

func (s *Service) updateRouter(c *rest.Call, tx *store.Tx, v rest.Values, old, row *model.Router) error {
	row.Gateway = old.Gateway
	// Neutron writes routes and gateway apart from the rest, and routes only
	// where they are others. The engine counts one for all.
	plain := len(v)
	if v.Has("routes") {
		plain--
		if err := s.setRoutes(tx, row, row.Routes); err != nil {
			return err
		}
		if !slices.Equal(old.Routes, row.Routes) {
			row.RevisionNumber++
		}
	}
	if plain == 0 && len(v) > 0 {
		row.RevisionNumber--
	}
	if !v.Has("external_gateway_info") {
		return nil
	}
	if plain > 1 {
		row.RevisionNumber++
	}
	info, err := gatewayInfo(v)
	if err != nil {
		return err
	}
	if info == nil {
		info = &gateway{}
	}
	return s.setGateway(c, tx, info, row)
}

func (s *Service) deleteRouter(_ *rest.Call, tx *store.Tx, row *model.Router) error {
	var attached []string
	for p := range s.interfaces(tx, row.ID) {
		attached = append(attached, p.ID)
	}
	if attached != nil {
		return rest.Conflict("RouterInUse", "Router %s has ports still attached: %s", row.ID, strings.Join(attached, ", "))
	}
	if row.Gateway == nil {
		return nil
	}
	if err := s.gatewayMayGo(tx, row); err != nil {
		return err
	}
	s.ReleasePort(tx, row.Gateway.PortID)
	return nil
}
