// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/cloudtest"
	"github.com/kuryr-go/kuryr/internal/cloud/identity"
)

// crowd is how many ports there are where there are many.
const crowd = 100_000

// neutron is a cloud of a benchmark with one network, called over HTTP on a
// connection that is kept.
type neutron struct {
	b       *testing.B
	c       *cloudtest.Cloud
	client  http.Client
	network string
	group   string
}

func newNeutron(b *testing.B, o cloud.Options) *neutron {
	b.Helper()
	seed := cloud.DefaultSeed()
	seed.Users = []identity.User{{Name: "demo", Password: "secret", Project: "demo"}}
	seed.Network.Quota = map[string]int{"port": -1}
	o.Seed, o.RequestLog = &seed, 100
	n := &neutron{b: b, c: cloudtest.Start(b, o)}
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	n.client.Transport = transport
	for end := 0; n.c.Health() != nil; end++ {
		runtime.Gosched()
	}
	n.network = dig(n.call("POST", "/v2.0/networks", map[string]any{"network": map[string]any{"name": "n"}}), "network", "id")
	n.call("POST", "/v2.0/subnets", map[string]any{"subnet": map[string]any{"network_id": n.network, "ip_version": 4, "cidr": "10.0.0.0/8"}})
	n.group = dig(n.call("POST", "/v2.0/security-groups", map[string]any{"security_group": map[string]any{"name": "g"}}), "security_group", "id")
	return n
}

func (n *neutron) call(method, path string, body any) map[string]any {
	n.b.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		n.b.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(n.raw(method, path, text), &answer); err != nil {
		n.b.Fatal(err)
	}
	return answer
}

// raw is a call whose answer is read and not understood: that is the client's time.
func (n *neutron) raw(method, path string, body []byte) []byte {
	n.b.Helper()
	r, err := http.NewRequest(method, n.c.Endpoints().Network+path, bytes.NewReader(body))
	if err != nil {
		n.b.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", n.c.Admin.TokenID)
	r.Header.Set("Content-Type", "application/json")
	resp, err := n.client.Do(r)
	if err != nil {
		n.b.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		n.b.Fatalf("%s %s: %s: %s %v", method, path, resp.Status, b, err)
	}
	return b
}

// port is what a node's agent asks for.
func (n *neutron) port(i int) map[string]any {
	return map[string]any{
		"network_id": n.network, "name": fmt.Sprintf("port %d", i), "device_id": fmt.Sprintf("device-%d", i), "device_owner": "compute:kuryr",
		"binding:host_id": fmt.Sprintf("node%d", i%1000), "security_groups": []string{n.group},
	}
}

func (n *neutron) ports(from, count int) []byte {
	var list []any
	for i := range count {
		list = append(list, n.port(from+i))
	}
	b, err := json.Marshal(map[string]any{"ports": list})
	if err != nil {
		n.b.Fatal(err)
	}
	return b
}

// stores are the ways to keep what is made, and OVN under it.
func stores(b *testing.B, run func(b *testing.B, n *neutron)) {
	b.Run("memory", func(b *testing.B) { run(b, newNeutron(b, cloud.Options{})) })
	b.Run("file", func(b *testing.B) { run(b, newNeutron(b, cloud.Options{Store: filepath.Join(b.TempDir(), "db")})) })
	b.Run("OVN", func(b *testing.B) {
		nb, sb := startDatabase(b, "nb", "OVN_Northbound"), startDatabase(b, "sb", "OVN_Southbound")
		run(b, newNeutron(b, cloud.Options{Store: filepath.Join(b.TempDir(), "db"), OVNNB: nb.address, OVNSB: sb.address}))
	})
}

func BenchmarkPortCreate(b *testing.B) {
	stores(b, func(b *testing.B, n *neutron) {
		for i := 0; b.Loop(); i++ {
			body, err := json.Marshal(map[string]any{"port": n.port(i)})
			if err != nil {
				b.Fatal(err)
			}
			n.raw("POST", "/v2.0/ports", body)
		}
	})
}

func BenchmarkPortCreateBulkOf50(b *testing.B) {
	stores(b, func(b *testing.B, n *neutron) {
		made := 0
		for ; b.Loop(); made += 50 {
			n.raw("POST", "/v2.0/ports", n.ports(made, 50))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(made), "ns/port")
	})
}

// BenchmarkWith100000Ports fills a cloud, and then asks for pages of it.
func BenchmarkWith100000Ports(b *testing.B) {
	n := newNeutron(b, cloud.Options{})
	before := heap()
	for made := 0; made < crowd; made += 500 {
		n.raw("POST", "/v2.0/ports", n.ports(made, 500))
	}
	perPort := float64(heap()-before) / crowd
	all := n.call("GET", "/v2.0/ports?limit=1000", nil)["ports"].([]any)
	marker := dig(all[len(all)-1], "id")
	for name, path := range map[string]string{
		"page of 1000":                    "/v2.0/ports?limit=1000&marker=" + marker,
		"page of 1000, two fields":        "/v2.0/ports?limit=1000&fields=id&fields=fixed_ips&marker=" + marker,
		"page of 1000 of a network":       "/v2.0/ports?limit=1000&network_id=" + n.network + "&marker=" + marker,
		"page of 1000, DOWN, of an owner": "/v2.0/ports?limit=1000&status=DOWN&device_owner=compute:kuryr&marker=" + marker,
		"100 of a host":                   "/v2.0/ports?binding:host_id=node7",
		"one by its device":               "/v2.0/ports?device_id=device-77777",
		"one by its name":                 "/v2.0/ports?name=port+77777",
		"one by its address":              "/v2.0/ports?fixed_ips=ip_address%3D" + dig(all[7].(map[string]any)["fixed_ips"].([]any)[0], "ip_address"),
		"one by its id":                   "/v2.0/ports/" + marker,
	} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				size = len(n.raw("GET", path, nil))
			}
			b.ReportMetric(float64(size), "B/answer")
		})
	}
	b.Run("one more", func(b *testing.B) {
		for i := crowd; b.Loop(); i++ {
			body, err := json.Marshal(map[string]any{"port": n.port(i)})
			if err != nil {
				b.Fatal(err)
			}
			n.raw("POST", "/v2.0/ports", body)
		}
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			runtime.Gosched()
		}
		b.ReportMetric(perPort, "B/port")
	})
}

// BenchmarkStartWith100000Ports is a start with a file that holds them.
func BenchmarkStartWith100000Ports(b *testing.B) {
	o := cloud.Options{Store: filepath.Join(b.TempDir(), "db")}
	b.Run("fill", func(b *testing.B) {
		n := newNeutron(b, o)
		for b.Loop() {
			for made := 0; made < crowd; made += 500 {
				n.raw("POST", "/v2.0/ports", n.ports(made, 500))
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/crowd, "ns/port")
	})
	file, err := os.Stat(o.Store)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			c, err := cloud.New(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if got := c.Tables().Sizes()["ports"]; got != crowd {
				b.Fatalf("%d ports", got)
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(file.Size())/crowd, "B/port")
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
