// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
)

// callers are whom the tokens of a site speak for.
type callers map[string]api.Caller

func (c callers) Authenticate(token string) (api.Caller, error) {
	if caller, ok := c[token]; ok {
		return caller, nil
	}
	return api.Caller{}, errors.New("no such token")
}

const (
	adminProject  = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
	memberProject = "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"
	otherProject  = "c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2"
)

// site is a Neutron with an external network, and who may ask it.
type site struct {
	testing.TB
	*model.Tables
	*network.Service
	// external is the external network, externalSubnet its one subnet.
	external, externalSubnet string
}

// newSite makes a site without OVN. change may be nil.
func newSite(t testing.TB, change func(*network.Options)) *site {
	t.Helper()
	o := network.Options{
		Authenticator: callers{
			"admin":  {ProjectID: adminProject, Roles: []string{"admin", "member"}},
			"member": {ProjectID: memberProject, Roles: []string{"member"}},
			"other":  {ProjectID: otherProject, Roles: []string{"member"}},
		},
		PhysicalNetworks: []string{"physnet1"}, VLANRanges: []string{"physnet1:100:199"}, GeneveRange: "1:2000",
		MTU: 1500, MaxHeaderSize: 38, DNSDomain: "kuryr.test.", MaxFixedIPsPerPort: 20,
		Quota: map[string]int{
			"network": -1, "subnet": -1, "port": -1, "router": -1, "floatingip": -1, "security_group": -1, "security_group_rule": -1, "trunk": -1,
		},
		ActiveDelay: func() time.Duration { return 0 }, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	if change != nil {
		change(&o)
	}
	tables := model.New()
	service, err := network.New(tables, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	s := &site{TB: t, Tables: tables, Service: service}
	s.external = s.make("admin", "/networks", `{"network":{"name":"public","router:external":true,"provider:network_type":"flat","provider:physical_network":"physnet1"}}`)
	s.externalSubnet = s.make("admin", "/subnets", `{"subnet":{"name":"public","network_id":"`+s.external+`","ip_version":4,"cidr":"203.0.113.0/24","enable_dhcp":false}}`)
	return s
}

// call sends a request and gives the answer's status and body.
func (s *site) call(who, method, path, body string) (int, any) {
	s.Helper()
	r := httptest.NewRequest(method, "/v2.0"+path, bytes.NewBufferString(body))
	r.Header.Set("X-Auth-Token", who)
	answer := httptest.NewRecorder()
	s.Mux().ServeHTTP(answer, r)
	var decoded any
	if b := answer.Body.Bytes(); len(b) > 0 {
		if err := json.Unmarshal(b, &decoded); err != nil {
			s.Fatalf("%s %s: %s: %v", method, path, b, err)
		}
	}
	return answer.Code, decoded
}

// ask is call where the answer must be a success.
func (s *site) ask(who, method, path, body string) map[string]any {
	s.Helper()
	status, answer := s.call(who, method, path, body)
	if status >= http.StatusBadRequest {
		s.Fatalf("%s %s %s: %d %v", method, path, body, status, answer)
	}
	object, _ := answer.(map[string]any)
	return object
}

// make creates one thing and gives its id.
func (s *site) make(who, path, body string) string {
	s.Helper()
	for _, thing := range s.ask(who, http.MethodPost, path, body) {
		return thing.(map[string]any)["id"].(string)
	}
	s.Fatalf("POST %s: no answer", path)
	return ""
}
