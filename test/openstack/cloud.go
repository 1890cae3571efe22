// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Cloud is a cloud of one state directory. Its methods may be called from
// several goroutines, and several processes may hold the same cloud.
type Cloud struct {
	dir   string
	procs processes
	began time.Time
	// progress is never nil.
	progress func(time.Duration, string)
	template string

	// mu guards rec's nodes. Its prefix never changes.
	mu   sync.Mutex
	rec  record
	seed seed

	clients clients
}

// directories of a state directory. All that is worth keeping is in db.
var directories = []string{"etc", "run", "run/octavia", "logs", "db", "state/neutron/lock", "state/home"}

func open(dir string, rec record) *Cloud {
	c := &Cloud{dir: dir, rec: rec, began: time.Now(), progress: func(time.Duration, string) {}}
	c.procs = processes{logs: c.path("logs")}
	return c
}

// Up brings the cloud of a directory up, as far as it is not. Nothing is
// rolled back when it fails: call it again, or Down.
func Up(ctx context.Context, opts Options) (*Cloud, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fault.New(fault.Unauthorized, "openstack: bring up %s: only root can make network namespaces", opts.Dir)
	}
	c := open(opts.Dir, record{Prefix: opts.Prefix, Embedded: opts.Embedded})
	// Before anything is written: a refusal shall leave nothing.
	if err := c.mayOwn(); err != nil {
		return nil, err
	}
	if c.rec, err = claim(opts.Dir, c.rec); err != nil {
		return nil, err
	}
	if opts.Progress != nil {
		c.progress = opts.Progress
	}
	c.template = opts.Template
	for _, d := range directories {
		if err := os.MkdirAll(c.path(d), 0o755); err != nil {
			return nil, fmt.Errorf("openstack: bring up %s: %w", c.dir, err)
		}
	}
	if err := c.locked(ctx, func() error { return c.up(ctx, opts) }); err != nil {
		return nil, err
	}
	return c, nil
}

// Attach gives the cloud of a directory (empty: DefaultDir()) that Up has
// brought up, whoever did. It starts nothing.
func Attach(dir string) (*Cloud, error) {
	dir, err := cleanDir(dir)
	if err != nil {
		return nil, err
	}
	rec, err := readRecord(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "openstack: no cloud in %s; bring one up first: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	c := open(dir, rec)
	if rec.Ready.IsZero() {
		return c, nil
	}
	return c, c.readSeed()
}

// IsUp tells whether anything of the cloud in dir runs.
func IsUp(dir string) bool {
	c, err := Attach(dir)
	if err != nil {
		return false
	}
	defer c.Close()
	services, err := c.Status()
	return err == nil && slices.ContainsFunc(services, func(s ServiceStatus) bool { return s.PID != 0 })
}

func (c *Cloud) up(ctx context.Context, opts Options) error {
	if err := c.adopt(opts); err != nil {
		return err
	}
	if c.rec.Embedded {
		if err := c.provide(ctx, opts.Program); err != nil {
			return err
		}
	}
	if c.isUp(ctx) {
		c.step("already up")
		return nil
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := c.startBackends(ctx); err != nil {
		return err
	}
	if err := c.startRest(ctx); err != nil {
		return err
	}
	if err := c.followChassis(ctx); err != nil {
		return err
	}
	c.step("every chassis is alive in Neutron")
	c.rec.Ready = time.Now()
	return c.rec.write(c.dir)
}

// adopt joins what is asked for with what another process has recorded meanwhile.
func (c *Cloud) adopt(opts Options) error {
	rec, err := readRecord(c.dir)
	if err != nil {
		return err
	}
	rec.Prefix, rec.Embedded, rec.Debug = opts.Prefix, opts.Embedded, rec.Debug || opts.Debug
	for n := 1; len(rec.Nodes) < opts.Nodes; n++ {
		if !slices.Contains(rec.Nodes, n) {
			rec.Nodes = append(rec.Nodes, n)
		}
	}
	slices.Sort(rec.Nodes)
	c.rec = rec
	if err := c.rec.write(c.dir); err != nil {
		return err
	}
	return c.configure()
}

// isUp tells whether there is nothing to do.
func (c *Cloud) isUp(ctx context.Context) bool {
	if c.rec.Ready.IsZero() || c.readSeed() != nil || c.seed.Version != seedVersion {
		return false
	}
	leaders, err := c.procs.leaders()
	if err != nil {
		return false
	}
	for _, s := range c.services() {
		if !s.netns.Exists() || !c.current(s, leaders) {
			return false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, s := range c.services() {
		if s.ready != nil && s.ready(ctx) != nil {
			return false
		}
	}
	return true
}

// prepare makes what the services stand on.
func (c *Cloud) prepare(ctx context.Context) error {
	missing, err := MissingPackages(ctx, c.rec.Embedded)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fault.New(fault.NotFound, "openstack: bring up %s: missing packages: %v; install them first", c.dir, missing)
	}
	known := make(map[string]bool)
	for _, s := range c.services() {
		known[s.name] = true
	}
	if err := c.procs.sweep(ctx, func(name string) bool { return known[name] }); err != nil {
		return err
	}
	if err := c.unpack(); err != nil {
		return err
	}
	if err := c.makeFabric(); err != nil {
		return err
	}
	c.step("namespaces and cables are there")
	return nil
}

// startBackends starts what the APIs need: OVN's databases and MariaDB with its contents.
func (c *Cloud) startBackends(ctx context.Context) error {
	if c.rec.Embedded {
		return c.startCentral(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.startCentral(ctx) })
	g.Go(func() error {
		if err := c.startDatabase(ctx); err != nil {
			return err
		}
		if err := c.migrate(ctx); err != nil {
			return err
		}
		return c.bootstrap(ctx)
	})
	return g.Wait()
}

// startRest starts the APIs and the hypervisors, and seeds the cloud as soon
// as it can be.
func (c *Cloud) startRest(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.startAPIs(ctx) })
	for _, n := range c.Nodes() {
		g.Go(func() error {
			if err := n.start(ctx); err != nil {
				return err
			}
			c.step(n.Name + " is up")
			return nil
		})
	}
	return g.Wait()
}

func (c *Cloud) startAPIs(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range c.apis() {
		g.Go(func() error {
			if err := c.start(gctx, s); err != nil {
				return err
			}
			c.step(s.name + " answers")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := c.sow(ctx); err != nil {
		return err
	}
	c.step("users, credentials and the provider network are there")
	return nil
}

func (c *Cloud) step(what string) { c.progress(time.Since(c.began), what) }

// Dir is the state directory.
func (c *Cloud) Dir() string { return c.dir }

// Prefix begins the names of the cloud's namespaces.
func (c *Cloud) Prefix() string { return c.rec.Prefix }

// Embedded tells whether the APIs are those of Kuryr's embedded OpenStack.
func (c *Cloud) Embedded() bool { return c.rec.Embedded }

// Control is the control plane's namespace, from which everything is reached.
func (c *Cloud) Control() Netns { return Netns{c.rec.Prefix + "-ctl"} }

// Outside is a host on the provider network, with the address
// ProviderGateway: the world beyond the cloud.
func (c *Cloud) Outside() Netns { return Netns{c.rec.Prefix + "-fab"} }

// Nodes gives the hypervisors in the order of their numbers.
func (c *Cloud) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []*Node
	for _, n := range c.rec.Nodes {
		nodes = append(nodes, c.node(n))
	}
	return nodes
}

// Node finds a hypervisor by its name ("node1"); nil: there is none.
func (c *Cloud) Node(name string) *Node {
	for _, n := range c.Nodes() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// DialContext connects from the control plane's namespace; addresses must be numeric.
func (c *Cloud) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return c.Control().DialContext(ctx, network, address)
}

// Transport gives a new HTTP transport with DialContext and without a proxy.
func (c *Cloud) Transport() *http.Transport {
	return &http.Transport{DialContext: c.DialContext, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
}

// Endpoints are the APIs' URLs, reachable from the control plane and the
// hypervisors over the management network.
type Endpoints struct {
	// Identity ends in /v3; Network and LoadBalancer have no version.
	Identity, Network, LoadBalancer string
}

// The APIs' TCP ports.
const (
	portIdentity     = 5000
	portNetwork      = 9696
	portLoadBalancer = 9876
)

// Endpoints gives the APIs' URLs.
func (c *Cloud) Endpoints() Endpoints {
	base := func(port int) string {
		return "http://" + net.JoinHostPort(controlAddress.Addr().String(), strconv.Itoa(port))
	}
	return Endpoints{Identity: base(portIdentity) + "/v3", Network: base(portNetwork), LoadBalancer: base(portLoadBalancer)}
}

// answers gives a probe that is content when url answers with the status.
func (c *Cloud) answers(url string, status int) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("openstack: get %s: %w", url, err)
		}
		t := c.Transport()
		defer t.CloseIdleConnections()
		resp, err := t.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("openstack: get %s: %w", url, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			return fmt.Errorf("openstack: get %s: answered %s, not %d", url, resp.Status, status)
		}
		return nil
	}
}

// Command prepares a command in the clean environment that the services have,
// with a home of its own. Start it with the Start of a Netns.
func (c *Cloud) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program(name), args...)
	cmd.Env = environment("HOME=" + c.path("state", "home"))
	return cmd
}
