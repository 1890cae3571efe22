// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// TestTheNextContainerOfAPortGetsNothingOfTheConversationsOfTheOneBefore has
// two containers use one port after the other, which stays wired meanwhile. A
// friend of the first may answer it; what it says later is not an answer.
func TestTheNextContainerOfAPortGetsNothingOfTheConversationsOfTheOneBefore(t *testing.T) {
	ctx := within(t, 2*stateTime)
	p := newPooled(t, "reuse", hasty(map[string]any{"warm": 1, "max": 1}))
	must[rig.Network](t)(p.tenant.Network(ctx, "net", "10.97.6.0/24"))
	must[string](t)(p.tenant.Group(ctx, "closed"))
	friends := must[string](t)(p.tenant.Group(ctx, "friends"))
	must[string](t)(p.tenant.Rule(ctx, friends, rig.Let{Protocol: "udp"}))
	conf := p.conf("net", "closed")
	s := sandbox(t)
	must[[]byte](t)(p.Add(ctx, s, "eth0", conf))
	ok(t, p.Del(ctx, s, "eth0", conf))
	p.awaits(ctx, t, "a wired lease", "net", []string{"closed"}, func(row agentapi.Pool) bool { return row.Wired == 1 })

	other := world.agents[1]
	friend := attach(t, other, other.Conf("net", map[string]any{"project": p.tenant.Project, "securityGroups": []string{"friends"}, "fixedIPs": []string{"10.97.6.77"}}))
	theirs := listenUDP(t, friend.Netns, friend.ip(t, false), 6000)
	go echo(theirs)
	first := attach(t, p.Agent, conf)
	mine := listenUDP(t, first.Netns, first.ip(t, false), 5000)
	converse(t, mine, theirs)

	ok(t, mine.Close())
	ok(t, p.Del(ctx, first.Sandbox, "eth0", conf))
	next := attach(t, p.Agent, conf)
	st := must[agentapi.Status](t)(p.Client().Status(ctx))
	if next.ip(t, false) != first.ip(t, false) || st.Binder.Prewired != 1 {
		t.Fatalf("the next container has another port, or no wire: the test shows nothing (%+v)", st.Binder)
	}
	silent := listenUDP(t, next.Netns, next.ip(t, false), 5000)
	must[int](t)(theirs.WriteToUDPAddrPort([]byte("stale"), netip.AddrPortFrom(next.ip(t, false), 5000)))
	// What is sent after it on the same way arrives.
	converse(t, listenUDP(t, next.Netns, next.ip(t, false), 5001), theirs)
	ok(t, silent.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if n, _, err := silent.ReadFromUDPAddrPort(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the next container got %d bytes of a conversation of the one before: %v", n, err)
	}
}

func listenUDP(t *testing.T, in openstack.Netns, at netip.Addr, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	ok(t, in.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, port)))
		return err
	}))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// echo answers everything with the same, until the socket is closed.
func echo(c *net.UDPConn) {
	for buf := make([]byte, 100); ; {
		n, who, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteToUDPAddrPort(buf[:n], who)
	}
}

// converse says something and waits for the answer, again while it is lost: the
// first packet may be, where nobody knows the neighbour yet.
func converse(t *testing.T, from, to *net.UDPConn) {
	t.Helper()
	peer := must[netip.AddrPort](t)(netip.ParseAddrPort(to.LocalAddr().String()))
	ok(t, rig.Await(within(t, stateTime), "an answer", func(context.Context) error {
		_, err := from.WriteToUDPAddrPort([]byte("hello"), peer)
		if err == nil {
			err = from.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		}
		if err == nil {
			_, _, err = from.ReadFromUDPAddrPort(make([]byte, 100))
		}
		return err
	}))
}
