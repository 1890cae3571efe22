// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// central is OVN's databases, each with an ovsdb-server, and ovn-northd if wanted.
type central struct {
	dir     string
	t       testing.TB
	running map[string]*exec.Cmd
}

// needOVN skips a test where OVN is not installed, or fails it where it must be.
func needOVN(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"ovsdb-tool", "ovsdb-server", "ovn-northd", "ovn-nbctl", "ovn-sbctl"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("KURYR_TEST_REQUIRE") == "1" {
			t.Fatalf("cannot run: no %s (Debian: ovn-central)", tool)
		}
		t.Skipf("cannot run: no %s (Debian: ovn-central)", tool)
	}
}

func startCentral(t testing.TB) *central {
	t.Helper()
	needOVN(t)
	dir, err := os.MkdirTemp("", "ovn") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	c := &central{dir: dir, t: t, running: map[string]*exec.Cmd{}}
	t.Cleanup(func() {
		for _, name := range []string{"northd", "nb", "sb"} {
			c.kill(name)
		}
		_ = os.RemoveAll(dir)
	})
	for name, schema := range map[string]string{"nb": "/usr/share/ovn/ovn-nb.ovsschema", "sb": "/usr/share/ovn/ovn-sb.ovsschema"} {
		c.run("ovsdb-tool", "create", c.path(name+".db"), schema)
		c.startDB(name)
	}
	c.nbctl("init")
	c.run("ovn-sbctl", "--db="+c.address("sb"), "init")
	return c
}

func (c *central) path(name string) string    { return filepath.Join(c.dir, name) }
func (c *central) address(name string) string { return "unix:" + c.path(name+".sock") }

func (c *central) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+c.dir, "OVS_LOGDIR="+c.dir, "OVN_RUNDIR="+c.dir, "OVN_LOGDIR="+c.dir, "OVN_DBDIR="+c.dir)
	return cmd
}

func (c *central) run(name string, args ...string) string {
	c.t.Helper()
	cmd := c.command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// startDB returns when the server answers.
func (c *central) startDB(name string) {
	c.t.Helper()
	socket := c.path(name + ".sock")
	_ = os.Remove(socket)
	c.start(name, "ovsdb-server", "--remote=punix:"+socket, c.path(name+".db"))
	eventually(c.t, func() error {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (c *central) startNorthd() {
	c.t.Helper()
	c.start("northd", "ovn-northd", "--ovnnb-db="+c.address("nb"), "--ovnsb-db="+c.address("sb"))
}

func (c *central) start(name, program string, args ...string) {
	c.t.Helper()
	cmd := c.command(program, append([]string{"-vconsole:off", "-vsyslog:off", "--log-file=" + c.path(name+".log"), "--unixctl=" + c.path(name+".ctl")}, args...)...)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.running[name] = cmd
}

// kill ends a daemon at once, as a crash would, and returns when it is dead.
func (c *central) kill(name string) {
	if cmd := c.running[name]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		delete(c.running, name)
	}
}

func (c *central) nbctl(args ...string) string {
	c.t.Helper()
	return c.run("ovn-nbctl", append([]string{"--no-leader-only", "--db=" + c.address("nb"), "--timeout=30"}, args...)...)
}

func (c *central) sbctl(args ...string) string {
	c.t.Helper()
	return c.run("ovn-sbctl", append([]string{"--no-leader-only", "--db=" + c.address("sb"), "--timeout=30"}, args...)...)
}

// backend starts a back end; it is closed with the test.
func (c *central) backend(tables *model.Tables, events Events, change ...func(*Options)) *Backend {
	c.t.Helper()
	o := Options{NB: c.address("nb"), SB: c.address("sb"), DNSServers: []string{"192.0.2.53"}, DNSDomain: "kuryr.test."}
	for _, f := range change {
		f(&o)
	}
	b, err := New(tables, o)
	if err != nil {
		c.t.Fatal(err)
	}
	b.Start(context.Background(), events)
	c.t.Cleanup(b.Close)
	return b
}

// settled waits until everything is in step.
func settled(t testing.TB, b *Backend) {
	t.Helper()
	eventually(t, func() error { return b.Healthy() })
}

func eventually(t testing.TB, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("after %s: %v", patience, err)
}

// commit changes the tables and waits until that is in effect.
func commit(t testing.TB, tables *model.Tables, b *Backend, change func(tx *store.Tx)) {
	t.Helper()
	seq, err := tables.Update(func(tx *store.Tx) error { change(tx); return nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Settle(ctx, seq); err != nil {
		t.Fatal(err)
	}
}

// spy is a replica of the northbound database of its own.
func (c *central) spy() *ovsdb.Conn {
	c.t.Helper()
	conn, err := ovsdb.Dial(context.Background(), c.address("nb"), northbound, func([]ovsdb.Change) {})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(conn.Close)
	return conn
}

// addChassis adds a hypervisor as ovn-controller would.
func (c *central) addChassis(name, mappings, options string) {
	c.t.Helper()
	c.sbctl("chassis-add", name, "geneve", "198.51.100."+name[len(name)-1:])
	c.sbctl("set", "Chassis", name, "hostname="+name, "other_config:port-up-notif=true", `other_config:ovn-bridge-mappings="`+mappings+`"`, `other_config:ovn-cms-options="`+options+`"`)
	c.sbctl("create", "Chassis_Private", "name="+name, "chassis="+c.sbctl("get", "Chassis", name, "_uuid"))
}
