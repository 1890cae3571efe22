// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ref is a JSON object.
type ref = map[string]any

// The network that load balancers are in, with two subnets of IPv4 and one of
// IPv6, and two ports of Neutron's users.
const (
	demo     = "3c0e4fded53a48c2bcdb4c89d2437d86"
	network  = "a0000000-0000-0000-0000-000000000001"
	subnet4  = "a0000000-0000-0000-0000-000000000002"
	subnet4b = "a0000000-0000-0000-0000-000000000003"
	subnet6  = "a0000000-0000-0000-0000-000000000004"
	freePort = "a0000000-0000-0000-0000-000000000005"
	usedPort = "a0000000-0000-0000-0000-000000000006"
	foreign  = "a0000000-0000-0000-0000-000000000007" // another project's network
	nobody   = "00000000-0000-0000-0000-000000000009"
)

// tokens are those of users, who are in their projects what they are called.
type tokens struct{}

func (tokens) Authenticate(token string) (api.Caller, error) {
	role, in, ok := strings.Cut(token, "@")
	if !ok {
		in = demo
	}
	roles := map[string]string{
		"member": "load-balancer_member", "obs": "load-balancer_observer", "plain": "member", "admin": "admin",
	}
	switch {
	case token == "" || token == "wrong":
		return api.Caller{}, errors.New("no such token")
	case roles[role] != "":
		role = roles[role]
	}
	if role == "admin" && !ok {
		in = "admin"
	}
	return api.Caller{UserID: role, ProjectID: in, Roles: []string{role}}, nil
}

// ports is what is needed of Neutron.
type ports struct{ *model.Tables }

func (n ports) AllocatePort(tx *store.Tx, p model.Port) (*model.Port, error) {
	p.ID = uuid.NewString()
	for i := range p.FixedIPs {
		f := &p.FixedIPs[i]
		subnet := netip.MustParsePrefix(n.Subnets.Get(tx, f.SubnetID).CIDR)
		taken := func(a string) bool { return n.Ports.First(tx, n.Index.PortByAddress, f.SubnetID+" "+a) != nil }
		if f.IPAddress == "" {
			a := subnet.Addr().Next().Next()
			for taken(a.String()) {
				a = a.Next()
			}
			f.IPAddress = a.String()
		}
		if a, err := netip.ParseAddr(f.IPAddress); err != nil || !subnet.Contains(a) {
			return nil, api.Errorf(http.StatusBadRequest, "InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", f.IPAddress)
		}
		if f.IPAddress = model.CanonicalAddress(f.IPAddress); taken(f.IPAddress) {
			return nil, api.Errorf(http.StatusConflict, "IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", f.IPAddress, f.SubnetID)
		}
	}
	n.Ports.Put(tx, &p)
	return &p, nil
}

func (n ports) ReleasePort(tx *store.Tx, id string) { n.Ports.Delete(tx, id) }

// gate is an OVN that follows when it is let.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: open
}

func (g *gate) Settle(ctx context.Context, _ uint64) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return nil
	}
	select {
	case <-shut:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

// tester is a test, or a run of one.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// octavia is an Octavia under test.
type octavia struct {
	t    tester
	s    *Service
	url  string
	gate *gate
	// changed gets a value after commits.
	changed chan struct{}
	stop    func()
	// ask makes a request.
	ask func(*http.Request) (*http.Response, error)
}

// quick are options under which nothing takes time.
func quick() Options {
	return Options{AmphoraDelay: func(bool) time.Duration { return 0 }}
}

// start serves an Octavia in memory.
func start(t testing.TB, o Options) *octavia {
	t.Helper()
	tables := model.New()
	seed(tables)
	c := serveTables(t, tables, o)
	t.Cleanup(c.stop)
	return c
}

func serveTables(t testing.TB, tables *model.Tables, o Options) *octavia {
	t.Helper()
	c := direct(t, tables, o)
	server := httptest.NewServer(c.s.Mux())
	c.url, c.ask = server.URL, http.DefaultTransport.RoundTrip
	c.stop = sync.OnceFunc(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		server.Close()
		c.s.Close()
	})
	return c
}

// direct is an Octavia without a server in between.
func direct(t tester, tables *model.Tables, o Options) *octavia {
	t.Helper()
	c := &octavia{t: t, gate: &gate{}, changed: make(chan struct{}, 1), url: "http://octavia"}
	o.Authenticator, o.Ports, o.IdentityURL = tokens{}, ports{tables}, "http://identity/v3"
	if o.Backend == nil {
		o.Backend = c.gate
	}
	s, err := New(tables, o)
	if err != nil {
		t.Fatal(err)
	}
	tables.Subscribe(func(store.Commit) {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	})
	s.Start(context.Background())
	c.s, c.stop = s, sync.OnceFunc(s.Close)
	c.ask = func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		s.Mux().ServeHTTP(w, r)
		return w.Result(), nil
	}
	return c
}

// seed makes Neutron's part.
func seed(t *model.Tables) {
	must(t.Update(func(tx *store.Tx) error {
		for id, owner := range map[string]string{network: demo, foreign: "another"} {
			n := &model.Network{PortSecurityEnabled: true}
			n.ID, n.ProjectID = id, owner
			t.Networks.Put(tx, n)
		}
		for id, cidr := range map[string]string{subnet4: "10.77.0.0/24", subnet4b: "10.78.0.0/24", subnet6: "fd77::/64"} {
			p := netip.MustParsePrefix(cidr)
			sub := &model.Subnet{NetworkID: network, CIDR: cidr, IPVersion: 4}
			sub.ID, sub.ProjectID = id, demo
			last := "ffff"
			if p.Addr().Is4() {
				last = strings.TrimSuffix(p.Addr().String(), ".0") + ".254"
			} else {
				sub.IPVersion, last = 6, p.Addr().String()+last
			}
			sub.AllocationPools = []model.Pool{{Start: p.Addr().Next().Next().String(), End: last}}
			t.Subnets.Put(tx, sub)
		}
		for id, address := range map[string]string{freePort: "10.77.0.50", usedPort: "10.77.0.51"} {
			port := &model.Port{NetworkID: network, FixedIPs: []model.FixedIP{{SubnetID: subnet4, IPAddress: address}}}
			port.ID, port.ProjectID = id, demo
			if id == usedPort {
				port.DeviceID = "vm"
			}
			t.Ports.Put(tx, port)
		}
		return nil
	}))
}

func must(_ uint64, err error) {
	if err != nil {
		panic(err)
	}
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   any
	fault  string
}

// send makes a request; body is sent as it is when it is a string, else as JSON.
func (c *octavia) send(token, call string, body any) answer {
	c.t.Helper()
	return c.sendType(token, call, "application/json", body)
}

func (c *octavia) sendType(token, call, mimetype string, body any) answer {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.url+path, bytes.NewReader(data))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", mimetype)
	req.Header.Set("X-Auth-Token", token)
	resp, err := c.ask(req)
	if err != nil {
		c.t.Fatalf("%s: %v", call, err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&a.body); err != nil && err != io.EOF {
		c.t.Fatalf("%s: %v", call, err)
	}
	if fault, ok := a.body.(ref); ok && a.status >= http.StatusBadRequest {
		a.fault, _ = fault["faultstring"].(string)
	}
	return a
}

// at gives a value in an answer: "loadbalancer.listeners.0.id".
func (a answer) at(path string) any {
	v := a.body
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case ref:
			v = x[key]
		case []any:
			n := int(key[0] - '0')
			if v = nil; n < len(x) {
				v = x[n]
			}
		default:
			return nil
		}
	}
	return v
}

func (a answer) text(path string) string { s, _ := a.at(path).(string); return s }

// wait returns when a condition holds.
func (c *octavia) wait(what string, is func(store.Reader) bool) {
	c.t.Helper()
	patience := time.After(20 * time.Second)
	for {
		var ok bool
		c.s.View(func(r store.Reader) { ok = is(r) })
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-patience:
			c.t.Fatalf("it never happened that %s", what)
		}
	}
}

// settled waits until a load balancer is not PENDING, or gone.
func (c *octavia) settled(id string) {
	c.t.Helper()
	c.wait("load balancer "+id+" was done", func(r store.Reader) bool {
		lb := c.s.LoadBalancers.Get(r, id)
		return lb == nil || !pending(&lb.LBMeta)
	})
}

// make creates something that must be accepted, waits until the load balancer
// lb ("": the one that is made) is done, and gives its id.
func (c *octavia) make(lb, path, key string, body ref) string {
	c.t.Helper()
	a := c.send("member", "POST /v2.0/lbaas"+path, ref{key: body})
	if a.status != http.StatusCreated {
		c.t.Fatalf("POST %s %v: %d %s", path, body, a.status, a.fault)
	}
	id := a.text(key + ".id")
	if lb == "" {
		lb = id
	}
	c.settled(lb)
	return id
}

// do makes a change that must be accepted, and waits until the load balancer lb is done.
func (c *octavia) do(lb, call string, body any) answer {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	a := c.send("member", method+" /v2.0/lbaas"+path, body)
	if a.status >= http.StatusBadRequest {
		c.t.Fatalf("%s %v: %d %s", call, body, a.status, a.fault)
	}
	c.settled(lb)
	return a
}

func (c *octavia) get(path string) answer {
	c.t.Helper()
	a := c.send("member", "GET /v2.0/lbaas"+path, nil)
	if a.status != http.StatusOK {
		c.t.Fatalf("GET %s: %d %v", path, a.status, a.body)
	}
	return a
}

// refused makes a request that must be answered with a status and a text.
func (c *octavia) refused(call string, body any, status int, fault string) {
	c.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	if a := c.send("member", method+" /v2.0/lbaas"+path, body); a.status != status || a.fault != fault {
		c.t.Errorf("%s %v:\n got %d %q\nwant %d %q", call, body, a.status, a.fault, status, fault)
	}
}
