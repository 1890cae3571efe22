// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
)

// BenchmarkWays compares, with a real OVN, the ways to give a sandbox its
// port: the veth born in place and claimed by ovn-controller at Bind, a device
// that was claimed in a holding namespace and is moved, and the veth hung on a
// wire, also while as many unplugged veths are deleted. Beside them what making a wire costs, and the floors below which no
// way gets: the time from one transaction with a row for a device that exists
// until ovn-installed, and until ovs-vswitchd has given it an ofport. Each at
// once for 1, 8 and 32 ports; p50 and p99 of one, and p50 of all, in
// milliseconds. An iteration is one round; what has to be made ready for it
// and cleared after it is not counted.
//
//	go test -run '^$' -bench Ways -benchtime 30x ./internal/binder/ovs
func BenchmarkWays(b *testing.B) {
	for _, w := range []way{
		{name: "claimed at bind", bind: (*bench).bind, clear: (*bench).unbind},
		{name: "moved", ready: (*bench).hold, bind: (*bench).move, clear: (*bench).unbind},
		{name: "prewired", ready: (*bench).prewire, bind: (*bench).bind, clear: (*bench).unbind},
		{name: "prewired beside deletes", ready: (*bench).prewireAndUnplug, bind: (*bench).bindBesideDelete, clear: (*bench).unbindBoth},
		{name: "to prewire", bind: (*bench).prewire, clear: (*bench).unwire},
		{name: "floor row to ovn-installed", ready: (*bench).device, bind: (*bench).installed, clear: (*bench).unbind},
		{name: "floor row to ofport", ready: (*bench).device, bind: (*bench).opened, clear: (*bench).unbind},
	} {
		for _, count := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/at-once=%d", strings.ReplaceAll(w.name, " ", "-"), count), func(b *testing.B) {
				newBench(b, count).run(b, w)
			})
		}
	}
}

// way is measured in bind; ready goes before it and clear after.
type way struct {
	name               string
	ready, bind, clear func(*bench, context.Context, binder.Request) error
}

// bench is a node with OVN and the requests of one round.
type bench struct {
	*Binder
	requests []binder.Request
	// gone are the requests whose devices are deleted meanwhile, by the port
	// of the one beside them.
	gone     map[string]binder.Request
	deleting sync.WaitGroup
	// holding is where devices wait to be moved.
	holding string
}

func newBench(b *testing.B, count int) *bench {
	n := startOVN(b)
	w := &bench{Binder: n.newBinder(), holding: newSandbox(b), gone: make(map[string]binder.Request)}
	awaitSession(b, w.Binder, true)
	for i := range count {
		r := request(newSandbox(b), i+1)
		n.addLogicalPort(&r)
		w.requests = append(w.requests, r)
		w.gone[r.Lease.PortID] = request(newSandbox(b), 100+i)
	}
	// A new ovn-controller takes a second to connect to its new bridge.
	prewired(b, w.Binder, w.requests...)
	for _, r := range w.requests {
		bound(b, w.Binder, r)
		unbound(b, w.Binder, r)
	}
	return w
}

func (w *bench) run(b *testing.B, way way) {
	each := func(f func(*bench, context.Context, binder.Request) error, note func(time.Duration)) {
		if f == nil {
			return
		}
		took := make(chan time.Duration, len(w.requests))
		atOnce(b, w.requests, func(r binder.Request) error {
			start := time.Now()
			err := f(w, context.Background(), r)
			took <- time.Since(start)
			return err
		})
		close(took)
		for d := range took {
			note(d)
		}
	}
	var one, all []time.Duration
	for b.Loop() {
		b.StopTimer()
		each(way.ready, func(time.Duration) {})
		b.StartTimer()
		start := time.Now()
		each(way.bind, func(d time.Duration) { one = append(one, d) })
		all = append(all, time.Since(start))
		b.StopTimer()
		each(way.clear, func(time.Duration) {})
		b.StartTimer()
	}
	slices.Sort(one)
	slices.Sort(all)
	ms := func(d []time.Duration, percent int) float64 {
		return float64(d[len(d)*percent/100].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(one, 50), "p50-ms")
	b.ReportMetric(ms(one, 99), "p99-ms")
	b.ReportMetric(ms(all, 50), "all-p50-ms")
}

func (w *bench) bind(ctx context.Context, r binder.Request) error {
	_, err := w.Bind(ctx, r)
	return err
}

// unbind leaves nothing that the next round could have to wait for.
func (w *bench) unbind(ctx context.Context, r binder.Request) error {
	if err := w.Unbind(ctx, refFor(&r)); err != nil {
		return err
	}
	return w.session.awaitSeen(ctx, hostName(r.Lease.PortID), nearName(r.Lease.PortID))
}

func (w *bench) prewire(ctx context.Context, r binder.Request) error {
	_, err := w.Prewire(ctx, r.Lease)
	return err
}

// prewireAndUnplug also leaves a device to be deleted, which no switch needs
// to know.
func (w *bench) prewireAndUnplug(ctx context.Context, r binder.Request) error {
	return errors.Join(w.prewire(ctx, r), w.device(ctx, w.gone[r.Lease.PortID]))
}

func (w *bench) bindBesideDelete(ctx context.Context, r binder.Request) error {
	w.deleting.Go(func() {
		gone := w.gone[r.Lease.PortID]
		_ = w.Unbind(ctx, refFor(&gone))
	})
	return w.bind(ctx, r)
}

func (w *bench) unbindBoth(ctx context.Context, r binder.Request) error {
	w.deleting.Wait()
	return w.unbind(ctx, r)
}

func (w *bench) unwire(ctx context.Context, r binder.Request) error {
	if err := w.Unwire(ctx, r.Lease.PortID); err != nil {
		return err
	}
	return w.session.awaitSeen(ctx, nearName(r.Lease.PortID))
}

// held is the request for a device that waits.
func (w *bench) held(r binder.Request) binder.Request {
	none := false
	r.Netns, r.Interface, r.DefaultRoute = w.holding, "h"+r.Lease.PortID[:8], &none
	return r
}

func (w *bench) hold(ctx context.Context, r binder.Request) error { return w.bind(ctx, w.held(r)) }

func (w *bench) move(_ context.Context, r binder.Request) error {
	p, err := planInterface(&r)
	if err != nil {
		return err
	}
	p.config.NoTxChecksum = true
	box, err := sandbox.Open(r.Netns)
	if err != nil {
		return err
	}
	defer box.Close()
	name := w.held(r).Interface
	err = within(w.holding, func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkSetNsFd(link, box.FD())
	})
	if err != nil {
		return err
	}
	err = box.Do(func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkSetName(link, r.Interface)
	})
	if err != nil {
		return err
	}
	return box.Configure(p.config)
}

// device makes the veth and configures it, and no row.
func (w *bench) device(_ context.Context, r binder.Request) error {
	p, err := planInterface(&r)
	if err != nil {
		return err
	}
	box, err := sandbox.Open(r.Netns)
	if err != nil {
		return err
	}
	defer box.Close()
	if err := w.createVeth(p, box); err != nil {
		return err
	}
	return box.Configure(p.config)
}

func (w *bench) installed(ctx context.Context, r binder.Request) error {
	return w.plugDevice(ctx, r, newPort{bridge: DefaultBridge, ids: w.owner.externalIDs(&r)}, true)
}

// opened puts the device where nothing is to be claimed.
func (w *bench) opened(ctx context.Context, r binder.Request) error {
	return w.plugDevice(ctx, r, newPort{bridge: w.owner.bridge, ids: w.owner.wiredIDs(&r), tag: 1}, false)
}

func (w *bench) plugDevice(ctx context.Context, r binder.Request, port newPort, ovn bool) error {
	port.name = hostName(r.Lease.PortID)
	watch := w.session.watches.open(port.name)
	defer watch.stop()
	made, err := w.session.insertPorts(ctx, port)
	if err != nil {
		return err
	}
	return w.awaitSwitch(ctx, awaited{lease: &r.Lease, name: port.name, row: made[0].iface, ovn: ovn}, watch)
}
