// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// dialTimeout bounds the question whether somebody listens on a socket that exists.
const dialTimeout = time.Second

// Listen makes the unix socket at path with mode 0600, and its folder when
// there is none. A socket that a dead process left is replaced; one that
// somebody listens on is a fault.Conflict.
//
// The socket is bound under a name of its own and then renamed, so that it is
// never there with another mode, nor there without a listener.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("serve: make folder of socket: %w", err)
	}
	if err := checkFree(path); err != nil {
		return nil, err
	}
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("serve: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("serve: listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("serve: socket %s: %w", path, err), l.Close(), os.Remove(fresh))
	}
	return &socket{UnixListener: l, path: path}, nil
}

// checkFree reports a conflict when something other than a dead socket is at path.
func checkFree(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("serve: socket: %w", err)
	case fi.Mode().Type() != fs.ModeSocket:
		return fault.New(fault.Conflict, "%s is there and is not a socket", path)
	}
	c, err := (&net.Dialer{Timeout: dialTimeout}).Dial("unix", path)
	switch {
	case err == nil:
		_ = c.Close()
		e := fault.New(fault.Conflict, "another process serves %s", path)
		e.Hint = "stop it, or choose another path"
		return e
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return fmt.Errorf("serve: socket %s: %w", path, err)
	}
}

// socket removes its path when it is closed, unless another process has taken it since.
type socket struct {
	*net.UnixListener
	path string
}

// Addr gives the path, not the name that the socket was bound under.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close stops listening and removes the path.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if checkFree(s.path) == nil {
		if rm := os.Remove(s.path); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	return err
}
