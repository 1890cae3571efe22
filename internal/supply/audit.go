// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// audit looks for leases that the node holds and the cloud has no port of any
// more: somebody deleted it. before is what was held before the cloud was asked
// for what it found. They are withdrawn, so that no container tries them.
func (p *Pool) audit(ctx context.Context, before map[string]lease.Lease, found []agent.Finding) error {
	for _, f := range found {
		delete(before, f.ID)
	}
	if len(before) == 0 {
		return nil
	}
	// The list was filtered by the host, which not every role may see: only what
	// is not found by its id is gone.
	var ids []string
	for id := range before {
		ids = append(ids, id)
	}
	ports, err := p.client.Ports(neutron.WithPriority(ctx, neutron.Collection), neutron.PortFilter{IDs: ids})
	if err != nil {
		return err
	}
	for _, port := range ports {
		delete(before, port.ID)
	}
	// What has become of them meanwhile, by the node's own doing, is no news.
	still := p.keeping()
	for id, l := range before {
		if _, keeps := still[id]; !keeps {
			continue
		}
		p.log.Warn("port of a lease was deleted by somebody else", "port", l.PortID, "name", l.PortName, "network", l.Network.String(), "mac", l.MAC)
		p.metrics.vanished.Inc()
		if err := p.book.WithdrawPort(id); err != nil {
			return err
		}
	}
	return nil
}

// keeping gives the leases that the node has and means to keep; nil before Run
// and after it.
func (p *Pool) keeping() (leases map[string]lease.Lease) {
	p.ask(func() {
		all, err := p.book.Leases()
		if err != nil {
			return // the journal's reader tells of it
		}
		for _, l := range p.book.Drained() {
			delete(all, l.PortID)
		}
		leases = all
	})
	return leases
}

// ask has f done by Run's goroutine, and waits for it. After Run has ended it
// is not done.
func (p *Pool) ask(f func()) {
	done := make(chan struct{})
	p.post(func(time.Time) {
		f()
		close(done)
	})
	select {
	case <-done:
	case <-p.stopped:
	}
}
