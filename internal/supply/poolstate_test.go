// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/portpool"
)

// quiet is a Book of one node that only tells.
type quiet struct {
	Book
	cordoned bool
	problems map[string]error
	refused  map[string]error
}

func (b *quiet) Cordoned() bool { return b.cordoned }

func (b *quiet) Report(c lease.Class, r agent.PoolReport) { b.problems[c.Key()] = r.Problem }

func (b *quiet) Refuse(key string, err error) { b.refused[key] = err }

// newQuietPool is a Pool without a cloud, with one class that is kept warm.
func newQuietPool() (*Pool, *quiet, lease.Class) {
	c := lease.Class{Network: "net", SecurityGroups: []string{"web"}}
	b := &quiet{problems: map[string]error{}, refused: map[string]error{}}
	p := &Pool{
		options: PoolOptions{Patience: 10 * time.Second}, engine: portpool.New(portpool.Policy{Max: 10, Total: 10, IdleAfter: time.Minute, RetryMin: 1, RetryMax: 1}),
		log: slog.New(slog.NewTextHandler(io.Discard, nil)), warm: []lease.Class{c}, book: b,
		keys: map[string]*keyState{}, lost: map[string]*lostOrder{},
	}
	p.know(nil)
	return p, b, c
}

func TestADrainedNodeIsSuppliedWithNothingThoughAClassIsKeptWarm(t *testing.T) {
	p, b, c := newQuietPool()
	for _, cordoned := range []bool{false, true} {
		b.cordoned = cordoned
		seen, _ := p.observe(nil, time.Now())
		if got := seen[portpool.Key(c.Key())]; got.Doomed != cordoned || !got.Pinned {
			t.Errorf("cordoned %v: %+v", cordoned, got)
		}
	}
}

func TestNobodyIsRefusedForAQuotaWhileAPortIsOnItsWay(t *testing.T) {
	p, b, c := newQuietPool()
	now, k := time.Now(), c.Key()
	s := p.keys[k]
	s.problem, s.exhausted, s.since = errors.New("quota"), true, now
	s.orders["second"] = &portOrder{id: "second"}
	states := []agent.PoolState{{Key: k, Class: c, Waiting: 1, Oldest: now}}
	if p.tell(states, now); b.refused[k] != nil {
		t.Error("refused while another port is being made")
	}
	// One whose answer was lost is not waited for.
	p.lost["second"] = &lostOrder{key: k}
	if p.tell(states, now); b.refused[k] == nil {
		t.Error("not refused although no port will come")
	}
}

func TestATroubleEndsWhenNothingIsMissing(t *testing.T) {
	p, b, c := newQuietPool()
	now, k := time.Now(), c.Key()
	s := p.keys[k]
	s.problem, s.since = errors.New("no such network"), now
	if p.tell([]agent.PoolState{{Key: k, Class: c, Waiting: 1, Oldest: now}}, now); b.problems[k] == nil {
		t.Error("no problem while somebody waits")
	}
	if p.tell([]agent.PoolState{{Key: k, Class: c}}, now); b.problems[k] != nil || s.problem != nil {
		t.Errorf("problem %v although nobody wants anything", b.problems[k])
	}
}

func TestWhoWaitsAtACeilingIsToldWhichAndNotRefused(t *testing.T) {
	p, b, c := newQuietPool()
	now, k := time.Now(), c.Key()
	for _, in := range []struct {
		name  string
		total int
		state []agent.PoolState
		want  string
	}{
		{"all in use", 20, []agent.PoolState{{Key: k, Class: c, InUse: 10, Waiting: 1, Oldest: now}}, "pool.max"},
		{"one comes back soon", 20, []agent.PoolState{{Key: k, Class: c, InUse: 9, Cooling: 1, Waiting: 1, Oldest: now}}, ""},
		{"one is on its way back", 20, []agent.PoolState{{Key: k, Class: c, InUse: 10, Leaving: 1, Waiting: 1, Oldest: now}}, ""},
		{"nobody waits", 20, []agent.PoolState{{Key: k, Class: c, InUse: 10}}, ""},
		{"the node's", 10, []agent.PoolState{{Key: k, Class: c, InUse: 4, Waiting: 1, Oldest: now}, {Key: "other", InUse: 6}}, "pool.nodeMax"},
		{"another pool gives one up", 10, []agent.PoolState{{Key: k, Class: c, InUse: 4, Waiting: 1, Oldest: now}, {Key: "other", InUse: 5, Free: 1}}, ""},
	} {
		p.options.Policy = portpool.Policy{Max: 10, Total: in.total}
		p.tell(in.state, now)
		e, _ := fault.As(b.problems[k])
		if told := e != nil && e.Class == fault.Quota && strings.Contains(e.Hint, in.want); in.want != "" && !told || in.want == "" && e != nil {
			t.Errorf("%s: %v", in.name, b.problems[k])
		}
		if b.refused[k] != nil {
			t.Errorf("%s: refused", in.name)
		}
	}
}
