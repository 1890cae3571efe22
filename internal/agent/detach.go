// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// Detach ends the attachment of k. It returns when the switch has let go of it,
// or when that is in the journal to be done; the device goes, and a port of its
// own goes back to the cloud, in the background. An unknown key is a success.
func (a *Agent) Detach(ctx context.Context, k Key) error {
	began := time.Now()
	err := a.detach(ctx, k)
	a.metrics.detach(began, err)
	return err
}

func (a *Agent) detach(ctx context.Context, k Key) error {
	unlock, err := a.keys.lock(ctx, k)
	if err != nil {
		return fmt.Errorf("agent: detach %s: wait for an earlier call: %w", k, err)
	}
	defer unlock()
	rec, found, err := a.journal.Get(k.Sandbox, k.Interface)
	if err != nil {
		return fmt.Errorf("agent: detach %s: %w", k, err)
	}
	if !found {
		return nil
	}
	return a.end(ctx, rec)
}

// end turns an attachment into a release, and cuts it off from the switch. The
// journal comes first: from then on the rest happens whatever dies. The device
// goes in the background: the kernel takes longer for that than for all else,
// and mostly the sandbox is about to end and takes the device with it.
func (a *Agent) end(ctx context.Context, rec journal.Record) error {
	rec.Released = time.Now()
	if err := a.step(ctx, "journal release", func(context.Context) error { return a.journal.Release(rec) }); err != nil {
		return fmt.Errorf("agent: detach %s/%s: %w", rec.Sandbox, rec.Interface, err)
	}
	a.book.leaving(rec)
	err := a.step(ctx, "unplug", func(ctx context.Context) error { return a.binder.Unplug(ctx, ref(rec)) })
	if err != nil {
		a.log.Warn("interface not cut off from the switch yet; it is tried again in the background",
			"sandbox", rec.Sandbox, "interface", rec.Interface, "err", err)
	}
	a.releases.add(rec, false)
	return nil
}

// Lookup finds the attachment of k.
func (a *Agent) Lookup(k Key) (Attachment, bool, error) {
	rec, found, err := a.journal.Get(k.Sandbox, k.Interface)
	if err != nil || !found || rec.State != journal.Attached {
		return Attachment{}, false, err
	}
	return attachment(rec), true, nil
}

// Check verifies that the attachment of k is in the namespace at netns as it
// was made. The error names what differs; fault.NotFound when there is no attachment.
func (a *Agent) Check(ctx context.Context, k Key, netns string) (Attachment, error) {
	unlock, err := a.keys.lock(ctx, k)
	if err != nil {
		return Attachment{}, fmt.Errorf("agent: check %s: wait for an earlier call: %w", k, err)
	}
	defer unlock()
	at, found, err := a.Lookup(k)
	switch {
	case err != nil:
		return Attachment{}, fmt.Errorf("agent: check %s: %w", k, err)
	case !found:
		return Attachment{}, fault.New(fault.NotFound, "%s is not attached", k)
	}
	rec, _, err := a.journal.Get(k.Sandbox, k.Interface)
	if err != nil {
		return Attachment{}, fmt.Errorf("agent: check %s: %w", k, err)
	}
	if id, err := netnsID(netns); err != nil {
		return Attachment{}, err
	} else if id != rec.NetnsID {
		return Attachment{}, fault.InvalidField("netns", "%s is not the network namespace that %s was attached to (%s)", netns, k, rec.Netns)
	}
	if err := a.binder.Check(ctx, bindRequest(rec), *rec.Bound); err != nil {
		return Attachment{}, err
	}
	return at, nil
}

// Retain detaches every attachment of a scope whose key is not in keep. It
// goes on after a failure and returns all of them.
func (a *Agent) Retain(ctx context.Context, scope string, keep []Key) error {
	kept := make(map[Key]bool, len(keep))
	for _, k := range keep {
		kept[k] = true
	}
	records, err := a.journal.All()
	if err != nil {
		return fmt.Errorf("agent: retain: %w", err)
	}
	var failed []error
	for _, rec := range records {
		k := Key{rec.Sandbox, rec.Interface}
		if rec.State != journal.Attached || rec.Scope != scope || kept[k] {
			continue
		}
		a.log.Info("attachment removed: the runtime no longer lists it",
			"sandbox", k.Sandbox, "interface", k.Interface, "port", rec.Lease.PortID, "network", scope)
		if err := a.Detach(ctx, k); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
