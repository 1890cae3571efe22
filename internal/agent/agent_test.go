// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCallsForOneKeyRunOneAfterTheOther(t *testing.T) {
	l := keyLocks{held: map[Key]*keyLock{}}
	var inside, most, total int
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			unlock, err := l.lock(t.Context(), Key{"c", "eth0"})
			if err != nil {
				t.Error(err)
				return
			}
			inside++
			most, total = max(most, inside), total+1
			inside--
			unlock()
		})
	}
	wg.Wait()
	if most != 1 || total != 50 || len(l.held) != 0 {
		t.Errorf("most inside %d, total %d, locks kept %d", most, total, len(l.held))
	}
}

func TestWaitingForAKeyEndsWithTheCaller(t *testing.T) {
	l := keyLocks{held: map[Key]*keyLock{}}
	k := Key{"c", "eth0"}
	unlock, err := l.lock(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, k); err == nil {
		t.Error("the lock was had twice")
	}
	if other, err := l.lock(t.Context(), Key{"c", "eth1"}); err != nil {
		t.Error("another key waits")
	} else {
		other()
	}
	unlock()
	if len(l.held) != 0 {
		t.Errorf("%d locks kept", len(l.held))
	}
}

func TestANamespaceIsToldFromWhatIsNone(t *testing.T) {
	id, err := netnsID("/proc/self/ns/net")
	if err != nil || id == "" {
		t.Fatalf("own namespace: %q, %v", id, err)
	}
	file := filepath.Join(t.TempDir(), "left-over")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + "x", "", "/", filepath.Dir(file)} {
		if _, err := netnsID(path); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want an invalid-field error", path, err)
		}
	}
}

func TestWhichReleaseStandsInTheWay(t *testing.T) {
	ip := netip.MustParseAddr
	leased := journal.Record{Lease: &lease.Lease{
		PortID: "p", PortName: "web", MAC: "fa:16:3e:00:00:01",
		Addresses: []lease.Address{{Prefix: netip.MustParsePrefix("10.0.0.5/24")}},
	}}
	lost := journal.Record{Demand: lease.Demand{FixedIPs: []netip.Addr{ip("10.0.0.6")}, MAC: "fa:16:3e:00:00:02", Port: "db"}}
	for name, c := range map[string]struct {
		rec  journal.Record
		d    lease.Demand
		want bool
	}{
		"nothing named":              {leased, lease.Demand{Network: "n"}, false},
		"its address":                {leased, lease.Demand{FixedIPs: []netip.Addr{ip("10.0.0.9"), ip("10.0.0.5")}}, true},
		"another address":            {leased, lease.Demand{FixedIPs: []netip.Addr{ip("10.0.0.9")}}, false},
		"its port by id":             {leased, lease.Demand{Port: "p"}, true},
		"its port by name":           {leased, lease.Demand{Port: "web"}, true},
		"its MAC":                    {leased, lease.Demand{MAC: "fa:16:3e:00:00:01"}, true},
		"address of a lost answer":   {lost, lease.Demand{FixedIPs: []netip.Addr{ip("10.0.0.6")}}, true},
		"MAC of a lost answer":       {lost, lease.Demand{MAC: "fa:16:3e:00:00:02"}, true},
		"port of a lost answer":      {lost, lease.Demand{Port: "db"}, true},
		"no MAC is not the same one": {journal.Record{}, lease.Demand{}, false},
	} {
		if got := holds(c.rec, c.d); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTheSameWishIsRecognisedWhateverItsSpellingInMemory(t *testing.T) {
	yes := true
	also := true
	ip := netip.MustParseAddr("10.0.0.5")
	rec := journal.Record{Scope: "net", MTU: 1400, DefaultRoute: &yes, Demand: lease.Demand{Network: "n", FixedIPs: []netip.Addr{ip}}}
	r := Request{Scope: "net", MTU: 1400, DefaultRoute: &also, Demand: lease.Demand{Network: "n", FixedIPs: []netip.Addr{ip}, Subnets: []string{}}}
	if !sameWish(rec, r) {
		t.Error("the same wish is not recognised")
	}
	for name, change := range map[string]func(*Request){
		"scope": func(r *Request) { r.Scope = "other" }, "mtu": func(r *Request) { r.MTU = 0 },
		"default route": func(r *Request) { r.DefaultRoute = nil }, "network": func(r *Request) { r.Demand.Network = "m" },
		"no groups at all": func(r *Request) { r.Demand.SecurityGroups = []string{} },
	} {
		other := r
		change(&other)
		if sameWish(rec, other) {
			t.Errorf("a change of %s is not seen", name)
		}
	}
}

func TestOnlyARefusalMeansThatNoPortWasMade(t *testing.T) {
	for _, c := range []fault.Class{fault.Invalid, fault.NotFound, fault.Conflict, fault.Quota, fault.Unauthorized} {
		if !refused(fault.New(c, "x")) {
			t.Errorf("%s counts as uncertain", c)
		}
	}
	if !refused(fmt.Errorf("%w: %w", ErrNothingMade, fault.New(fault.Unavailable, "x"))) {
		t.Error("a request that was never sent counts as uncertain")
	}
	for _, err := range []error{nil, context.Canceled, fault.New(fault.Unavailable, "x"), fault.New(fault.OverLimit, "x"), fault.New(fault.Internal, "x")} {
		if refused(err) {
			t.Errorf("%v counts as a refusal", err)
		}
	}
}
