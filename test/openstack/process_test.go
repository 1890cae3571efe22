// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testCloud is a state directory without a cloud, for services of the test's own.
func testCloud(t *testing.T) *Cloud {
	t.Helper()
	c := open(shortDir(t), record{Prefix: "kt"})
	for _, d := range []string{"run", "logs"} {
		if err := os.Mkdir(c.path(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := c.procs.kill(ctx, func(process) bool { return true }); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *Cloud) pid(t *testing.T, name string) int {
	t.Helper()
	pids, err := c.procs.leaders()
	if err != nil {
		t.Fatal(err)
	}
	return pids[name]
}

func TestAServiceThatRunsAsWantedIsLeftAlone(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	s := service{name: "sleeper", argv: []string{"sleep", "3600"}, netns: ns}
	if err := c.start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	first := c.pid(t, "sleeper")
	if err := c.start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if again := c.pid(t, "sleeper"); again != first || first == 0 {
		t.Errorf("pid %d became %d", first, again)
	}
	s.env = []string{"WANTED=otherwise"}
	if err := c.start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if again := c.pid(t, "sleeper"); again == first || again == 0 {
		t.Errorf("pid %d became %d, though another service was wanted", first, again)
	}
}

func TestAServiceThatEndsAtItsStartFailsAtOnceWithItsLog(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	never := func(context.Context) error { return errors.New("not yet") }
	err := c.start(t.Context(), service{name: "broken", argv: []string{"sh", "-c", "echo no such option; exit 1"}, netns: ns, ready: never})
	if !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("got %v", err)
	}
}

func TestAStartThatWasCutOffIsBegunAnew(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	s := service{name: "half", argv: []string{"sleep", "3600"}, netns: ns}
	cutOff := errors.New("cut off")
	s.after = func(context.Context) error { return cutOff }
	if err := c.start(t.Context(), s); !errors.Is(err, cutOff) {
		t.Fatal(err)
	}
	done := false
	s.after = func(context.Context) error { done = true; return nil }
	if err := c.start(t.Context(), s); err != nil || !done {
		t.Errorf("got %v; what follows the start was done: %v", err, done)
	}
}

func TestStopTakesTheChildrenToo(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	s := service{name: "family", argv: []string{"sh", "-c", "trap '' TERM; sleep 3600 & sleep 3600 & wait"}, netns: ns}
	if err := c.start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := c.procs.stop(t.Context(), "family", 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if all, err := c.procs.all(); err != nil || len(all) > 0 {
		t.Errorf("left: %v, %v", all, err)
	}
}

func TestSweepKillsOrphansOnly(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	family := service{name: "family", argv: []string{"sh", "-c", "sleep 3600 & wait"}, netns: ns}
	alone := service{name: "alone", argv: []string{"sleep", "3600"}, netns: ns}
	for _, s := range []service{family, alone} {
		if err := c.start(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	twoOfFamily := func(context.Context) error {
		all, err := c.procs.all()
		if err == nil && len(all) != 3 {
			err = errors.New("the child is not there")
		}
		return err
	}
	if err := await(t.Context(), "the child", twoOfFamily); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(c.pid(t, "family"), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), "the parent's end", func(context.Context) error {
		if c.pid(t, "family") != 0 {
			return errors.New("it runs")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.procs.sweep(t.Context(), func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	all, err := c.procs.all()
	if err != nil || len(all) != 1 || all[0].service != "alone" {
		t.Errorf("left: %v, %v", all, err)
	}
}

func TestServicesWithTheirOwnRunSeeNothingElseThere(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	if err := os.WriteFile(c.path("run", "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := service{name: "runner", argv: []string{"sh", "-c", "ls /run; exec sleep 3600"}, netns: ns, run: c.path("run")}
	s.ready = func(context.Context) error {
		if !strings.Contains(c.procs.tail("runner", 0), "mine") {
			return errors.New("it has not spoken")
		}
		return nil
	}
	if err := c.start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := c.procs.tail("runner", 0); strings.Contains(got, "netns") {
		t.Errorf("it sees %s", got)
	}
	if _, err := os.Stat("/run/mine"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the machine's /run has changed: %v", err)
	}
}

func TestSocketsAreMadeInsideTheNamespaceAndThreadsComeBack(t *testing.T) {
	ns := testNetns(t, "ktu")
	outside := netnsInode(t)
	l, err := ns.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String()); err == nil {
		t.Error("a listener in the namespace answers outside")
	}
	conn, err := ns.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if after := netnsInode(t); after != outside {
		t.Errorf("the thread is in namespace %d, it was in %d", after, outside)
	}
}

// netnsInode is the calling thread's network namespace.
func netnsInode(t *testing.T) uint64 {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestDiscardEndsWhatRunsInTheNamespace(t *testing.T) {
	c, ns := testCloud(t), testNetns(t, "ktu")
	guest := c.Command(t.Context(), "sleep", "3600")
	if err := ns.Start(guest); err != nil {
		t.Fatal(err)
	}
	if err := c.discard(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	if _, ok := running(guest.Process.Pid); ok {
		t.Error("the guest runs")
	}
	if ns.Exists() {
		t.Error("the namespace is there")
	}
}
