// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// The first thread does not end with a goroutine that keeps it: the main one
// has it, so that no sandbox is made there, to live as long as the process.
func init() { runtime.LockOSThread() }

// newSandbox makes a network namespace with a path, as a container engine does.
func newSandbox(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netns")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endSandbox(path) })
	return path
}

// endSandbox lets the namespace go, as an engine does at the container's end.
func endSandbox(path string) { _ = unix.Unmount(path, unix.MNT_DETACH) }

// in calls f in a sandbox.
func in(t testing.TB, netns string, f func(h *netlink.Handle) error) {
	t.Helper()
	if err := within(netns, f); err != nil {
		t.Fatal(err)
	}
}

func within(netns string, f func(h *netlink.Handle) error) error {
	box, err := sandbox.Open(netns)
	if err != nil {
		return err
	}
	defer box.Close()
	return box.Do(f)
}

// request asks for the i-th port of the test's network, dual stack.
func request(netns string, i int) binder.Request {
	return binder.Request{
		Attachment: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012x", i),
		Sandbox:    fmt.Sprintf("sandbox-%d", i),
		Netns:      netns,
		Interface:  "eth0",
		Lease: lease.Lease{
			PortID:  fmt.Sprintf("%08x-%04x-4000-8000-000000000000", i, i),
			Network: lease.Ref{ID: "net-1", Name: "blue"},
			MAC:     fmt.Sprintf("fa:16:3e:00:%02x:%02x", i>>8, i&0xff),
			MTU:     1442,
			Addresses: []lease.Address{
				{Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/16", i>>8, i&0xff)), Gateway: netip.MustParseAddr("10.0.255.254")},
				{Prefix: netip.MustParsePrefix(fmt.Sprintf("fd00::%x/64", i)), Gateway: netip.MustParseAddr("fd00::ffff")},
			},
		},
	}
}

func refFor(r *binder.Request) binder.Ref {
	return binder.Ref{Attachment: r.Attachment, PortID: r.Lease.PortID, Sandbox: r.Sandbox, Netns: r.Netns, Interface: r.Interface}
}

// bound binds and expects success.
func bound(t testing.TB, b *Binder, r binder.Request) binder.Result {
	t.Helper()
	res, err := b.Bind(testContext(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func unbound(t testing.TB, b *Binder, r binder.Request) {
	t.Helper()
	if err := b.Unbind(testContext(t), refFor(&r)); err != nil {
		t.Fatal(err)
	}
}

// conversation is a TCP connection between two sandboxes.
type conversation struct {
	client, server net.Conn
}

// talk opens a connection to the i-th address of to and sends something
// there and back.
func talk(t testing.TB, from, to binder.Request, i int) *conversation {
	t.Helper()
	c, err := dialBetween(from, to, i)
	if err != nil {
		t.Fatalf("%s to %s: %v", from.Sandbox, to.Lease.Addresses[i].Prefix.Addr(), err)
	}
	t.Cleanup(c.close)
	if err := c.exchange(); err != nil {
		t.Fatal(err)
	}
	return c
}

func dialBetween(from, to binder.Request, i int) (*conversation, error) {
	var l net.Listener
	err := within(to.Netns, func(*netlink.Handle) (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(to.Lease.Addresses[i].Prefix.Addr(), 0).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	c := &conversation{}
	err = within(from.Netns, func(*netlink.Handle) (err error) {
		// A port that was just wired may miss the first packets while its
		// neighbours resolve: TCP repeats them.
		c.client, err = (&net.Dialer{Timeout: patience, FallbackDelay: -1}).Dial("tcp", l.Addr().String())
		return err
	})
	if err != nil {
		_ = l.Close()
		<-accepted
		return nil, err
	}
	if c.server = <-accepted; c.server == nil {
		return nil, errors.New("not accepted")
	}
	return c, nil
}

// exchange sends a large piece there and back, so that large packets pass.
func (c *conversation) exchange() error {
	const size = 64 << 10
	deadline := time.Now().Add(patience)
	_ = c.client.SetDeadline(deadline)
	_ = c.server.SetDeadline(deadline)
	sent := make(chan error, 1)
	go func() {
		_, err := c.client.Write(make([]byte, size))
		sent <- err
	}()
	got, err := io.CopyN(io.Discard, c.server, size)
	if sendErr := <-sent; sendErr != nil {
		return sendErr
	}
	if err != nil {
		return fmt.Errorf("after %d bytes: %w", got, err)
	}
	if _, err := c.server.Write([]byte("y")); err != nil {
		return err
	}
	_, err = io.ReadFull(c.client, make([]byte, 1))
	return err
}

func (c *conversation) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}
