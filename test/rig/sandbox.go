// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// sandboxPrefix begins the names of the rig's sandboxes; the process id follows.
const sandboxPrefix = "ks-"

// Sandbox is a network namespace as an engine makes one for a container.
type Sandbox struct {
	// ID is the container id.
	ID string
	// Netns is the namespace.
	openstack.Netns
}

// NewSandbox makes a namespace with its loopback up.
func NewSandbox() (*Sandbox, error) {
	id := strings.ToLower(rand.Text())
	return makeSandbox(&Sandbox{ID: id, Netns: openstack.Netns{Name: fmt.Sprintf("%s%d-%s", sandboxPrefix, os.Getpid(), id[:10])}})
}

// NamedSandbox makes one that is no test's: it outlives the process. The name is its ID.
func NamedSandbox(name string) (*Sandbox, error) {
	return makeSandbox(&Sandbox{ID: name, Netns: openstack.Netns{Name: name}})
}

func makeSandbox(s *Sandbox) (*Sandbox, error) {
	if err := s.Make(); err != nil {
		return nil, fmt.Errorf("rig: make sandbox: %w", err)
	}
	return s, nil
}

// Close removes the namespace, with whatever is in it.
func (s *Sandbox) Close() error {
	if err := s.Remove(); err != nil {
		return fmt.Errorf("rig: remove sandbox %s: %w", s.Name, err)
	}
	return nil
}

// Ping sends one echo request and waits a second for the answer.
func Ping(ctx context.Context, from openstack.Netns, to netip.Addr) error {
	if out, err := from.Output(ctx, "ping", "-n", "-c", "1", "-W", "1", to.String()); err != nil {
		return fmt.Errorf("rig: ping %s: %w: %s", to, err, out)
	}
	return nil
}

// connectTime is how long a connection may take that is to come about: more
// than one lost SYN, less than two.
const connectTime = 2500 * time.Millisecond

// ErrSilent says that a connection attempt got no answer at all, as when a
// security group drops it.
var ErrSilent = errors.New("no answer")

// Connect opens a TCP connection, reads the greeting of a Serve, and returns
// it. Its error is ErrSilent when packets are dropped.
func Connect(ctx context.Context, from openstack.Netns, to netip.Addr, port int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(to, uint16(port)).String())
	var late net.Error
	switch {
	case errors.As(err, &late) && late.Timeout():
		return "", ErrSilent
	case err != nil:
		return "", fmt.Errorf("rig: connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", fmt.Errorf("rig: %w", err)
		}
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("rig: read greeting: %w", err)
	}
	return string(b), nil
}

// Serve listens on a TCP port of a namespace, and tells each who connects its
// own name and the peer's address ("name 10.0.0.5"), until ctx ends.
func Serve(ctx context.Context, in openstack.Netns, name string, port int) error {
	l, err := in.Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return fmt.Errorf("rig: serve: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			peer, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			_, _ = fmt.Fprintf(conn, "%s %s", name, peer)
			_ = conn.Close()
		}
	}()
	return nil
}

// Link is an interface of a sandbox as the kernel has it.
type Link struct {
	MAC       string
	MTU       int
	Addresses []netip.Prefix // without link-local ones
	Up        bool
}

// Link looks at an interface of the sandbox.
func (s *Sandbox) Link(name string) (Link, error) {
	var l Link
	err := s.Do(func() error {
		dev, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		a := dev.Attrs()
		l = Link{MAC: a.HardwareAddr.String(), MTU: a.MTU, Up: a.Flags&net.FlagUp != 0}
		addrs, err := netlink.AddrList(dev, netlink.FAMILY_ALL)
		for _, ad := range addrs {
			ip, _ := netip.AddrFromSlice(ad.IP)
			ones, _ := ad.Mask.Size()
			if p := netip.PrefixFrom(ip.Unmap(), ones); !p.Addr().IsLinkLocalUnicast() {
				l.Addresses = append(l.Addresses, p)
			}
		}
		return err
	})
	if err != nil {
		return l, fmt.Errorf("rig: link %s of %s: %w", name, s.Name, err)
	}
	return l, nil
}
