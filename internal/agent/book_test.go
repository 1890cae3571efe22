// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/lease"
)

var blue = lease.Class{Network: "blue"}

func free(port string) journal.HeldLease {
	return journal.HeldLease{Lease: lease.Lease{PortID: port}, Class: blue, State: journal.Free, Since: time.Now()}
}

// gone is the context of somebody who does not wait.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestALeaseThatTheSwitchLostIsTakenByNobodyUntilItWasLookedAt(t *testing.T) {
	b := newBook(time.Hour)
	b.put(free("p"))
	b.pools[blue.Key()].held["p"].wired = true
	isLost := func(string) bool { return true }
	if got := b.suspectLost(isLost); len(got) != 0 {
		t.Errorf("suspected at the first look: %v", got)
	}
	got := b.suspectLost(isLost)
	if len(got) != 1 || got[0].State != journal.Cooling {
		t.Fatalf("at the second look: %v", got)
	}
	if g, err := b.take(gone(), blue); err == nil {
		t.Errorf("%s was taken", g.lease.PortID)
	}
	if un := b.toUnwire(); len(un) != 1 {
		t.Errorf("its wire stays: %v", un)
	}
}

func TestNoPortIsDeletedBeforeTheJournalKnows(t *testing.T) {
	b := newBook(0)
	b.put(free("p"))
	marked := b.spare(blue.Key(), 1)
	if g, err := b.take(gone(), blue); err == nil {
		t.Errorf("%s was taken", g.lease.PortID)
	}
	if got := b.drained(); len(got) != 0 {
		t.Errorf("before the journal knows: %v", got)
	}
	b.saved(marked)
	if got := b.drained(); len(got) != 1 {
		t.Errorf("afterwards: %v", got)
	}
}

func TestWhoeverCameFirstIsServedFirstAndAllAreToldWhenThereIsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(0)
		type got struct {
			who  int
			port string
			err  error
		}
		answers := make(chan got, 3)
		for i := range 3 {
			go func() {
				g, err := b.take(t.Context(), blue)
				answers <- got{i, g.lease.PortID, err}
			}()
			synctest.Wait()
		}
		for i := range 2 {
			b.put(free(fmt.Sprint(i)))
			if a := <-answers; a.who != i || a.port != fmt.Sprint(i) || a.err != nil {
				t.Errorf("lease %d: %+v", i, a)
			}
		}
		why := errors.New("none left")
		b.refuse(blue.Key(), why)
		if a := <-answers; a.who != 2 || !errors.Is(a.err, why) {
			t.Errorf("the last: %+v", a)
		}
	})
}

// TestALeaseHasOneOwner drives random histories: whatever happens, a lease is
// handed out to one at a time, and never while it rests, drains or is checked.
func TestALeaseHasOneOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBook(0)
		owned := map[string]bool{}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"offer": func(*rapid.T) { n++; b.put(free(fmt.Sprint(n))) },
			"take": func(t *rapid.T) {
				g, err := b.take(gone(), blue)
				if err != nil {
					return
				}
				if owned[g.lease.PortID] {
					t.Fatalf("%s has two owners", g.lease.PortID)
				}
				owned[g.lease.PortID] = true
			},
			"give back": func(t *rapid.T) {
				if all := slices.Sorted(maps.Keys(owned)); len(all) > 0 {
					p := rapid.SampledFrom(all).Draw(t, "port")
					delete(owned, p)
					h := free(p)
					h.State = journal.Cooling
					b.put(h)
				}
			},
			"check": func(*rapid.T) {
				for _, l := range b.checkOut(blue.Key(), time.Now()) {
					b.put(free(l.PortID))
				}
			},
			"withdraw": func(t *rapid.T) {
				marked := b.spare(blue.Key(), rapid.IntRange(1, 3).Draw(t, "n"))
				b.saved(marked)
				var gone []string
				for _, l := range b.drained() {
					if owned[l.PortID] {
						t.Fatalf("%s is deleted while in use", l.PortID)
					}
					gone = append(gone, l.PortID)
				}
				b.drop(gone)
			},
			"lose": func(*rapid.T) {
				for _, p := range b.pools {
					for _, h := range p.held {
						h.wired = h.State == journal.Free
					}
				}
				b.suspectLost(func(string) bool { return true })
			},
			"": func(t *rapid.T) {
				for _, s := range b.states(time.Now()) {
					if s.InUse != len(owned) {
						t.Fatalf("%d in use, %d owned", s.InUse, len(owned))
					}
				}
			},
		})
	})
}
