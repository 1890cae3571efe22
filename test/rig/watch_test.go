// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// pair is a container and a prober on one cable.
type pair struct {
	box, prober *Sandbox
	mac         string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	if os.Geteuid() != 0 {
		without := t.Skipf
		if os.Getenv(openstack.EnvRequire) == "1" {
			without = t.Fatalf
		}
		without("needs root, to make network namespaces")
	}
	p := &pair{}
	for _, s := range []**Sandbox{&p.box, &p.prober} {
		made, err := NewSandbox()
		ok(t, err)
		t.Cleanup(func() { ok(t, made.Close()) })
		*s = made
	}
	p.ip(t, p.prober, "link add eth0 type veth peer name eth0 netns "+p.box.Name)
	p.ip(t, p.prober, "addr add 10.9.0.1/24 dev eth0", "addr add fd09::1/64 dev eth0 nodad", "link set eth0 up")
	p.ip(t, p.box, "addr add 10.9.0.2/24 dev eth0", "addr add fd09::2/64 dev eth0 nodad", "link set eth0 up")
	link, err := p.box.Link("eth0")
	ok(t, err)
	p.mac = link.MAC
	return p
}

func (p *pair) ip(t *testing.T, in *Sandbox, commands ...string) {
	t.Helper()
	for _, c := range commands {
		_, err := in.Output(t.Context(), "ip", strings.Fields(c)...)
		ok(t, err)
	}
}

// answer is that of an ADD.
func (p *pair) answer(mac string) []byte {
	return fmt.Appendf(nil, `{"cniVersion": "1.1.0", "interfaces": [{"name": "tap", "mac": "x"}, {"name": "eth0", "mac": %q, "sandbox": "/x"}],
		"ips": [{"address": "10.9.0.2/24", "interface": 1}, {"address": "fd09::2/64", "interface": 1}]}`, mac)
}

// complaints are what a watch has told.
type complaints struct {
	mu   sync.Mutex
	told []string
}

func (c *complaints) errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, fmt.Sprintf(format, args...))
}

// until waits for a complaint.
func (c *complaints) until(t *testing.T, text string) {
	t.Helper()
	ok(t, Await(t.Context(), "complaint of "+text, func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, told := range c.told {
			if strings.Contains(told, text) {
				return nil
			}
		}
		return fmt.Errorf("told: %q", c.told)
	}))
}

func (p *pair) watch(t *testing.T, patience time.Duration) (*AddressWatch, *complaints) {
	t.Helper()
	c := &complaints{}
	w, err := NewAddressWatch(WatchOptions{Prober: p.prober, Interface: "eth0", Errorf: c.errorf, Pause: time.Millisecond, Patience: patience})
	ok(t, err)
	t.Cleanup(func() { w.Close() })
	return w, c
}

func TestTheWatchIsContentWithWhatIsAsItWasTold(t *testing.T) {
	p := newPair(t)
	w, c := p.watch(t, time.Minute)
	w.Added(p.box, "eth0", p.answer(p.mac))
	w.Added(p.box, "eth0", p.answer(p.mac)) // as after a lost answer
	w.Check()
	ok(t, Await(t.Context(), "probes", func(context.Context) error {
		if seen := w.Seen(); seen.Looks < 20 || seen.Echoes < 20 {
			return fmt.Errorf("%+v", seen)
		}
		return nil
	}))
	w.Leaving(p.box, "eth0")
	w.Leaving(p.box, "eth0")
	p.ip(t, p.box, "addr flush dev eth0")
	if seen := w.Close(); seen.Most != 1 || len(c.told) > 0 {
		t.Errorf("%+v, told %q", seen, c.told)
	}
}

func TestTheWatchTellsOfAnAddressThatIsGivenTwice(t *testing.T) {
	p := newPair(t)
	w, c := p.watch(t, time.Minute)
	w.Added(p.box, "eth0", p.answer(p.mac))
	w.Added(&Sandbox{ID: "other", Netns: p.box.Netns}, "eth0", p.answer(p.mac))
	c.until(t, "address 10.9.0.2 was given to other/eth0 while "+p.box.ID+"/eth0 has it")
}

func TestTheWatchTellsOnceOfWhatIsNotAsItWasTold(t *testing.T) {
	for name, c := range map[string]struct {
		mac  string
		do   string
		want string
	}{
		"another MAC":        {mac: "fa:16:3e:00:00:01", want: "it was given fa:16:3e:00:00:01"},
		"one address more":   {do: "addr add 10.9.0.3/24 dev eth0", want: "it has"},
		"one address less":   {do: "addr del 10.9.0.2/24 dev eth0", want: "it has"},
		"no interface":       {do: "link del eth0", want: "eth0"},
		"nobody answers ARP": {do: "link set eth0 arp off", want: "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			w, told := p.watch(t, time.Millisecond)
			if c.do != "" {
				p.ip(t, p.box, c.do)
			}
			mac := p.mac
			if c.mac != "" {
				mac = c.mac
			}
			w.Added(p.box, "eth0", p.answer(mac))
			told.until(t, c.want)
			w.Check()
			w.Close()
			if len(told.told) != 1 {
				t.Errorf("told %q", told.told)
			}
		})
	}
}

func TestAnAddressThatLeavesWhileItIsProbedIsNoError(t *testing.T) {
	p := newPair(t)
	w, c := p.watch(t, time.Minute)
	p.ip(t, p.box, "link set eth0 arp off")
	w.Added(p.box, "eth0", p.answer(p.mac))
	ok(t, Await(t.Context(), "the first look", func(context.Context) error {
		if w.Seen().Looks == 0 {
			return errors.New("none")
		}
		return nil
	}))
	w.Leaving(p.box, "eth0")
	if seen := w.Close(); seen.Echoes != 0 || len(c.told) > 0 {
		t.Errorf("%+v, told %q", seen, c.told)
	}
}

func TestTheWatchTellsOfAnAddressThatAnotherMACAnswersFor(t *testing.T) {
	p := newPair(t)
	w, c := p.watch(t, time.Millisecond)
	// A second device on the same cable answers, and the first keeps silent.
	p.ip(t, p.box, "link add other link eth0 type macvlan mode bridge", "link set other up", "addr del fd09::2/64 dev eth0")
	for setting, value := range map[string]string{"eth0/arp_ignore": "8", "other/rp_filter": "0", "all/rp_filter": "0"} {
		_, err := p.box.Output(t.Context(), "sh", "-c", "echo "+value+" > /proc/sys/net/ipv4/conf/"+setting)
		ok(t, err)
	}
	w.Added(p.box, "eth0", fmt.Appendf(nil, `{"interfaces": [{"name": "eth0", "mac": %q, "sandbox": "/x"}], "ips": [{"address": "10.9.0.2/24", "interface": 0}]}`, p.mac))
	c.until(t, "its neighbours know it as")
}
