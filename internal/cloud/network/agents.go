// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

func (s *Service) chassis() []model.Chassis {
	if s.o.Backend == nil {
		return nil
	}
	return s.o.Backend.Chassis()
}

// isGateway tells whether routers' gateways may be on a chassis.
func isGateway(c model.Chassis) bool { return slices.Contains(c.Options, "enable-chassis-as-gw") }

// viewAgent shows a chassis as OVN's driver does, as the agent that runs there.
func viewAgent(c model.Chassis) map[string]any {
	kind := "OVN Controller agent"
	if isGateway(c) {
		kind = "OVN Controller Gateway agent"
	}
	var bridges []string
	for physical, bridge := range c.BridgeMappings {
		bridges = append(bridges, physical+":"+bridge)
	}
	slices.Sort(bridges)
	return map[string]any{
		"id": c.Name, "agent_type": kind, "binary": "ovn-controller", "host": c.Hostname, "topic": "n/a", "description": "",
		"heartbeat_timestamp": c.Seen.UTC().Format("2006-01-02 15:04:05.000000-07:00"),
		"availability_zone":   strings.Join(c.AvailabilityZones, ", "), "alive": c.Alive, "admin_state_up": true,
		"configurations": map[string]any{"chassis_name": c.Name, "bridge-mappings": strings.Join(bridges, ",")},
	}
}

func (s *Service) serveAgents() {
	const path = "/v2.0/agents"
	s.mux.Handle("GET "+path, func(r *api.Request) (reply api.Reply, err error) {
		agents := []map[string]any{}
		if s.engine.NewCall(r).Allows("get_agent", rest.Target{}) {
			for _, c := range s.chassis() {
				agents = append(agents, viewAgent(c))
			}
		}
		slices.SortFunc(agents, func(a, b map[string]any) int { return strings.Compare(api.Text(a["id"]), api.Text(b["id"])) })
		reply.Body, err = rest.Choose(r, "agents", s.attributes["agents"], agents)
		return reply, err
	})
	s.mux.Handle("GET "+path+"/{id}", func(r *api.Request) (api.Reply, error) {
		agent, err := s.agent(r, "get_agent")
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: map[string]any{"agent": rest.Fields(agent, r.URL.Query()["fields"])}}, nil
	})
	s.mux.Handle("PUT "+path+"/{id}", func(r *api.Request) (api.Reply, error) {
		if _, err := s.agent(r, "update_agent"); err != nil {
			return api.Reply{}, err
		}
		return api.Reply{}, badResource("agent", "OVN agent status cannot be updated")
	})
	s.mux.Handle("DELETE "+path+"/{id}", func(r *api.Request) (api.Reply, error) {
		if _, err := s.agent(r, "delete_agent"); err != nil {
			return api.Reply{}, err
		}
		// OVN's driver does not ask whether the agent lives: one that does comes back.
		return api.Reply{Status: http.StatusNoContent}, s.o.Backend.RemoveChassis(r.Context(), r.PathValue("id"))
	})
	s.mux.Handle("GET /v2.0/availability_zones", func(r *api.Request) (reply api.Reply, err error) {
		zones := []map[string]any{}
		for _, name := range s.zones() {
			zones = append(zones, map[string]any{"name": name, "resource": "router", "state": "available"})
		}
		reply.Body, err = rest.Choose(r, "availability_zones", s.attributes["availability_zones"], zones)
		return reply, err
	})
}

// agent gives the agent of the path, to whom a rule lets.
func (s *Service) agent(r *api.Request, rule string) (map[string]any, error) {
	id := r.PathValue("id")
	for _, c := range s.chassis() {
		if c.Name != id {
			continue
		}
		if s.engine.NewCall(r).Allows(rule, rest.Target{}) {
			return viewAgent(c), nil
		}
		return nil, api.Errorf(http.StatusNotFound, "HTTPNotFound", "The resource could not be found.")
	}
	return nil, rest.NotFound("AgentNotFound", "Agent %s could not be found.", id)
}

// zones gives the availability zones, which are those of the gateways.
func (s *Service) zones() (names []string) {
	for _, c := range s.chassis() {
		if isGateway(c) {
			names = append(names, c.AvailabilityZones...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
