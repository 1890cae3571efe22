// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"slices"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// timers are what will be done later, until Close.
type timers struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// after has do called when a time has passed, in a goroutine of its own.
func (t *timers) after(d time.Duration, do func()) {
	time.AfterFunc(max(d, 0), func() {
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return
		}
		t.running.Add(1)
		t.mu.Unlock()
		defer t.running.Done()
		do()
	})
}

// Close ends what the service does by itself, and waits for it. It may still be asked.
func (s *Service) Close() {
	s.timers.mu.Lock()
	s.timers.closed = true
	s.timers.mu.Unlock()
	s.timers.running.Wait()
}

// PortUp says that a chassis has a port, or has it no more.
func (s *Service) PortUp(id string, up bool) {
	if up {
		s.claimed(id)
		return
	}
	_, _ = s.Update(func(tx *store.Tx) error { // there is nobody to tell
		p := s.Ports.Get(tx, id)
		if p == nil || !p.Claimed && p.Status == statusDown {
			return nil
		}
		s.setStatus(tx, p, statusDown, false)
		return nil
	})
}

// claimed notes that a port's chassis has it, and makes it ACTIVE after the delay.
func (s *Service) claimed(id string) {
	wait := false
	_, _ = s.Update(func(tx *store.Tx) error {
		p := s.Ports.Get(tx, id)
		if p == nil || p.Status == statusActive && p.Claimed {
			return nil
		}
		if wait = s.delay() > 0; !wait {
			s.setStatus(tx, p, statusActive, true)
			return nil
		}
		noted := *p
		noted.Claimed = true
		s.Ports.Put(tx, &noted)
		return nil
	})
	if wait {
		s.timers.after(s.delay(), func() { s.activate(id) })
	}
}

func (s *Service) delay() time.Duration {
	if s.o.ActiveDelay == nil {
		return 0
	}
	return s.o.ActiveDelay()
}

// activate makes a port ACTIVE that is claimed still.
func (s *Service) activate(id string) {
	_, _ = s.Update(func(tx *store.Tx) error {
		if p := s.Ports.Get(tx, id); p != nil && p.Claimed && p.Status != statusActive {
			s.setStatus(tx, p, statusActive, true)
		}
		return nil
	})
}

// awaitClaim has a bound port become ACTIVE where there is no OVN to say so.
func (s *Service) awaitClaim(tx *store.Tx, p *model.Port) {
	if s.o.Backend == nil && p.VIFType == vifOVS {
		id := p.ID
		tx.AfterCommit(func() { s.timers.after(0, func() { s.claimed(id) }) })
	}
}

// resume goes on with what an earlier process had begun.
func (s *Service) resume() {
	s.View(func(r store.Reader) {
		for p := range s.Ports.All(r) {
			id, waiting := p.ID, p.Status != statusActive
			switch {
			case waiting && p.Claimed:
				s.timers.after(s.delay(), func() { s.activate(id) })
			case waiting && s.o.Backend == nil && p.VIFType == vifOVS:
				s.timers.after(0, func() { s.claimed(id) })
			}
		}
	})
}

// setStatus stores a port's new status.
func (s *Service) setStatus(tx *store.Tx, p *model.Port, status string, claimed bool) {
	changed := *p
	changed.Claimed = claimed
	// What is not bound and is no router's is not up, whatever OVN says.
	bound := p.VIFType != "" && p.VIFType != vifUnbound && p.VIFType != vifFailed
	if status == statusActive && !bound && !slices.Contains(routerPorts, p.DeviceOwner) {
		status = p.Status
	}
	if changed.Status != status {
		changed.Status = status
		s.engine.Touch(&changed.Meta)
	}
	s.Ports.Put(tx, &changed)
	if p.Status != status {
		s.portStatus(tx, &changed)
	}
}
