// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// FaultProxy stands before Keystone and Neutron of any test cloud, inside a
// node's namespace. Who logs in through it finds it in the catalogue in
// Neutron's place, so that faults meet all of a client's calls; who does not
// has the cloud as it is.
//
// An answer passes as it came, except that it is said to be JSON, that
// Keystone's catalogue and links name the proxy, and that each call has a
// connection of its own to the cloud. A cloud that does not answer the proxy
// shows as 502. In a Match, project and user are known of tokens that were
// issued through the proxy.
type FaultProxy struct {
	faults *faults.Faults
	clouds string
	fronts []*front
}

// front is one service's side towards the clients.
type front struct {
	in      openstack.Netns
	handler http.Handler
	// address is where it listens. Its port is chosen by the first listen.
	address string

	mu     sync.Mutex
	server *http.Server  // guarded by mu; nil while it does not listen
	done   chan struct{} // guarded by mu; closed when server has ended
}

// NewFaultProxy starts a proxy in a node's namespace; Close ends it, and the
// rig's Close does.
func (r *Rig) NewFaultProxy(ctx context.Context, node *openstack.Node) (*FaultProxy, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dir := filepath.Join(r.Dir, fmt.Sprintf("p%d", len(r.proxies)))
	p, err := newFaultProxy(ctx, node.Netns(), r.Cloud.Endpoints(), r.Cloud.CloudsFile(), dir)
	if err != nil {
		return nil, err
	}
	r.proxies = append(r.proxies, p)
	return p, nil
}

// newFaultProxy starts a proxy before endpoints that are reached from a
// namespace. clouds is the clouds.yaml to be changed, dir where that goes.
func newFaultProxy(ctx context.Context, in openstack.Netns, endpoints openstack.Endpoints, clouds, dir string) (*FaultProxy, error) {
	f, err := faults.New(faults.Options{})
	if err != nil {
		return nil, fmt.Errorf("rig: fault proxy: %w", err)
	}
	p := &FaultProxy{faults: f, clouds: filepath.Join(dir, "clouds.yaml")}
	// Listening comes first: each service tells of the other's address.
	bases, listeners := map[string]string{}, []net.Listener{}
	for _, name := range proxied {
		next := &front{in: in, address: "127.0.0.1:0"}
		l, err := next.listen(ctx)
		if err != nil {
			return nil, errors.Join(append(closeAll(listeners), err)...)
		}
		p.fronts, listeners, bases[name] = append(p.fronts, next), append(listeners, l), "http://"+next.address
	}
	muxes, err := passage{in: in, bases: bases, callers: newCallers()}.muxes(endpoints)
	if err == nil {
		err = p.writeClouds(clouds, bases[identity])
	}
	if err != nil {
		return nil, errors.Join(append(closeAll(listeners), err)...)
	}
	for i, next := range p.fronts {
		next.handler = f.Wrap(muxes[proxied[i]])
		next.serve(listeners[i])
	}
	return p, nil
}

func closeAll(listeners []net.Listener) (failed []error) {
	for _, l := range listeners {
		failed = append(failed, l.Close())
	}
	return failed
}

// writeClouds copies a clouds.yaml with another identity service.
func (p *FaultProxy) writeClouds(from, identity string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("rig: fault proxy: %w", err)
	}
	var file struct {
		Clouds map[string]map[string]any `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		return fmt.Errorf("rig: fault proxy: read %s: %w", from, err)
	}
	for name, entry := range file.Clouds {
		auth, ok := entry["auth"].(map[string]any)
		if !ok {
			return fmt.Errorf("rig: fault proxy: %s: cloud %s has no auth", from, name)
		}
		auth["auth_url"] = identity + "/v3"
	}
	if b, err = yaml.Marshal(map[string]any{"clouds": file.Clouds}); err != nil {
		return fmt.Errorf("rig: fault proxy: encode clouds.yaml: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(p.clouds), 0o700); err != nil {
		return fmt.Errorf("rig: fault proxy: %w", err)
	}
	if err := os.WriteFile(p.clouds, b, 0o600); err != nil {
		return fmt.Errorf("rig: fault proxy: %w", err)
	}
	return nil
}

// CloudsFile is the cloud's clouds.yaml with the proxy as its auth_url, for
// AgentOptions. It is of use in the node's namespace alone.
func (p *FaultProxy) CloudsFile() string { return p.clouds }

// Set replaces the faults; faults.Read reads them from YAML. The error is
// about the settings.
func (p *FaultProxy) Set(s faults.Settings) error {
	if err := p.faults.Set(s); err != nil {
		return fmt.Errorf("rig: fault proxy: %w", err)
	}
	return nil
}

// Clear removes all faults, and lets go what hangs.
func (p *FaultProxy) Clear() { p.faults.Clear() }

// Stop cuts all connections and refuses new ones, as a cloud that is down.
// Calls under way end without an answer, whatever the cloud makes of them.
func (p *FaultProxy) Stop() error {
	var failed []error
	for _, f := range p.fronts {
		failed = append(failed, f.stop())
	}
	return errors.Join(failed...)
}

// Start accepts connections again after Stop, at the same addresses.
func (p *FaultProxy) Start(ctx context.Context) error {
	for _, f := range p.fronts {
		if err := f.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// closeTime is how long calls may take to notice that their clients are gone.
const closeTime = 10 * time.Second

// Close ends the proxy for good: no call is under way any more. It may be
// called again.
func (p *FaultProxy) Close() error {
	p.Clear()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return errors.Join(p.Stop(), Await(ctx, "the end of the calls through the fault proxy", func(context.Context) error {
		if n := p.faults.InFlight(); n > 0 {
			return fmt.Errorf("%d under way", n)
		}
		return nil
	}))
}

// listen listens at the address, and keeps the port for all later times.
func (f *front) listen(ctx context.Context) (net.Listener, error) {
	l, err := f.in.Listen(ctx, "tcp", f.address)
	if err != nil {
		return nil, fmt.Errorf("rig: fault proxy: %w", err)
	}
	f.address = l.Addr().String()
	return l, nil
}

// start begins to serve, unless it does.
func (f *front) start(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		return nil
	}
	l, err := f.listen(ctx)
	if err == nil {
		f.serve(l)
	}
	return err
}

// serve begins to serve. The caller holds mu, or is alone yet.
func (f *front) serve(l net.Listener) {
	// A client that sends half a header and waits would be held for ever.
	server, done := &http.Server{Handler: f.handler, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with ErrServerClosed, and nothing else
	}()
	f.server, f.done = server, done
}

func (f *front) stop() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server == nil {
		return nil
	}
	err := f.server.Close()
	<-f.done
	f.server = nil
	if err != nil {
		return fmt.Errorf("rig: fault proxy: %w", err)
	}
	return nil
}
