// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"
)

// EnvCloud names the cloud that tests share: its state directory, or
// "embedded" for the embedded one in EmbeddedDir(); not set: the one in DefaultDir().
const EnvCloud = "KURYR_TEST_CLOUD"

// SharedOptions are the Options of the cloud that EnvCloud names.
func SharedOptions() Options {
	if name := os.Getenv(EnvCloud); name != "embedded" {
		return Options{Dir: name}
	}
	return Options{Embedded: true}
}

// EnvRequire set to 1 makes a test fail that would skip for want of root or
// packages.
const EnvRequire = "KURYR_TEST_REQUIRE"

// T is what the package needs of a *testing.T.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Require skips the test with a reason, or fails it when EnvRequire is set,
// unless this machine can run a cloud.
func Require(t T, embedded bool) {
	t.Helper()
	without := t.Skipf
	if os.Getenv(EnvRequire) == "1" {
		without = t.Fatalf
	}
	if os.Geteuid() != 0 {
		without("needs root, to make network namespaces")
	}
	missing, err := MissingPackages(t.Context(), embedded)
	if err != nil {
		without("needs Debian's packages: %v", err)
	}
	if len(missing) > 0 {
		without("needs packages that are not installed: %s", strings.Join(missing, " "))
	}
}

var shared struct {
	sync.Mutex
	cloud *Cloud
}

// Shared gives the cloud that all tests of all packages share, and brings it
// up when it is not. It stays up after the tests. What a test makes there it
// removes: see NewProject.
func Shared(t T) *Cloud {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.cloud != nil {
		return shared.cloud
	}
	opts, err := SharedOptions().complete()
	if err != nil {
		t.Fatalf("%v", err)
	}
	Require(t, opts.Embedded)
	opts.Progress = func(since time.Duration, step string) { t.Logf("%5.1fs %s", since.Seconds(), step) }
	c, err := Up(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	// Later steps belong to no test's log.
	c.progress = func(time.Duration, string) {}
	shared.cloud = c
	return c
}

// deleteWithin is how long a test's end waits until its project is gone.
const deleteWithin = 2 * time.Minute

// NewProject makes a project for a test, and deletes it with everything in it
// when the test ends.
func (c *Cloud) NewProject(t T) *Project {
	t.Helper()
	p, err := c.MakeProject(t.Context(), strings.ReplaceAll(t.Name(), "/", "-")+"-"+newUUID()[:8])
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), deleteWithin)
		defer cancel()
		if err := p.Delete(ctx); err != nil {
			t.Errorf("%v", err)
		}
	})
	return p
}
