// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
	"github.com/kuryr-go/kuryr/internal/portpool"
)

// portOrder is a port that Neutron is asked for, until it is known what became
// of it.
type portOrder struct {
	// id is the port's device_id: by it a port is found whose maker's answer was lost.
	id     string
	urgent bool
	began  time.Time
	// cancel takes the order back if it was not sent yet.
	cancel context.CancelFunc
}

// lostOrder is one whose answer was lost.
type lostOrder struct {
	key      string
	resolved resolved
	since    time.Time
	// answered tells that Neutron is done with the request: what it has not made
	// by now it will not make.
	answered bool
	tries    int
	next     time.Time
}

// The pauses between two looks for lost orders.
const (
	firstLook = 200 * time.Millisecond
	lastLook  = 5 * time.Second
)

// create orders ports for a pool, the first urgent of them for attachments that
// wait.
func (p *Pool) create(ctx context.Context, k string, n, urgent int) {
	s := p.keys[k]
	if s == nil || !p.book.Expect(s.class, n) {
		return
	}
	s.resolving += n
	class, priority := s.class, neutron.Refill
	if urgent > 0 {
		priority = neutron.Waiting
	}
	p.start(func() {
		r, err := p.resolveClass(neutron.WithPriority(ctx, priority), class)
		p.post(func(now time.Time) {
			s.resolving -= n
			if err != nil {
				if ctx.Err() == nil {
					p.failed(k, err, now)
				}
				return
			}
			for i := range n {
				p.order(ctx, k, s, r, i < urgent)
			}
		})
	})
}

// resolveClass turns the names of a class into objects.
func (d *Direct) resolveClass(ctx context.Context, c lease.Class) (*resolver, error) {
	r := &resolver{Direct: d}
	r.Project, r.Network, r.Subnets, r.SecurityGroups = c.Project, c.Network, c.Subnets, c.SecurityGroups
	if err := r.resolve(ctx); err != nil {
		return nil, err
	}
	// Tags are a service to other tools: without them the port says the same in
	// its description.
	if table, err := d.client.Capabilities(ctx); err == nil && table.Has(bulkTags) {
		r.tags = []string{"kuryr", clusterTag(d.options.Cluster)}
	}
	return r, nil
}

// bulkTags is the extension by which a port can be made with tags in one call.
const bulkTags = "tag-ports-during-bulk-creation"

// maxTag is the length of a tag in Neutron's database.
const maxTag = 60

func clusterTag(cluster string) string {
	tag := "kuryr-cluster=" + cluster
	return tag[:min(len(tag), maxTag)]
}

// order asks for one port.
func (p *Pool) order(ctx context.Context, k string, s *keyState, r *resolver, urgent bool) {
	id := uuid.NewString()
	priority := neutron.Refill
	if urgent {
		priority = neutron.Waiting
	}
	octx, cancel := context.WithCancel(neutron.WithPriority(ctx, priority))
	began := time.Now()
	s.orders[id] = &portOrder{id: id, urgent: urgent, began: began, cancel: cancel}
	creation := p.client.StartPort(octx, p.poolSpec(k, id, r))
	p.start(func() {
		defer cancel()
		port, err := creation.Wait(ctx)
		var l lease.Lease
		if err == nil {
			l, err = p.receive(ctx, s.class, port, r)
		}
		made := err == nil || port.ID != ""
		p.post(func(now time.Time) {
			switch {
			case ctx.Err() != nil:
			case err == nil:
				p.metrics.made(k, s.class.Network, now.Sub(began))
				p.log.Debug("port came", "pool", k, "port", l.PortID, "after", now.Sub(began).Round(time.Millisecond))
				p.settled(k, id, nil, now)
			case made || neutron.MayExist(err):
				p.lose(k, s, id, r, err, now)
			default:
				p.refused(k, s, id, r, err, now)
			}
		})
	})
}

// poolSpec is the port to be made for a pool: everything in one call.
func (p *Pool) poolSpec(k, id string, r *resolver) neutron.PortCreate {
	up := true
	o := p.Direct.options
	spec := neutron.PortCreate{
		NetworkID: r.network.ID, Name: poolPortName(o.Node), Description: poolDescription(o.Cluster, o.Node, k), AdminStateUp: &up,
		DeviceID: id, DeviceOwner: OwnerMade, FixedIPs: r.fixed, HostID: o.Node, Tags: r.tags,
	}
	if r.foreign {
		spec.ProjectID = r.project
	}
	spec.SecurityGroups = groupIDs(r.groups)
	return spec
}

// groupIDs is nil for the project's default group.
func groupIDs(groups []neutron.SecurityGroup) []string {
	if groups == nil {
		return nil
	}
	ids := []string{}
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	return ids
}

// receive makes a lease of a new port, and gives it to the node.
func (p *Pool) receive(ctx context.Context, c lease.Class, port neutron.Port, r *resolver) (lease.Lease, error) {
	l, err := p.describeOwn(ctx, port, r)
	if err == nil {
		err = p.checkBound(ctx, l)
	}
	if err != nil {
		return l, err
	}
	return l, p.book.Offer(c, l)
}

// describeOwn is describe for a port of this node.
func (p *Pool) describeOwn(ctx context.Context, port neutron.Port, r *resolver) (lease.Lease, error) {
	l, err := p.describe(ctx, port, r.network, r.groups)
	l.Host, l.PortSecurity = p.Direct.options.Node, port.PortSecurityEnabled
	return l, err
}

// settled ends an order; err is nil when the port came.
func (p *Pool) settled(k, id string, err error, now time.Time) {
	if s := p.keys[k]; s != nil {
		delete(s.orders, id)
	}
	delete(p.lost, id)
	if err == nil {
		p.succeeded(k, now)
	}
}

// refused ends an order for which there certainly is no port.
func (p *Pool) refused(k string, s *keyState, id string, r *resolver, err error, now time.Time) {
	roomier := p.deleted.After(s.orders[id].began)
	p.settled(k, id, err, now)
	switch {
	case failureOf(err).Kind == portpool.Exhausted && roomier:
		// A port went since it was ordered: there may be room now.
	case errors.Is(err, context.Canceled):
		// Taken back, to be ordered anew for somebody who waits.
	case r.remembered && mayBeStale(err):
		// Something was deleted or made anew since it was resolved: the next
		// order resolves afresh, and tells if that was not it.
		p.known.forget()
	default:
		o := order{}
		o.Network, o.Project = s.class.Network, s.class.Project
		o.Subnets, o.SecurityGroups = s.class.Subnets, s.class.SecurityGroups
		p.failed(k, p.explain(context.Background(), err, o, r.resolved), now)
	}
}

// lose remembers an order whose port may exist. Until that is known it counts
// as being made.
func (p *Pool) lose(k string, s *keyState, id string, r *resolver, err error, now time.Time) {
	var answer *neutron.APIError
	answered := errors.As(err, &answer) && answer.Status != http.StatusBadGateway && answer.Status != http.StatusGatewayTimeout
	p.lost[id] = &lostOrder{key: k, resolved: r.resolved, since: now, answered: answered, next: now.Add(firstLook)}
	p.failed(k, err, now)
}

// promote takes back orders that nobody waits for and that were not sent yet,
// when somebody waits: the engine then orders anew, and in their name.
func (p *Pool) promote(s *keyState, waiting int, asks uint64) {
	if waiting == 0 || asks <= s.asks {
		return
	}
	s.asks = asks
	urgent := 0
	for _, o := range s.orders {
		if o.urgent {
			urgent++
		}
	}
	if urgent >= waiting {
		return
	}
	for _, o := range s.orders {
		if !o.urgent {
			o.cancel()
		}
	}
}

// look searches for the ports of lost orders, all that are due by one request.
func (p *Pool) look(ctx context.Context, now time.Time) (next time.Time) {
	var due []string
	for id, o := range p.lost {
		if now.Before(o.next) {
			next = sooner(next, o.next)
			continue
		}
		due = append(due, id)
	}
	if p.looking || len(due) == 0 {
		return next
	}
	p.looking = true
	p.start(func() {
		ports, err := p.client.Ports(neutron.WithPriority(ctx, neutron.Bookkeeping), neutron.PortFilter{DeviceIDs: due, DeviceOwner: OwnerMade})
		p.post(func(now time.Time) {
			p.looking = false
			found := map[string]neutron.Port{}
			for _, port := range ports {
				found[port.DeviceID] = port
			}
			for _, id := range due {
				p.found(ctx, id, found[id], err, now)
			}
		})
	})
	return time.Time{}
}

// found notes what a look for a lost order brought.
func (p *Pool) found(ctx context.Context, id string, port neutron.Port, err error, now time.Time) {
	o := p.lost[id]
	if o == nil {
		return
	}
	s := p.keys[o.key]
	switch {
	case err == nil && port.ID != "" && s != nil:
		delete(p.lost, id)
		p.start(func() {
			r := &resolver{Direct: p.Direct, resolved: o.resolved}
			_, err := p.receive(ctx, s.class, port, r)
			p.post(func(now time.Time) {
				if err == nil || ctx.Err() != nil {
					p.settled(o.key, id, err, now)
					return
				}
				o.next, o.tries = now.Add(lastLook), o.tries+1
				p.lost[id] = o
				p.failed(o.key, err, now)
			})
		})
	case err == nil && (o.answered || now.Sub(o.since) > p.options.LostHorizon):
		p.settled(o.key, id, fault.New(fault.NotFound, "supply: no port was made"), now)
	default:
		o.next = now.Add(min(firstLook<<min(o.tries, 8), lastLook))
		o.tries++
	}
}
