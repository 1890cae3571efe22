// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/network"
)

// crowd makes a site with as many ports on one network, in bulks.
func crowd(b *testing.B, ports int) (s *site, net string) {
	b.Helper()
	s = newSite(b, func(o *network.Options) { o.Quota["port"] = -1 })
	net = s.make("member", "/networks", `{"network":{"name":"crowd"}}`)
	s.make("member", "/subnets", `{"subnet":{"network_id":"`+net+`","ip_version":4,"cidr":"10.0.0.0/14"}}`)
	const bulk = 1000
	for i := 0; i < ports; i += bulk {
		var list []string
		for j := range min(bulk, ports-i) {
			list = append(list, fmt.Sprintf(`{"network_id":%q,"name":"p%d","device_id":"d%d","tags":["t%d"]}`, net, i+j, i+j, (i+j)%10))
		}
		s.ask("member", http.MethodPost, "/ports", `{"ports":[`+strings.Join(list, ",")+`]}`)
	}
	return s, net
}

func BenchmarkListsOfAHundredThousandPorts(b *testing.B) {
	s, net := crowd(b, 100_000)
	for name, query := range map[string]string{
		"a page of 1000":             "limit=1000",
		"a page of 1000, by tag":     "limit=1000&tags=t3",
		"a page of 1000, by network": "limit=1000&network_id=" + net,
		"one by name":                "name=p77777",
		"one by device":              "device_id=d4711",
		"one by address":             "fixed_ips=ip_address%3D10.1.2.3",
		"ids of a page of 1000":      "limit=1000&tags=t3&fields=id",
	} {
		for _, who := range []string{"member", "admin"} {
			b.Run(name+", "+who, func(b *testing.B) {
				for b.Loop() {
					get(b, s, who, "/ports?"+query)
				}
			})
		}
	}
}

// get sends a request and leaves the answer unread.
func get(b *testing.B, s *site, who, path string) {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "/v2.0"+path, nil)
	r.Header.Set("X-Auth-Token", who)
	answer := httptest.NewRecorder()
	s.Mux().ServeHTTP(answer, r)
	if answer.Code != http.StatusOK || answer.Body.Len() < 100 {
		b.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
	}
}

func BenchmarkCreateAndDeleteAPortAmongSixtyThousand(b *testing.B) {
	s, net := crowd(b, 60_000)
	body := `{"port":{"network_id":"` + net + `"}}`
	for b.Loop() {
		id := s.make("member", "/ports", body)
		s.ask("member", http.MethodDelete, "/ports/"+id, "")
	}
}

// BenchmarkMemoryOfAPort tells how much a port takes, with its indexes.
func BenchmarkMemoryOfAPort(b *testing.B) {
	const ports = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s, _ := crowd(b, ports)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/ports, "B/port")
		runtime.KeepAlive(s)
	}
}
