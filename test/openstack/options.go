// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Defaults of Options.
const (
	// DefaultPrefix begins the names of the cloud's network namespaces,
	// EmbeddedPrefix those of an embedded one.
	DefaultPrefix  = "kt"
	EmbeddedPrefix = "ke"
	// DefaultNodes is the number of hypervisors.
	DefaultNodes = 2
)

// MaxNodes is how many hypervisors a cloud may have.
const MaxNodes = 200

// maxDir is the longest path of the state directory in bytes: the longest
// socket in it (nodeN/ovn-controller.PID.ctl) must fit into sun_path's 107.
const maxDir = 70

// Options say what Up brings up.
type Options struct {
	// Dir holds the cloud's state; empty: DefaultDir(), or EmbeddedDir(). At
	// most 70 bytes, and not below /run, which Octavia's processes get a private
	// one of.
	Dir string
	// Prefix begins the names of the network namespaces: one to eight lower
	// case letters and digits; empty: "kt", "ke" for an embedded cloud, or what
	// Dir was made with. Two clouds need different ones.
	Prefix string
	// Embedded runs Kuryr's embedded OpenStack instead of the distribution's
	// services. A directory keeps the flavour that it was made with.
	Embedded bool
	// Program is the kuryr program of an embedded cloud; empty: it is built from
	// the module that the working directory is in.
	Program string
	// Nodes is how many hypervisors run at least; zero: two, or as many as
	// Dir has. Up never removes one.
	Nodes int
	// Template is a file of Save's; it is unpacked when Dir has no database yet.
	Template string
	// Debug makes the services log at debug level, until Down: an Up without it
	// does not restart them.
	Debug bool
	// Progress is told each step that is done, with the time since Up began. May be nil.
	Progress func(since time.Duration, step string)
}

// DefaultDir gives kuryr-test/openstack below $XDG_CACHE_HOME, or below
// /var/cache when that is not set.
func DefaultDir() string { return cacheDir("openstack") }

// EmbeddedDir gives kuryr-test/embedded at the same place.
func EmbeddedDir() string { return cacheDir("embedded") }

func cacheDir(name string) string {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		base = "/var/cache"
	}
	return filepath.Join(base, "kuryr-test", name)
}

var prefixForm = regexp.MustCompile(`^[a-z][a-z0-9]{0,7}$`)

// complete fills what is empty from what the directory was made with, then
// from the defaults, and checks the result.
func (o Options) complete() (Options, error) {
	if o.Dir == "" && o.Embedded {
		o.Dir = EmbeddedDir()
	}
	dir, err := cleanDir(o.Dir)
	if err != nil {
		return o, err
	}
	o.Dir = dir
	before, err := readRecord(dir)
	if err != nil && !os.IsNotExist(err) {
		return o, err
	}
	if !o.Embedded {
		o.Embedded = before.Embedded
	}
	if o.Prefix == "" {
		o.Prefix = before.Prefix
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix(o.Embedded)
	}
	if o.Nodes == 0 {
		o.Nodes = len(before.Nodes)
	}
	if o.Nodes == 0 {
		o.Nodes = DefaultNodes
	}
	return o, o.check(before)
}

func defaultPrefix(embedded bool) string {
	if embedded {
		return EmbeddedPrefix
	}
	return DefaultPrefix
}

func (o Options) check(before record) error {
	switch {
	case before.Prefix != "" && before.Embedded != o.Embedded:
		return fault.InvalidField("embedded", "%s was made with a real OpenStack; wipe it first", o.Dir)
	case !prefixForm.MatchString(o.Prefix):
		return fault.InvalidField("prefix", "%q is not one to eight lower case letters and digits", o.Prefix)
	case before.Prefix != "" && before.Prefix != o.Prefix:
		return fault.InvalidField("prefix", "%s was made with prefix %q; wipe it first", o.Dir, before.Prefix)
	case o.Nodes < 1 || o.Nodes > MaxNodes:
		return fault.InvalidField("nodes", "%d is not between 1 and %d", o.Nodes, MaxNodes)
	}
	return nil
}

// cleanDir gives the absolute path of a state directory, with symbolic links
// resolved as far as it exists: processes are recognised by it.
func cleanDir(dir string) (string, error) {
	if dir == "" {
		dir = DefaultDir()
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.InvalidField("dir", "%w", err)
	}
	abs = resolve(abs)
	if len(abs) > maxDir {
		return "", fault.InvalidField("dir", "%s is longer than %d bytes: the sockets in it would not fit", abs, maxDir)
	}
	if abs == "/run" || strings.HasPrefix(abs, "/run/") {
		return "", fault.InvalidField("dir", "%s is below /run", abs)
	}
	if strings.ContainsAny(abs, " \t\n\"'#%$") {
		return "", fault.InvalidField("dir", "%q holds a character that configuration files treat specially", abs)
	}
	return abs, nil
}

// resolve is filepath.EvalSymlinks for a path whose end need not exist.
func resolve(path string) string {
	if whole, err := filepath.EvalSymlinks(path); err == nil {
		return whole
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}
