// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// ownNamespace is the calling thread's network namespace.
const ownNamespace = "/proc/thread-self/ns/net"

// Sandbox is an open network namespace. While it is open the namespace stays,
// even when its path and its last process go.
type Sandbox struct {
	path string
	fd   int
}

// Open opens the network namespace at path. Errors: NotFound when nothing is
// there, Invalid when it is not a network namespace or is the caller's own
// (a container with the node's network has no sandbox), field "netns".
func Open(path string) (*Sandbox, error) {
	if path == "" {
		return nil, fault.InvalidField("netns", "no network namespace was given")
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	s := &Sandbox{path: path, fd: fd}
	if err := s.verify(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func openError(path string, err error) error {
	class := fault.Internal
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		class = fault.NotFound
	}
	e := fault.New(class, "network namespace %s: %w", path, err)
	e.Field = "netns"
	return e
}

// verify refuses what is no network namespace, and the node's own.
func (s *Sandbox) verify() error {
	kind, err := unix.IoctlRetInt(s.fd, unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		return fault.InvalidField("netns", "%s is not a network namespace", s.path)
	}
	var theirs, ours unix.Stat_t
	if err := unix.Fstat(s.fd, &theirs); err != nil {
		return fmt.Errorf("sandbox: stat %s: %w", s.path, err)
	}
	if err := unix.Stat(ownNamespace, &ours); err != nil {
		return fmt.Errorf("sandbox: stat %s: %w", ownNamespace, err)
	}
	if theirs.Dev == ours.Dev && theirs.Ino == ours.Ino {
		return fault.InvalidField("netns", "%s is the node's own network namespace", s.path)
	}
	return nil
}

// FD is the namespace's file descriptor, for a netlink request that makes a
// device in it; valid until Close.
func (s *Sandbox) FD() int { return s.fd }

// Close lets the namespace go.
func (s *Sandbox) Close() { _ = unix.Close(s.fd) }

// Do calls fn in the namespace, on a thread of its own, with a netlink handle
// there. What fn opens (sockets, files of /proc/sys/net) belongs to the
// namespace; goroutines that fn starts do not run in it.
func (s *Sandbox) Do(fn func(*netlink.Handle) error) error {
	done := make(chan error, 1)
	go func() { done <- s.enter(fn) }()
	return <-done
}

// enter must be called as the last thing of a goroutine: when the thread
// cannot return to its namespace it stays locked, and so ends with the
// goroutine instead of running others in the wrong place.
func (s *Sandbox) enter(fn func(*netlink.Handle) error) error {
	runtime.LockOSThread()
	home, err := unix.Open(ownNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("sandbox: open %s: %w", ownNamespace, err)
	}
	defer func() { _ = unix.Close(home) }()
	if err := unix.Setns(s.fd, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("sandbox: enter %s: %w", s.path, err)
	}
	defer func() {
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("sandbox: open netlink in %s: %w", s.path, err)
	}
	defer h.Close()
	return fn(h)
}
