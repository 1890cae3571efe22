// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

// parameter is one of a QoS rule's: a range, or one of some values.
type parameter struct {
	name   string
	values any
}

func (p parameter) shown() map[string]any {
	if p.values == nil {
		return map[string]any{
			"parameter_name": p.name, "parameter_type": "range", "parameter_values": map[string]any{"start": 0, "end": 2147483647},
		}
	}
	return map[string]any{"parameter_name": p.name, "parameter_type": "choices", "parameter_values": p.values}
}

var (
	directions = []string{"ingress", "egress"}
	dscpMarks  = []int{0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56}
)

// parameters are those of the types that OVN's driver can do.
var parameters = map[string][]parameter{
	qosBandwidthLimit:   {{"max_kbps", nil}, {"max_burst_kbps", nil}, {"direction", directions}},
	qosDSCPMarking:      {{"dscp_mark", dscpMarks}},
	qosMinimumBandwidth: {{"min_kbps", nil}, {"direction", directions}},
}

func (s *Service) serveRuleTypes() {
	s.mux.Handle("GET /v2.0/qos/rule-types", s.listRuleTypes)
	s.mux.Handle("GET /v2.0/qos/rule-types/{id}", s.showRuleType)
}

func (s *Service) listRuleTypes(r *api.Request) (api.Reply, error) {
	all := false
	for _, value := range r.URL.Query()["all_rules"] {
		all = all || strings.EqualFold(value, "true") || value == "1"
	}
	items := []map[string]any{}
	for _, kind := range qosTypes {
		if all || supported(kind) {
			items = append(items, map[string]any{"type": kind})
		}
	}
	body, err := rest.Choose(r, "rule_types", s.attributes["rule_types"], items)
	return api.Reply{Body: body}, err
}

func (s *Service) showRuleType(r *api.Request) (api.Reply, error) {
	if !r.Caller.Admin() {
		return api.Reply{}, api.Errorf(http.StatusForbidden, "NotAuthorized", "Not authorized.")
	}
	kind := r.PathValue("id")
	if !slices.Contains(qosTypes, kind) {
		return api.Reply{}, rest.NotFound("HTTPNotFound", "The resource could not be found.")
	}
	drivers := []map[string]any{}
	if supported(kind) {
		list := []map[string]any{}
		for _, p := range parameters[kind] {
			list = append(list, p.shown())
		}
		drivers = append(drivers, map[string]any{"name": "OVNQosDriver", "supported_parameters": list})
	}
	shown := map[string]any{"type": kind, "drivers": drivers}
	return api.Reply{Body: map[string]any{"rule_type": rest.Fields(shown, r.URL.Query()["fields"])}}, nil
}
