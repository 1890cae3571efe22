// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The shape of the test: so many clients make so many things each, while the
// cloud is killed so many times.
const (
	clients = 4
	things  = 30
	deaths  = 12
	bulk    = 8
)

func TestACloudThatIsKilledAtRandomIsWholeAndItsClientsEndWithOneOfEach(t *testing.T) {
	t.Run("simulator", func(t *testing.T) { killed(t, processOptions{}) })
	t.Run("OVN", func(t *testing.T) {
		nb, sb := startDatabase(t, "nb", "OVN_Northbound"), startDatabase(t, "sb", "OVN_Southbound")
		last := killed(t, processOptions{OVNNB: nb.address, OVNSB: sb.address})
		// What the file demands of an OVN that nobody has written to.
		content, err := os.ReadFile(last.o.Store)
		if err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "cloud.db")
		if err := os.WriteFile(again, content, 0o600); err != nil {
			t.Fatal(err)
		}
		fresh := startDatabase(t, "nb", "OVN_Northbound")
		other := newProcess(t, processOptions{Store: again, OVNNB: fresh.address, OVNSB: sb.address})
		other.start()
		if diff := cmp.Diff(fresh.rows(), nb.rows()); diff != "" {
			t.Errorf("OVN is not what the store demands (-demanded +there):\n%s", diff)
		}
	})
}

// killed kills a cloud again and again while clients make things, and then
// stops it.
func killed(t *testing.T, o processOptions) *process {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p := newProcess(t, o)
	p.start()
	s := newSite(t, p)
	var running sync.WaitGroup
	for i := range clients {
		c := &client{site: s, name: fmt.Sprint(i), random: rand.New(rand.NewPCG(seed, uint64(i+1)))}
		running.Go(func() {
			for n := 0; n < things && !t.Failed(); n++ {
				c.thing(n)
			}
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	kills := 0
	for ; kills < deaths && s.serveSome(1+random.IntN(25), done); kills++ {
		time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
		p.kill()
		wholeFile(t, p.o.Store)
		p.start()
	}
	<-done
	t.Logf("killed %d times, %d calls answered, %d cut", kills, s.answered.Load(), s.cut.Load())
	if s.cut.Load() == 0 {
		t.Error("no call was cut")
	}
	eventually(t, p.healthy)
	s.oneOfEach()
	p.stop()
	wholeFile(t, p.o.Store)
	return p
}

// wholeFile opens the file of a dead cloud and looks for what is half-made.
func wholeFile(t *testing.T, path string) {
	t.Helper()
	tables := model.New()
	if err := tables.Open(path); err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	tables.View(func(r store.Reader) {
		for _, fault := range append(halfMadeNetworks(tables, r), halfMadeBalancers(tables, r)...) {
			t.Error(fault)
		}
	})
}

func halfMadeNetworks(t *model.Tables, r store.Reader) (found []string) {
	bad := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	bulks := map[string]int{}
	for p := range t.Ports.All(r) {
		if t.Networks.Get(r, p.NetworkID) == nil || len(p.FixedIPs) == 0 {
			bad("port %s (%s) has the network %s and the addresses %v", p.ID, p.Name, p.NetworkID, p.FixedIPs)
		}
		for _, f := range p.FixedIPs {
			if n := t.Ports.Count(r, t.Index.PortByAddress, f.SubnetID+" "+f.IPAddress); n != 1 {
				bad("%d ports have the address %s", n, f.IPAddress)
			}
		}
		for _, g := range p.SecurityGroups {
			if t.SecurityGroups.Get(r, g) == nil {
				bad("port %s has the group %s, which is not there", p.ID, g)
			}
		}
		if at := strings.LastIndexByte(p.Name, '/'); strings.HasPrefix(p.Name, "bulk") && at > 0 {
			bulks[p.Name[:at]]++
		}
	}
	for name, n := range bulks {
		if n != bulk {
			bad("%d of the %d ports of %s", n, bulk, name)
		}
	}
	for g := range t.SecurityGroups.All(r) {
		if n := t.SecurityGroupRules.Count(r, t.Index.RuleByGroup, g.ID); n < 2 {
			bad("group %s has %d rules", g.Name, n)
		}
	}
	for rule := range t.SecurityGroupRules.All(r) {
		if t.SecurityGroups.Get(r, rule.SecurityGroupID) == nil {
			bad("rule %s has no group", rule.ID)
		}
	}
	return found
}

func halfMadeBalancers(t *model.Tables, r store.Reader) (found []string) {
	bad := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for lb := range t.LoadBalancers.All(r) {
		if t.Ports.Get(r, lb.VIPPortID) == nil {
			bad("load balancer %s has no port %q", lb.Name, lb.VIPPortID)
		}
		if n := t.Listeners.Count(r, t.Index.ListenerByLB, lb.ID); n != 1 {
			bad("load balancer %s has %d listeners", lb.Name, n)
		}
	}
	for l := range t.Listeners.All(r) {
		if t.LoadBalancers.Get(r, l.LoadBalancerID) == nil {
			bad("listener %s has no load balancer", l.ID)
		}
		if l.DefaultPoolID == nil || t.LBPools.Get(r, *l.DefaultPoolID) == nil {
			bad("listener %s has no pool", l.ID)
		}
	}
	for pool := range t.LBPools.All(r) {
		if n := t.Members.Count(r, t.Index.MemberByPool, pool.ID); n != 2 {
			bad("pool %s has %d members", pool.ID, n)
		}
	}
	for p := range t.Ports.By(r, t.Index.PortByOwner, "Octavia") {
		if t.LoadBalancers.First(r, t.Index.LBByVIPPort, p.ID) == nil {
			bad("port %s is for no load balancer", p.Name)
		}
	}
	return found
}

// site is the cloud as its clients see it, and what they want there.
type site struct {
	t               *testing.T
	p               *process
	token           string
	network, subnet string
	answered, cut   atomic.Int64

	mu   sync.Mutex
	want map[string][]string // by path: names
}

func newSite(t *testing.T, p *process) *site {
	s := &site{t: t, p: p, want: map[string][]string{}}
	s.login()
	net, err := s.call("POST", p.o.Ports.Network, "/v2.0/networks", map[string]any{"network": map[string]any{"name": "n"}})
	if err != nil {
		t.Fatal(err)
	}
	s.network = dig(net, "network", "id")
	sub, err := s.call("POST", p.o.Ports.Network, "/v2.0/subnets", map[string]any{"subnet": map[string]any{
		"network_id": s.network, "ip_version": 4, "cidr": "10.0.0.0/16",
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.subnet = dig(sub, "subnet", "id")
	return s
}

// serveSome returns when so many more calls were answered; false: the clients are done.
func (s *site) serveSome(n int, done <-chan struct{}) bool {
	for until := s.answered.Load() + int64(n); s.answered.Load() < until; time.Sleep(100 * time.Microsecond) {
		select {
		case <-done:
			return false
		default:
		}
	}
	return true
}

// wanted notes that there shall be one thing of a name.
func (s *site) wanted(path string, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want[path] = append(s.want[path], names...)
}

// oneOfEach compares what is there with what the clients wanted.
func (s *site) oneOfEach() {
	s.t.Helper()
	for path, where := range map[string]int{
		"/v2.0/ports": s.p.o.Ports.Network, "/v2.0/security-groups": s.p.o.Ports.Network, "/v2/lbaas/loadbalancers": s.p.o.Ports.LoadBalancer,
	} {
		want, got := slices.Sorted(slices.Values(s.want[path])), []string{}
		answer, err := s.call("GET", where, path, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, one := range list(answer) {
			if name := dig(one, "name"); strings.Contains(name, "/") {
				got = append(got, name)
			}
			if status := dig(one, "provisioning_status"); status != "" && status != "ACTIVE" {
				s.t.Errorf("%s is %s", dig(one, "name"), status)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("%s (-wanted +there):\n%s", path, diff)
		}
	}
}
