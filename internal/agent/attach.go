// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// Attach makes the attachment of r.Key, or answers the one that is there. An
// Attach that fails, or whose ctx ends, leaves nothing: what it began is
// undone, if need be in the background and over restarts. Errors are classified.
func (a *Agent) Attach(ctx context.Context, r Request) (Attachment, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, a.opts.AttachTimeout)
	defer cancel()
	at, err := a.attachOnce(ctx, r)
	a.metrics.attach(began, err)
	return at, err
}

func (a *Agent) attachOnce(ctx context.Context, r Request) (Attachment, error) {
	unlock, err := a.keys.lock(ctx, r.Key)
	if err != nil {
		return Attachment{}, fmt.Errorf("agent: attach %s: wait for an earlier call: %w", r.Key, err)
	}
	defer unlock()
	nsID, err := netnsID(r.Netns)
	if err != nil {
		return Attachment{}, err
	}
	rec, found, err := a.journal.Get(r.Sandbox, r.Interface)
	if err != nil {
		return Attachment{}, fmt.Errorf("agent: attach %s: %w", r.Key, err)
	}
	if found {
		at, replaced, err := a.attachAgain(ctx, rec, r, nsID)
		if !replaced || err != nil {
			return at, err
		}
	}
	return a.attachNew(ctx, r, nsID)
}

// attachAgain answers a request for a key that is attached: the same answer
// when the sandbox still has its interface; the same port, wired anew, when it
// lost it (a restart of the node, or of the container under the same id). replaced is
// true when the old attachment was ended instead, because its sandbox is gone and
// something else is asked for now.
func (a *Agent) attachAgain(ctx context.Context, rec journal.Record, r Request, nsID string) (at Attachment, replaced bool, err error) {
	if rec.State != journal.Attached {
		// What an abandoned attachment could not write: it is undone here.
		return Attachment{}, true, a.end(ctx, rec)
	}
	same := rec.NetnsID == nsID && rec.Netns == r.Netns
	if !sameWish(rec, r) {
		alive, err := a.sandboxAlive(ctx, rec)
		if err != nil {
			return Attachment{}, false, fmt.Errorf("agent: attach %s again: %w", r.Key, err)
		}
		if alive {
			e := fault.New(fault.Conflict, "%s is attached to port %s with other parameters", r.Key, rec.Lease.PortID)
			e.Hint = "delete that attachment first"
			return Attachment{}, false, e
		}
		a.log.Info("attachment replaced: its sandbox is gone and other parameters are asked for",
			"sandbox", r.Sandbox, "interface", r.Interface, "port", rec.Lease.PortID)
		return Attachment{}, true, a.end(ctx, rec)
	}
	if same {
		if asMade, err := a.asMade(ctx, rec); err != nil || asMade {
			return attachment(rec), false, err
		}
	}
	if err := a.binder.Unbind(ctx, ref(rec)); err != nil {
		return Attachment{}, false, fmt.Errorf("agent: attach %s again: %w", r.Key, err)
	}
	rec.Netns, rec.NetnsID = r.Netns, nsID
	if err := a.wire(ctx, &rec); err != nil {
		return Attachment{}, false, err
	}
	a.log.Info("attachment wired again", "sandbox", r.Sandbox, "interface", r.Interface, "port", rec.Lease.PortID)
	return attachment(rec), false, nil
}

// asMade tells whether an attachment is there as it was made, and waits for the
// switch if need be: an agent that died may not have. What a chained
// plugin or the container has changed since is CHECK's business.
func (a *Agent) asMade(ctx context.Context, rec journal.Record) (bool, error) {
	if alive, err := a.binder.Alive(ctx, ref(rec)); err != nil || !alive {
		return false, err
	}
	err := a.binder.Confirm(ctx, bindRequest(rec))
	if err == nil && !rec.Bound.Wired {
		err = a.supply.WaitActive(ctx, *rec.Lease)
	}
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// sameWish reports whether a record was made for what r asks. They are
// compared as the journal writes them: what is not written makes no difference.
func sameWish(rec journal.Record, r Request) bool {
	asked := func(scope string, mtu int, def *bool, d lease.Demand) []byte {
		b, err := json.Marshal([]any{scope, mtu, def, d})
		if err != nil {
			return nil
		}
		return b
	}
	return bytes.Equal(asked(rec.Scope, rec.MTU, rec.DefaultRoute, rec.Demand), asked(r.Scope, r.MTU, r.DefaultRoute, r.Demand))
}

// sandboxAlive tells whether the sandbox of a record still exists somewhere.
func (a *Agent) sandboxAlive(ctx context.Context, rec journal.Record) (bool, error) {
	if id, err := netnsID(rec.Netns); err == nil && id == rec.NetnsID {
		return true, nil
	}
	return a.binder.Alive(ctx, ref(rec))
}

func (a *Agent) attachNew(ctx context.Context, r Request, nsID string) (Attachment, error) {
	if a.cordoned.Load() {
		return Attachment{}, errDrained()
	}
	if err := a.awaitReleases(ctx, r, nsID); err != nil {
		return Attachment{}, fmt.Errorf("agent: attach %s: %w", r.Key, err)
	}
	class, pooled, err := a.supply.Class(r.Demand)
	switch {
	case err != nil:
		return Attachment{}, err
	case pooled:
		return a.attachPooled(ctx, r, nsID, class)
	default:
		return a.attachDirect(ctx, r, nsID)
	}
}

func newRecord(r Request, nsID string) journal.Record {
	return journal.Record{
		ID: uuid.NewString(), Sandbox: r.Sandbox, Interface: r.Interface, Scope: r.Scope, Netns: r.Netns, NetnsID: nsID,
		State: journal.Attaching, Demand: r.Demand, MTU: r.MTU, DefaultRoute: r.DefaultRoute, Since: time.Now(),
	}
}

// attachDirect makes an attachment with a port of its own, that the supply
// makes or adopts for it.
func (a *Agent) attachDirect(ctx context.Context, r Request, nsID string) (Attachment, error) {
	rec := newRecord(r, nsID)
	if err := a.step(ctx, "journal begin", func(context.Context) error { return a.journal.Begin(rec) }); err != nil {
		return Attachment{}, fmt.Errorf("agent: attach %s: %w", r.Key, err)
	}
	if err := a.acquire(ctx, &rec); err != nil {
		a.abandon(rec, err)
		return Attachment{}, err
	}
	// The binder names its device after the port: from here on the journal
	// knows what to look for, wherever the agent dies.
	err := a.step(ctx, "journal lease", func(context.Context) error { return a.journal.Put(rec) })
	if err != nil {
		err = fmt.Errorf("agent: attach %s: %w", r.Key, err)
	} else {
		err = a.wire(ctx, &rec)
	}
	if err != nil {
		a.abandon(rec, nil)
		return Attachment{}, err
	}
	return attachment(rec), nil
}

// acquire gets the port. A quota that is used up by ports which are just
// going back is worth one more try when they have gone.
func (a *Agent) acquire(ctx context.Context, rec *journal.Record) error {
	order := Order{
		Attachment: rec.ID, Key: Key{rec.Sandbox, rec.Interface}, Demand: rec.Demand,
		Prepared: func(l lease.Lease) error {
			rec.Lease = &l
			return a.journal.Put(*rec)
		},
	}
	get := func(ctx context.Context) error {
		l, err := a.supply.Acquire(ctx, order)
		if err != nil {
			return err
		}
		rec.Lease = &l
		return nil
	}
	leaving, done := a.releases.snapshot(), a.releases.giveWay()
	err := a.step(ctx, "supply acquire", get)
	done()
	if fault.Is(err, fault.Quota) && a.releases.drain(ctx, leaving) {
		err = a.step(ctx, "supply acquire again", get)
	}
	return err
}

// wire binds the port of rec, makes it an attachment, and waits until it is
// really wired. It is in the journal while the switch is still waited for: if
// the agent dies in between, the runtime has no answer, and detaches it or asks
// again, which waits for the switch.
func (a *Agent) wire(ctx context.Context, rec *journal.Record) error {
	done := *rec
	r := bindRequest(*rec)
	r.Made = func(made binder.Result) error {
		done.State, done.Bound = journal.Attached, &made
		err := a.step(ctx, "journal commit", func(context.Context) error { return a.journal.Put(done) })
		if err != nil {
			return fmt.Errorf("agent: attach %s/%s: %w", rec.Sandbox, rec.Interface, err)
		}
		return nil
	}
	err := a.step(ctx, "bind", func(ctx context.Context) error {
		_, err := a.binder.Bind(ctx, r)
		return err
	})
	if err != nil {
		return err
	}
	*rec = done
	if rec.Bound.Wired {
		return nil
	}
	return a.step(ctx, "wait active", func(ctx context.Context) error { return a.supply.WaitActive(ctx, *rec.Lease) })
}

func bindRequest(rec journal.Record) binder.Request {
	return binder.Request{
		Attachment: rec.ID, Sandbox: rec.Sandbox, Netns: rec.Netns, Interface: rec.Interface, Lease: *rec.Lease,
		MTU: rec.MTU, DefaultRoute: rec.DefaultRoute,
	}
}

// abandon undoes an attachment that failed; cause is the error of its order,
// nil when it failed later. It never waits for the cloud.
func (a *Agent) abandon(rec journal.Record, cause error) {
	if rec.Lease == nil && refused(cause) {
		if err := a.journal.Delete(rec); err == nil {
			return
		}
	}
	rec.Released = time.Now()
	a.book.leaving(rec)
	if err := a.journal.Release(rec); err != nil {
		a.log.Error("attachment cannot be marked as failed; it is undone now, or else at the next start", "attachment", rec.ID, "err", err)
	}
	a.releases.add(rec, false)
}

// refused reports whether an order was turned down, so that no port was made.
func refused(err error) bool {
	if errors.Is(err, ErrNothingMade) {
		return true
	}
	switch fault.ClassOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Quota, fault.Unauthorized:
		return true
	default:
		return false
	}
}

// awaitReleases lets pending releases go first that stand in the way: of an
// interface of the same name in the same sandbox, and of what is asked for by
// name, an address, a port or a MAC that this node is just giving back.
func (a *Agent) awaitReleases(ctx context.Context, r Request, nsID string) error {
	err := a.releases.awaitCut(ctx, func(rec journal.Record) bool {
		return rec.Interface == r.Interface && (rec.Sandbox == r.Sandbox || rec.NetnsID == nsID)
	})
	if err == nil {
		err = a.releases.attempt(ctx, func(rec journal.Record) bool { return holds(rec, r.Demand) })
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fault.New(fault.Unavailable, "an earlier attachment that stands in the way is still being released: %w", err)
	}
	return err
}

// holds reports whether a release stands in the way of d.
func holds(rec journal.Record, d lease.Demand) bool {
	if d.Port != "" {
		return rec.Demand.Port == d.Port || rec.Lease != nil && (rec.Lease.PortID == d.Port || rec.Lease.PortName == d.Port)
	}
	for _, ip := range d.FixedIPs {
		if rec.Lease != nil && rec.Lease.Has(ip) {
			return true
		}
		for _, asked := range rec.Demand.FixedIPs {
			if asked == ip {
				return true
			}
		}
	}
	return d.MAC != "" && (rec.Demand.MAC == d.MAC || rec.Lease != nil && rec.Lease.MAC == d.MAC)
}

// step runs one part of an attachment under a span of its own.
func (a *Agent) step(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("kuryr/agent").Start(ctx, name)
	defer span.End()
	err := do(ctx)
	if err != nil {
		span.RecordError(err)
	}
	return err
}
