// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// Agent is a `kuryr agent` process in a node's namespace.
type Agent struct {
	// Host is where it runs.
	Host Host
	// Node is the same as a hypervisor of the rig's cloud; nil on another machine.
	Node *openstack.Node
	// Dir holds its configuration, journal, socket and log.
	Dir string
	// Socket is where it serves.
	Socket string
	// Cluster is the cluster id in its ports.
	Cluster string

	programs Programs
	config   map[string]any
	// metrics is the address of the agent's pages; empty: it serves none.
	metrics string

	mu   sync.Mutex
	env  []string      // guarded by mu; for the next start
	cmd  *exec.Cmd     // guarded by mu; nil while it does not run
	done chan struct{} // guarded by mu; closed when cmd has ended
}

// Host is a machine with an Open vSwitch.
type Host struct {
	// Name is what binding:host_id says.
	Name  string
	Netns openstack.Netns
	// OVSDB is the address of its Open vSwitch database.
	OVSDB string
}

// AgentOptions say what differs from the rig's usual agent.
type AgentOptions struct {
	// Cloud is the entry of the cloud's clouds.yaml; empty: "appcred".
	Cloud string
	// CloudsFile is the clouds.yaml that Cloud is in; empty: the rig's cloud's.
	CloudsFile string
	// Cluster is the cluster id; empty: "rig".
	Cluster string
	// Config is laid over the usual configuration, section by section. A section
	// "pool" switches pools on, which are off otherwise.
	Config map[string]map[string]any
}

// metricsAddress is where agents serve their pages unless their options say
// otherwise, the same in every node: they have namespaces of their own.
const metricsAddress = "127.0.0.1:9655"

// NewAgent prepares an agent for a node below dir; Start starts it.
func (r *Rig) NewAgent(node *openstack.Node, dir string, o AgentOptions) (*Agent, error) {
	if o.CloudsFile == "" {
		o.CloudsFile = r.Cloud.CloudsFile()
	}
	a, err := NewAgent(r.Programs, Host{Name: node.Name, Netns: node.Netns(), OVSDB: node.OVSDB()}, dir, o)
	if a != nil {
		a.Node = node
	}
	return a, err
}

// NewAgent prepares an agent for any host.
func NewAgent(programs Programs, host Host, dir string, o AgentOptions) (*Agent, error) {
	if o.Cloud == "" {
		o.Cloud = "appcred"
	}
	if o.Cluster == "" {
		o.Cluster = "rig"
	}
	a := &Agent{Host: host, Dir: dir, Socket: filepath.Join(dir, "agent.sock"), Cluster: o.Cluster, programs: programs}
	a.config = map[string]any{
		"node": host.Name, "cluster": o.Cluster,
		"agent":   map[string]any{"socket": a.Socket, "journal": filepath.Join(dir, "agent.db")},
		"cloud":   map[string]any{"name": o.Cloud, "configFile": o.CloudsFile, "requestTimeout": "30s"},
		"ovs":     map[string]any{"database": host.OVSDB},
		"log":     map[string]any{"level": "debug", "format": "json"},
		"metrics": map[string]any{"address": metricsAddress},
		// Most tests count ports, and so want each attachment to make its own.
		"pool": map[string]any{"enabled": false},
	}
	if _, ok := o.Config["pool"]; ok {
		a.config["pool"] = map[string]any{"enabled": true}
	}
	for section, values := range o.Config {
		into, ok := a.config[section].(map[string]any)
		if !ok {
			into = map[string]any{}
			a.config[section] = into
		}
		for k, v := range values {
			into[k] = v
		}
	}
	a.metrics = fmt.Sprint(a.config["metrics"].(map[string]any)["address"])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	return a, a.writeConfig()
}

func (a *Agent) writeConfig() error {
	b, err := yaml.Marshal(a.config)
	if err != nil {
		return fmt.Errorf("rig: encode configuration: %w", err)
	}
	if err := os.WriteFile(a.ConfigFile(), b, 0o600); err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	return nil
}

// ConfigFile is the agent's configuration.
func (a *Agent) ConfigFile() string { return filepath.Join(a.Dir, "agent.yaml") }

// LogFile is what the agent wrote, over all its lives.
func (a *Agent) LogFile() string { return filepath.Join(a.Dir, "agent.log") }

func (a *Agent) pidFile() string { return filepath.Join(a.Dir, pidName) }

// Start starts the process and waits until it serves.
func (a *Agent) Start(ctx context.Context) error {
	log, err := os.OpenFile(a.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(a.programs.Kuryr, "agent", "--config", a.ConfigFile())
	a.mu.Lock()
	cmd.Env = append(cleanEnv(), a.env...)
	a.mu.Unlock()
	cmd.Stdout, cmd.Stderr = log, log
	// A signal to the terminal's group is for the test, which then stops its agents.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := a.Host.Netns.Start(cmd); err != nil {
		return fmt.Errorf("rig: start agent: %w", err)
	}
	if err := os.WriteFile(a.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return errors.Join(fmt.Errorf("rig: %w", err), cmd.Process.Kill())
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	a.mu.Lock()
	a.cmd, a.done = cmd, done
	a.mu.Unlock()
	return Await(ctx, "agent of "+a.Host.Name, func(ctx context.Context) error {
		select {
		case <-done:
			return Fatal(fmt.Errorf("agent ended: %s", tail(a.LogFile())))
		default:
		}
		_, err := a.Client().Attachments(ctx)
		return err
	})
}

// CrashAfterWrite has an agent of a rig built with Race die right after so many
// writes of its journal are on the disk, counted from its next start; zero: never.
func (a *Agent) CrashAfterWrite(n int) { a.setEnv("KURYR_CRASH_AFTER_WRITE=" + strconv.Itoa(n)) }

// CrashOneWriteIn has it die, at random, after one write in so many; zero: never.
func (a *Agent) CrashOneWriteIn(n int) { a.setEnv("KURYR_CRASH_ONE_WRITE_IN=" + strconv.Itoa(n)) }

func (a *Agent) setEnv(kv string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.env = []string{kv}
}

// Ended is closed when the process that runs now has ended; nil while none runs.
func (a *Agent) Ended() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd == nil {
		return nil
	}
	return a.done
}

// Client talks to the agent's socket.
func (a *Agent) Client() *agentapi.Client { return &agentapi.Client{Socket: a.Socket} }

// Pid is the process id; zero while it does not run.
func (a *Agent) Pid() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd == nil {
		return 0
	}
	return a.cmd.Process.Pid
}

// Kill ends the process at once (kill -9) and waits for its end.
func (a *Agent) Kill() error { return a.signal(syscall.SIGKILL) }

// Stop ends the process in its own way (SIGTERM) and waits for its end.
func (a *Agent) Stop() error { return a.signal(syscall.SIGTERM) }

func (a *Agent) signal(sig syscall.Signal) error {
	a.mu.Lock()
	cmd, done := a.cmd, a.done
	a.cmd = nil
	a.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("rig: signal agent: %w", err)
	}
	<-done
	return nil
}

// Settled waits until the agent has nothing left to give back.
func (a *Agent) Settled(ctx context.Context) error {
	return Await(ctx, "releases of "+a.Host.Name, func(ctx context.Context) error {
		list, err := a.Client().Attachments(ctx)
		if err != nil {
			return err
		}
		for _, at := range list {
			if at.State == "releasing" || at.State == "attaching" {
				return fmt.Errorf("%s/%s is %s: %s", at.Sandbox, at.Interface, at.State, at.Waiting)
			}
		}
		return nil
	})
}

// Page fetches a page of the agent's metrics address: "/metrics", "/readyz".
func (a *Agent) Page(ctx context.Context, path string) (status int, body string, err error) {
	tr := &http.Transport{DialContext: a.Host.Netns.DialContext}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.metrics+path, nil)
	if err != nil {
		return 0, "", fmt.Errorf("rig: %w", err)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("rig: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", fmt.Errorf("rig: %w", err)
	}
	return resp.StatusCode, string(b), nil
}

// Command runs `kuryr ARGS...` in the node's namespace and gives its output.
func (a *Agent) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.programs.Kuryr, args...)
	cmd.Env = cleanEnv()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := a.Host.Netns.Start(cmd); err != nil {
		return "", fmt.Errorf("rig: kuryr %s: %w", args[0], err)
	}
	err := cmd.Wait()
	return out.String(), err
}

// cleanEnv is the environment without anything that names a cloud or a proxy.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "OS_") || strings.HasPrefix(name, "CNI_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			continue
		}
		env = append(env, kv)
	}
	return env
}

// tail is the end of a log, for an error text.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(b[max(0, len(b)-most):])
}

// pollPause is the pause between two looks at a state that nobody tells of.
const pollPause = 20 * time.Millisecond

// fatal is an error that waiting cannot mend.
type fatal struct{ error }

// Fatal makes Await give up at once.
func Fatal(err error) error { return fatal{err} }

// Await asks until ready returns nil, ctx ends, or ready's error is Fatal.
// The error names what was waited for and why it was not ready.
func Await(ctx context.Context, what string, ready func(context.Context) error) error {
	tick := time.NewTicker(pollPause)
	defer tick.Stop()
	for {
		err := ready(ctx)
		var f fatal
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			return fmt.Errorf("rig: %s: %w", what, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("rig: wait for %s: %w; last: %w", what, ctx.Err(), err)
		}
	}
}
