// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/serve"
)

// Options are what a Cloud is made of. The zero value is a simulator in memory
// on free ports of the loopback address.
type Options struct {
	// Address is the host name or IP address that the APIs listen on; empty: 127.0.0.1.
	Address string
	// Ports are the APIs' TCP ports; one that is zero is any free one.
	Ports Ports
	// PublicHost is the host of the catalogue's URLs; empty: Address, which then
	// must not be a wildcard.
	PublicHost string
	// AdminAddress is where health, faults, request log and metrics are served:
	// unix:PATH or HOST:PORT; empty: nowhere.
	AdminAddress string
	// OVNNB and OVNSB are the addresses of OVN's databases; both empty: no OVN.
	OVNNB, OVNSB string
	// Store is the file that holds everything; empty: memory alone.
	Store string
	// Seed is what the cloud begins with; the zero value: DefaultSeed.
	Seed *Seed
	// Faults are the faults of the beginning.
	Faults faults.Settings
	// RequestLog is how many calls the request log keeps; zero: 10,000.
	RequestLog int
	// Grace is what requests get to finish at the end; zero: 2 seconds.
	Grace time.Duration
	// Logger is told what goes on; nil: nobody is.
	Logger *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Ports are the APIs' TCP ports.
type Ports struct{ Identity, Network, LoadBalancer int }

// DefaultPorts are those that the services themselves choose.
func DefaultPorts() Ports { return Ports{Identity: 5000, Network: 9696, LoadBalancer: 9876} }

// Endpoints are the APIs' URLs, as the catalogue has them.
type Endpoints struct{ Identity, Network, LoadBalancer string }

// Cloud is a cloud that listens. Its methods may be called from several goroutines.
type Cloud struct {
	options   Options
	seed      Seed
	started   time.Time
	listeners []listener
	admin     net.Listener // nil: none
	faults    *faults.Faults
	registry  *prometheus.Registry
	tables    *model.Tables
	parts     parts
	serving   atomic.Bool
}

// New opens the store, listens, puts the parts together and seeds them. OVN,
// if there is one, is connected in the background. Close ends it; clients wait
// until Serve.
func New(ctx context.Context, o Options) (_ *Cloud, err error) {
	c := &Cloud{options: o.complete(), started: time.Now(), registry: prometheus.NewRegistry()}
	if err := c.options.check(); err != nil {
		return nil, err
	}
	c.seed = c.options.Seed.complete()
	c.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if c.faults, err = faults.New(faults.Options{Settings: o.Faults, Log: o.RequestLog, Now: o.Now, Registerer: c.registry}); err != nil {
		return nil, fmt.Errorf("cloud: faults: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.listen(ctx); err != nil {
		return nil, err
	}
	c.tables = model.New()
	c.registry.MustRegister(rows{c.tables.Store})
	if err := c.tables.Open(o.Store); err != nil {
		return nil, fmt.Errorf("cloud: %w", err)
	}
	return c, c.assemble(ctx)
}

func (o Options) complete() Options {
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.PublicHost == "" {
		o.PublicHost = o.Address
	}
	if o.Seed == nil {
		s := DefaultSeed()
		o.Seed = &s
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) check() error {
	if ip := net.ParseIP(o.PublicHost); ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("cloud: listen on %s: the catalogue cannot name it; a public host is needed", o.Address)
	}
	if (o.OVNNB == "") != (o.OVNSB == "") {
		return errors.New("cloud: the addresses of both of OVN's databases are needed, or neither")
	}
	return o.Seed.check(nil, "seed").Err()
}

// Serve serves until ctx ends. Requests under way then get the grace to finish.
func (c *Cloud) Serve(ctx context.Context) error {
	servers := make([]serve.Server, 0, len(c.listeners)+1)
	for i, l := range c.listeners {
		servers = append(servers, serve.Server{Name: l.kind, Listener: l.Listener, Handler: c.handler(i)})
	}
	if c.admin != nil {
		servers = append(servers, serve.Server{Name: "admin", Listener: c.admin, Handler: c.adminHandler()})
	}
	c.serving.Store(true)
	defer c.serving.Store(false)
	return serve.Serve(ctx, c.options.Logger, c.options.Grace, servers...)
}

// Close ends everything. Serve must have returned, or never been called.
func (c *Cloud) Close() error {
	c.parts.close()
	var errs []error
	for _, l := range c.listeners {
		errs = append(errs, l.Close())
	}
	if c.admin != nil {
		errs = append(errs, c.admin.Close())
	}
	if c.tables != nil {
		errs = append(errs, c.tables.Close())
	}
	for i, err := range errs {
		if errors.Is(err, net.ErrClosed) {
			errs[i] = nil // Serve has closed it
		}
	}
	return errors.Join(errs...)
}

// Health tells why the cloud is not in order; nil when everything is served
// and OVN is in step.
func (c *Cloud) Health() error {
	if err := c.Ready(); err != nil {
		return err
	}
	return c.parts.healthy()
}

// Ready tells why the APIs do not answer; nil when they do.
func (c *Cloud) Ready() error {
	if !c.serving.Load() {
		return errors.New("the APIs are not served yet")
	}
	return nil
}

// Endpoints gives the APIs' URLs.
func (c *Cloud) Endpoints() Endpoints {
	return Endpoints{c.url(0), c.url(1), c.url(2)}
}

// AdminAddress is where the admin endpoint listens: unix:PATH, HOST:PORT, or
// empty.
func (c *Cloud) AdminAddress() string {
	switch {
	case c.admin == nil:
		return ""
	case c.admin.Addr().Network() == "unix":
		return c.options.AdminAddress
	}
	return c.admin.Addr().String()
}

// Faults are the faults and the request log.
func (c *Cloud) Faults() *faults.Faults { return c.faults }

// Seed is what the cloud began with.
func (c *Cloud) Seed() Seed { return c.seed }

// Tables are what the cloud stores.
func (c *Cloud) Tables() *model.Tables { return c.tables }

// handler is a service's HTTP side with the faults before it.
func (c *Cloud) handler(i int) http.Handler { return c.faults.Wrap(c.parts.muxes[i]) }
