// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// WatchOptions are what an AddressWatch is made of.
type WatchOptions struct {
	// Prober is a sandbox on the network, with an address of each family in use,
	// and Interface its interface there. What is watched must let in its echo
	// requests. nil: nothing is pinged.
	Prober    *Sandbox
	Interface string
	// Errorf is told what is wrong, once of each interface: T.Errorf, say. It
	// may be called from any goroutine until Close returns, and must not call
	// the watch.
	Errorf func(format string, args ...any)
	// Pause is between two probes. Default: 50ms.
	Pause time.Duration
	// Patience is how long a live address may stay without a right answer: the
	// other nodes of a busy cloud learn late of a new port. While one is waited
	// for, no other is probed. Default: 1m.
	Patience time.Duration
}

// AddressWatch watches from outside that on one network no address is ever on
// two live containers, and that each is where the ADD's answer says. It keeps
// book of what was given out; in each of its probes it looks into a random live
// container, and has the prober ask one of its addresses.
//
// An address is live from its ADD's answer until the moment before DEL is called.
type AddressWatch struct {
	o      WatchOptions
	prober *prober

	stop, stopped chan struct{}
	once          sync.Once

	mu     sync.Mutex
	live   map[string]*living    // by sandbox and interface; guarded by mu
	holder map[netip.Addr]string // keys in live; guarded by mu
	seen   Watched               // guarded by mu
}

// Watched is what an AddressWatch has done.
type Watched struct {
	// Added counts the ADDs, Most is the most that were live at a time.
	Added, Most int
	// Looks counts the looks into containers, Echoes the echoes that were
	// answered by the right MAC.
	Looks, Echoes int
}

// living is an interface that is in use.
type living struct {
	key, ifname string
	box         *Sandbox
	mac         string
	addresses   []netip.Prefix
	faulty      bool // guarded by the watch's mu; was told of already
}

// NewAddressWatch begins to watch; Close ends it.
func NewAddressWatch(o WatchOptions) (*AddressWatch, error) {
	if o.Pause <= 0 {
		o.Pause = 50 * time.Millisecond
	}
	if o.Patience <= 0 {
		o.Patience = time.Minute
	}
	w := &AddressWatch{
		o: o, stop: make(chan struct{}), stopped: make(chan struct{}),
		live: map[string]*living{}, holder: map[netip.Addr]string{},
	}
	if o.Prober != nil {
		var err error
		if w.prober, err = newProber(o.Prober.Netns, o.Interface); err != nil {
			return nil, err
		}
	}
	go w.run()
	return w, nil
}

func keyOf(s *Sandbox, ifname string) string { return s.ID + "/" + ifname }

// Added tells that an ADD was answered: a result of CNI 1.0 or later.
func (w *AddressWatch) Added(s *Sandbox, ifname string, answer []byte) {
	at, err := read(s, ifname, answer)
	if err != nil {
		w.o.Errorf("ADD of %s: %v: %s", keyOf(s, ifname), err, answer)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.live[at.key]; old != nil {
		if old.mac != at.mac || !slices.Equal(old.addresses, at.addresses) {
			w.o.Errorf("a further ADD of %s answers %s %v, the one before %s %v", at.key, at.mac, at.addresses, old.mac, old.addresses)
		}
		w.forget(old)
	}
	for _, a := range at.addresses {
		if holder := w.holder[a.Addr()]; holder != "" {
			w.o.Errorf("address %s was given to %s while %s has it", a.Addr(), at.key, holder)
		}
		w.holder[a.Addr()] = at.key
	}
	w.live[at.key] = at
	w.seen.Added++
	w.seen.Most = max(w.seen.Most, len(w.live))
}

// Leaving tells that DEL is about to be called: from now on the addresses may
// be somebody else's. An interface that was never Added is ignored.
func (w *AddressWatch) Leaving(s *Sandbox, ifname string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := w.live[keyOf(s, ifname)]; at != nil {
		w.forget(at)
	}
}

// forget strikes an interface out of the book. The caller holds mu.
func (w *AddressWatch) forget(at *living) {
	delete(w.live, at.key)
	for _, a := range at.addresses {
		if w.holder[a.Addr()] == at.key {
			delete(w.holder, a.Addr())
		}
	}
}

// read finds an interface of a sandbox in an ADD's answer.
func read(s *Sandbox, ifname string, answer []byte) (*living, error) {
	var result types100.Result
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, err
	}
	at := &living{key: keyOf(s, ifname), ifname: ifname, box: s}
	inside := -1
	for i, in := range result.Interfaces {
		if in.Name == ifname && in.Sandbox != "" {
			inside, at.mac = i, in.Mac
		}
	}
	for _, ip := range result.IPs {
		addr, ok := netip.AddrFromSlice(ip.Address.IP)
		if !ok || ip.Interface == nil || *ip.Interface != inside {
			continue
		}
		ones, _ := ip.Address.Mask.Size()
		at.addresses = append(at.addresses, netip.PrefixFrom(addr.Unmap(), ones))
	}
	if inside < 0 || len(at.addresses) == 0 {
		return nil, fmt.Errorf("no addresses of %s in the sandbox", ifname)
	}
	slices.SortFunc(at.addresses, netip.Prefix.Compare)
	return at, nil
}

// Check looks into every live container once. The errors go where all go.
func (w *AddressWatch) Check() {
	w.mu.Lock()
	all := slices.Collect(maps.Values(w.live))
	w.mu.Unlock()
	for _, at := range all {
		w.look(at)
	}
}

// Seen tells what the watch has done so far.
func (w *AddressWatch) Seen() Watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// Close ends the watch, and tells what it has done. It may be called again.
func (w *AddressWatch) Close() Watched {
	w.once.Do(func() {
		close(w.stop)
		<-w.stopped
		if w.prober != nil {
			w.prober.close()
		}
	})
	return w.Seen()
}

func (w *AddressWatch) run() {
	defer close(w.stopped)
	tick := time.NewTicker(w.o.Pause)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		at := w.pick()
		if at == nil {
			continue
		}
		w.look(at)
		if w.prober != nil && at.box.ID != w.o.Prober.ID {
			w.ask(at, at.addresses[rand.N(len(at.addresses))].Addr())
		}
	}
}

// pick chooses one of what is live and not known to be wrong; nil: there is none.
func (w *AddressWatch) pick() *living {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, picked := 0, (*living)(nil)
	for _, at := range w.live {
		if at.faulty {
			continue
		}
		if n++; rand.N(n) == 0 {
			picked = at
		}
	}
	return picked
}

// holds tells whether an interface has been live without a break.
func (w *AddressWatch) holds(at *living) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live[at.key] == at
}

// count counts a success.
func (w *AddressWatch) count(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

// wrong tells what is wrong with an interface, unless it has left meanwhile or
// was told of before.
func (w *AddressWatch) wrong(at *living, format string, args ...any) {
	w.mu.Lock()
	tell := w.live[at.key] == at && !at.faulty
	at.faulty = at.faulty || tell
	w.mu.Unlock()
	if tell {
		w.o.Errorf("%s: "+format, append([]any{at.key}, args...)...)
	}
}

// look compares what an interface has with what the ADD's answer said.
func (w *AddressWatch) look(at *living) {
	link, err := at.box.Link(at.ifname)
	if err != nil {
		w.wrong(at, "%v", err)
		return
	}
	slices.SortFunc(link.Addresses, netip.Prefix.Compare)
	if link.MAC != at.mac || !slices.Equal(link.Addresses, at.addresses) {
		w.wrong(at, "it has %s %v, it was given %s %v", link.MAC, link.Addresses, at.mac, at.addresses)
		return
	}
	w.count(&w.seen.Looks)
}

// ask has the prober ask an address until it answers, with the right MAC.
func (w *AddressWatch) ask(at *living, address netip.Addr) {
	began := time.Now()
	for w.holds(at) {
		mac, err := w.prober.echo(address)
		if err == nil && mac != at.mac {
			err = fmt.Errorf("its neighbours know it as %s, it was given %s", mac, at.mac)
		}
		if err == nil {
			w.count(&w.seen.Echoes)
			return
		}
		if took := time.Since(began); took > w.o.Patience {
			w.wrong(at, "%s after %v: %v", address, took.Round(time.Second), err)
			return
		}
		select {
		case <-w.stop:
			return
		case <-time.After(w.o.Pause):
		}
	}
}
