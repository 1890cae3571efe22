// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
)

// envProcess has the test's program be a cloud instead, with these processOptions.
const envProcess = "KURYR_CLOUD_PROCESS"

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if options := os.Getenv(envProcess); options != "" {
		if err := runProcess(options); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// processOptions are what a cloud of its own process is told.
type processOptions struct {
	Ports                      cloud.Ports
	Admin, Store, OVNNB, OVNSB string
}

func runProcess(text string) error {
	var o processOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	seed := cloud.DefaultSeed()
	seed.Network.Quota = map[string]int{"port": -1, "security_group": -1, "security_group_rule": -1}
	// Long enough for a kill to come in the middle of it.
	delay, err := faults.ParseLatency("uniform 0ms 50ms")
	if err != nil {
		return err
	}
	c, err := cloud.New(ctx, cloud.Options{
		Ports: o.Ports, AdminAddress: o.Admin, Store: o.Store, OVNNB: o.OVNNB, OVNSB: o.OVNSB,
		Seed: &seed, Faults: faults.Settings{LoadBalancerDelay: delay},
	})
	if err != nil {
		return err
	}
	return errors.Join(c.Serve(ctx), c.Close())
}

// process is a cloud in a process of its own, which may be killed.
type process struct {
	t   *testing.T
	o   processOptions
	cmd *exec.Cmd
	log *os.File
}

// newProcess prepares one; it keeps its ports and its store over its deaths.
func newProcess(t *testing.T, o processOptions) *process {
	t.Helper()
	dir, err := os.MkdirTemp("", "cloud") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	o.Admin = "unix:" + filepath.Join(dir, "admin.sock")
	if o.Store == "" {
		o.Store = filepath.Join(dir, "cloud.db")
	}
	o.Ports = cloud.Ports{Identity: freePort(t), Network: freePort(t), LoadBalancer: freePort(t)}
	p := &process{t: t, o: o, log: log}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("the cloud said: %s", b)
		}
		_ = log.Close()
		_ = os.RemoveAll(dir)
	})
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start returns when the process says that it is in order.
func (p *process) start() {
	p.t.Helper()
	text, err := json.Marshal(p.o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0], "-test.run=^$")
	p.cmd.Env = append(os.Environ(), envProcess+"="+string(text), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, p.healthy)
}

func (p *process) healthy() error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(p.o.Admin, "unix:"))
	}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://cloud/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %w", resp.Status, b, err)
	}
	return nil
}

// kill is kill -9, and returns when the process is dead.
func (p *process) kill() { p.end(syscall.SIGKILL) }

// stop ends it in the ordinary way.
func (p *process) stop() {
	p.t.Helper()
	if err := p.end(syscall.SIGTERM); err != nil {
		p.t.Errorf("the cloud ended with %v", err)
	}
}

func (p *process) end(by os.Signal) error {
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(by)
	err := p.cmd.Wait()
	p.cmd = nil
	return err
}

func (p *process) url(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

func eventually(t testing.TB, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("after %v: %v", patience, err)
}
