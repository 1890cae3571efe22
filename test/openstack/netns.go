// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where named network namespaces are, for us as for ip-netns(8).
const netnsDir = "/run/netns"

// Netns is a named network namespace; the zero value is the one that the
// process is in.
type Netns struct {
	// Name as `ip netns` shows it.
	Name string
}

// Path is the file that stands for the namespace, for setns, nsenter and CNI_NETNS.
func (n Netns) Path() string { return filepath.Join(netnsDir, n.Name) }

// Exists tells whether the namespace is there.
func (n Netns) Exists() bool {
	var st unix.Statfs_t
	return unix.Statfs(n.Path(), &st) == nil && st.Type == unix.NSFS_MAGIC
}

// Do runs f on an OS thread that is in the namespace. What f starts with `go`
// is not in it. f's error is returned as it is.
func (n Netns) Do(f func() error) error {
	if n.Name == "" {
		return f()
	}
	target, err := netns.GetFromPath(n.Path())
	if err != nil {
		return fmt.Errorf("openstack: enter namespace %s: %w", n.Name, err)
	}
	defer func() { _ = target.Close() }()
	runtime.LockOSThread()
	own, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("openstack: enter namespace %s: %w", n.Name, err)
	}
	defer func() { _ = own.Close() }()
	if err := netns.Set(target); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("openstack: enter namespace %s: %w", n.Name, err)
	}
	defer func() {
		// A thread that cannot go back stays locked, and ends with its goroutine.
		if netns.Set(own) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return f()
}

// DialContext connects from inside the namespace. The address must be
// numeric: there is no resolver in it.
func (n Netns) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := n.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens inside the namespace; the listener may be used from anywhere.
func (n Netns) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	return l, err
}

// Start starts a command inside the namespace. Only the network is
// the namespace's: mounts, processes and users are the caller's.
func (n Netns) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Output runs a command inside the namespace and gives what it wrote to
// standard output; the error holds the end of what it wrote to standard error.
func (n Netns) Output(ctx context.Context, name string, args ...string) (string, error) {
	var out string
	err := n.Do(func() (err error) {
		out, err = output(exec.CommandContext(ctx, name, args...))
		return err
	})
	return out, err
}

// handle gives a netlink handle in the namespace; Close it.
func (n Netns) handle() (*netlink.Handle, error) {
	fd, err := netns.GetFromPath(n.Path())
	if err != nil {
		return nil, fmt.Errorf("openstack: enter namespace %s: %w", n.Name, err)
	}
	defer func() { _ = fd.Close() }()
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("openstack: open netlink in %s: %w", n.Name, err)
	}
	return h, nil
}

// Make makes the namespace, with its loopback up, unless it is there.
func (n Netns) Make() error {
	if n.Exists() {
		return nil
	}
	if err := shareNetnsDir(); err != nil {
		return fmt.Errorf("openstack: make namespace %s: %w", n.Name, err)
	}
	// A file that is no namespace: the maker was killed between the two steps.
	if err := os.Remove(n.Path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("openstack: make namespace %s: %w", n.Name, err)
	}
	if err := onOwnThread(func() error {
		fd, err := netns.NewNamed(n.Name)
		if err != nil {
			return err
		}
		return fd.Close()
	}); err != nil {
		return fmt.Errorf("openstack: make namespace %s: %w", n.Name, err)
	}
	h, err := n.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	return setUp(h, "lo")
}

// Remove removes the name. The namespace itself goes with the last process in it.
func (n Netns) Remove() error {
	if err := unix.Unmount(n.Path(), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("openstack: remove namespace %s: %w", n.Name, err)
	}
	if err := os.Remove(n.Path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("openstack: remove namespace %s: %w", n.Name, err)
	}
	return nil
}

// shareNetnsDir makes /run/netns a shared mount, as `ip netns add` does: only
// then does a namespace that is removed vanish in every mount namespace.
func shareNetnsDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	share := func() error { return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
	err := share()
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return share()
}

// onOwnThread runs f on an OS thread that is thrown away afterwards, so that
// f may change what cannot be changed back. That thread is never the
// process's first one, whose namespaces are what /proc/self shows.
func onOwnThread(f func() error) error {
	done := make(chan error)
	var try func()
	try = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// While this goroutine holds the first thread, the next gets another.
			next := make(chan struct{})
			go func() { defer close(next); try() }()
			<-next
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}
	go try()
	return <-done
}
