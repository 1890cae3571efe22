// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
)

// inside is set in the test process that runs in namespaces of its own.
const inside = "KURYR_OVS_TEST_INSIDE"

// missing says what these tests lack here; "" when they can run.
var missing string

// TestMain runs the tests in their own network, mount and pid namespaces:
// there "the node" is theirs alone, and with the process everything is gone.
func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		if missing = lacking(); missing == "" {
			os.Exit(runInside())
		}
		os.Exit(m.Run())
	}
	if err := settle(); err != nil {
		fmt.Fprintln(os.Stderr, "prepare namespaces:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func lacking() string {
	if os.Getuid() != 0 {
		return "not root"
	}
	for _, tool := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "no " + tool + " (Debian: openvswitch-switch)"
		}
	}
	return ""
}

// needOVS skips a test where the real switch cannot run, or fails it where it must.
func needOVS(t testing.TB) {
	t.Helper()
	if missing == "" {
		return
	}
	if os.Getenv("KURYR_TEST_REQUIRE") == "1" {
		t.Fatal("cannot run: ", missing)
	}
	t.Skip("cannot run: ", missing)
}

func runInside() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	// Pdeathsig is about the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "enter namespaces:", err)
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	var failed *exec.ExitError
	switch err := cmd.Wait(); {
	case errors.As(err, &failed):
		return max(failed.ExitCode(), 1)
	case err != nil:
		return 1
	}
	return 0
}

// settle makes the new namespaces usable: private mounts, its own /proc and
// /sys, loopback up.
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	return exec.Command("ip", "link", "set", "lo", "up").Run()
}

// node is a real ovsdb-server and ovs-vswitchd with an integration bridge of
// the userspace datapath.
type node struct {
	dir string
	t   testing.TB
}

func startNode(t testing.TB) *node {
	t.Helper()
	needOVS(t)
	n := newNode(t)
	n.startDB()
	n.startSwitch()
	n.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail_mode=standalone")
	return n
}

// newNode prepares a database and starts nothing.
func newNode(t testing.TB) *node {
	t.Helper()
	needOVS(t)
	dir, err := os.MkdirTemp("", "ovs") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	n := &node{dir: dir, t: t}
	t.Cleanup(func() {
		n.stopSwitch()
		n.stopDB()
		sweepDevices(t)
		_ = os.RemoveAll(dir)
	})
	n.run("ovsdb-tool", "create", n.path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema")
	return n
}

// sweepDevices removes what a test left: the kernel takes its time to reap
// the devices of a sandbox that ended.
func sweepDevices(t testing.TB) {
	links, err := sandbox.Dump(netlink.LinkList)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if strings.HasPrefix(link.Attrs().Name, "tap") {
			_ = netlink.LinkDel(link)
		}
	}
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }
func (n *node) database() string        { return "unix:" + n.path("db.sock") }

func (n *node) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+n.dir, "OVS_LOGDIR="+n.dir, "OVS_DBDIR="+n.dir, "OVS_SYSCONFDIR="+n.dir, "OVN_RUNDIR="+n.dir, "OVN_DBDIR="+n.dir)
	return cmd
}

func (n *node) run(name string, args ...string) string {
	n.t.Helper()
	out, err := n.command(name, args...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// startDB returns when ovsdb-server answers: that is when it detaches.
func (n *node) startDB() {
	n.t.Helper()
	n.run("ovsdb-server", "--detach", "--no-chdir", "-vconsole:off", "-vsyslog:off", "--log-file="+n.path("ovsdb.log"),
		"--pidfile="+n.path("ovsdb.pid"), "--unixctl="+n.path("ovsdb.ctl"), "--remote=punix:"+n.path("db.sock"), n.path("conf.db"))
	n.run("ovs-vsctl", "--no-wait", "--db="+n.database(), "init")
}

func (n *node) startSwitch() {
	n.t.Helper()
	n.run("ovs-vswitchd", "--detach", "--no-chdir", "-vconsole:off", "-vsyslog:off", "--log-file="+n.path("vswitchd.log"),
		"--pidfile="+n.path("vswitchd.pid"), "--unixctl="+n.path("vswitchd.ctl"), "--disable-system", n.database())
}

func (n *node) stopDB()     { n.kill("ovsdb.pid") }
func (n *node) stopSwitch() { n.kill("vswitchd.pid") }

// kill ends a daemon at once, as a crash would, and returns when it is dead.
func (n *node) kill(pidfile string) {
	pid := n.pid(pidfile)
	if pid == 0 {
		return
	}
	_ = os.Remove(n.path(pidfile))
	_ = unix.Kill(pid, unix.SIGKILL)
	// Orphans of this pid namespace are this process's children.
	_, _ = unix.Wait4(pid, nil, 0, nil)
}

func (n *node) pid(pidfile string) int {
	text, err := os.ReadFile(n.path(pidfile))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func (n *node) signal(pidfile string, sig unix.Signal) {
	if err := unix.Kill(n.pid(pidfile), sig); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) signalSwitch(sig unix.Signal) { n.signal("vswitchd.pid", sig) }

func (n *node) vsctl(args ...string) string {
	n.t.Helper()
	return n.run("ovs-vsctl", append([]string{"--db=" + n.database(), "--timeout=30"}, args...)...)
}

// newBinder starts a Binder on the node; it is closed with the test.
func (n *node) newBinder(change ...func(*Options)) *Binder {
	n.t.Helper()
	o := Options{Database: n.database(), Cluster: "test", Node: "node1"}
	for _, f := range change {
		f(&o)
	}
	b, err := New(o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(b.Close)
	return b
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
