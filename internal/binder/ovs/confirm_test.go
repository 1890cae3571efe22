// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestWhatIsMadeIsToldWhileTheSwitchIsWaitedFor(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	n.signalSwitch(unix.SIGSTOP)
	var told binder.Result
	r.Made = func(made binder.Result) error {
		told = made
		n.signalSwitch(unix.SIGCONT)
		return nil
	}
	made := bound(t, b, r)
	if told.Host.Name == "" || told.Host != made.Host || told.Container != made.Container {
		t.Errorf("told %+v, made %+v", told, made)
	}
	unbound(t, b, r)
	checkNothingLeft(t, n, b, r)
}

func TestABindWhoseResultCannotBeTakenFailsAndLeavesNothing(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	broken := errors.New("disk full")
	r.Made = func(binder.Result) error { return broken }
	if _, err := b.Bind(testContext(t), r); !errors.Is(err, broken) {
		t.Error(err)
	}
	checkNothingLeft(t, n, b, r)
}

func TestAnEarlierBindIsConfirmedWhenTheSwitchHasIt(t *testing.T) {
	n := startOVN(t)
	b := n.newBinder()
	plain, wired := request(newSandbox(t), 1), request(newSandbox(t), 2)
	for _, r := range []*binder.Request{&plain, &wired} {
		n.addLogicalPort(r)
		if err := b.Confirm(testContext(t), *r); !fault.Is(err, fault.NotFound) {
			t.Errorf("before the Bind: %v", err)
		}
	}
	prewired(t, b, wired)
	bound(t, b, plain)
	boundWired(t, b, wired)
	for _, r := range []binder.Request{plain, wired} {
		if err := b.Confirm(testContext(t), r); err != nil {
			t.Error(err)
		}
		other := r
		other.Attachment = "another"
		if err := b.Confirm(testContext(t), other); !fault.Is(err, fault.NotFound) {
			t.Errorf("of another attachment: %v", err)
		}
	}
	// OVN takes its flows back: the port is not wired any more.
	n.nbctl("lsp-del", plain.Lease.PortID)
	c, err := b.session.current()
	if err != nil {
		t.Fatal(err)
	}
	w := b.session.watches.open(hostName(plain.Lease.PortID))
	defer w.stop()
	for {
		if in, ok := c.iface(hostName(plain.Lease.PortID)); ok && !in.taken(true) {
			break
		}
		select {
		case <-w.C:
		case <-testContext(t).Done():
			t.Fatal("OVN keeps its flows")
		}
	}
	ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
	defer cancel()
	if err := b.Confirm(ctx, plain); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without OVN's flows: %v", err)
	}
}
