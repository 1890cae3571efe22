// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// undoTimeout bounds the undo of an attach, whatever is left of the caller's
// own time.
const undoTimeout = 10 * time.Second

// plan is an attach worked out: what to make where.
type plan struct {
	req       *binder.Request
	host      binder.Interface
	hostMAC   net.HardwareAddr
	hostIndex int
	config    sandbox.Config
	bridge    string
	// ovn tells that ovn-controller confirms the port.
	ovn bool
	// wire is the port's wire, when it has one.
	wire *wire
}

// Bind makes the veth, configures its end in the sandbox, adds the other end
// to the bridge and waits until the switch has taken it: with OVN until its
// flows are in place (Result.Wired), else until ovs-vswitchd has opened the
// device. When the error is not nil, nothing of it is left.
//
// A port that Prewire made ready has those flows already: its wire is used
// (Result.Prewired), and outlives a Bind that fails.
//
// Errors, by class: Invalid (field "mtu", "mac", "interface" or "netns");
// NotFound (the namespace); Conflict (an interface, device, row or route of
// the name is there and not Kuryr's; an MTU too large for the tunnels);
// Unavailable (no database, no bridge, the switch did not take the port
// before ctx ended or said why not).
func (b *Binder) Bind(ctx context.Context, r binder.Request) (binder.Result, error) {
	res, err := b.bind(ctx, &r)
	if err != nil {
		return binder.Result{}, fmt.Errorf("ovs: bind port %s: %w", r.Lease.PortID, err)
	}
	return res, nil
}

func (b *Binder) bind(ctx context.Context, r *binder.Request) (binder.Result, error) {
	unlock, err := b.ports.lock(ctx, hostName(r.Lease.PortID))
	if err != nil {
		return binder.Result{}, fmt.Errorf("wait for another operation on the port: %w", err)
	}
	defer unlock()
	p, err := planInterface(r)
	if err != nil {
		return binder.Result{}, err
	}
	box, err := sandbox.Open(r.Netns)
	if err != nil {
		return binder.Result{}, err
	}
	defer box.Close()
	if err := b.planSwitch(ctx, p); err != nil {
		return binder.Result{}, err
	}
	if err := b.clear(ctx, p); err != nil {
		return binder.Result{}, err
	}
	if err := b.findWire(ctx, p); err != nil {
		return binder.Result{}, err
	}
	if err := b.wire(ctx, p, box); err != nil {
		return binder.Result{}, err
	}
	return p.result(), nil
}

// planInterface works out what the request alone decides.
func planInterface(r *binder.Request) (*plan, error) {
	if r.Lease.PortID == "" || r.Attachment == "" {
		return nil, fault.New(fault.Internal, "request without a port or an attachment")
	}
	mtu, err := chooseMTU(r)
	if err != nil {
		return nil, err
	}
	config, err := sandbox.Plan(*r, mtu)
	if err != nil {
		return nil, err
	}
	mac := hostMAC()
	host := binder.Interface{Name: hostName(r.Lease.PortID), MAC: mac.String(), MTU: mtu}
	return &plan{req: r, host: host, hostMAC: mac, config: config}, nil
}

// planSwitch works out what the switch's database decides.
func (b *Binder) planSwitch(ctx context.Context, p *plan) error {
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	p.bridge = bridgeOf(c, &p.req.Lease)
	br, ok := c.bridge(p.bridge)
	if !ok {
		return noBridge(p.bridge, b.opts.Database)
	}
	p.ovn = b.ready(c.theSwitch()) == ReadyOVN
	p.config.NoTxChecksum = b.noTxChecksum(br)
	return b.checkUnderlay(ctx, c, &p.req.Lease, p.host.MTU)
}

// bridgeOf is the bridge that a port belongs into.
func bridgeOf(c *conn, l *lease.Lease) string {
	if l.Bridge != "" {
		return l.Bridge
	}
	return integrationBridge(c.theSwitch())
}

// integrationBridge is the bridge for ports that name none.
func integrationBridge(sw *switchRow) string {
	if name := sw.ExternalIDs["ovn-bridge"]; name != "" {
		return name
	}
	return DefaultBridge
}

// ready is the signal in use: ReadyOVN or ReadyNeutron.
func (b *Binder) ready(sw *switchRow) Ready {
	switch {
	case b.opts.Ready != ReadyAuto:
		return b.opts.Ready
	case sw.ExternalIDs["ovn-remote"] != "":
		return ReadyOVN
	default:
		return ReadyNeutron
	}
}

// noTxChecksum tells whether the container's end must compute checksums
// itself: the userspace datapath takes packets from the device as they are,
// and its connection tracking drops those whose checksum was left to hardware.
func (b *Binder) noTxChecksum(br *bridgeRow) bool {
	switch b.opts.ChecksumOffload {
	case OffloadOff:
		return true
	case OffloadOn:
		return false
	default:
		return br.datapath() == "netdev"
	}
}

// wire makes the veth, then does the sandbox and the switch side by side.
func (b *Binder) wire(ctx context.Context, p *plan, box *sandbox.Sandbox) error {
	// Watching begins before there is anything to see, so nothing is missed.
	w := b.session.watches.open(p.host.Name)
	defer w.stop()
	b.wiring.Store(p.host.Name, nil)
	defer b.wiring.Delete(p.host.Name)
	create := func(context.Context) error { return b.createVeth(p, box) }
	if err := traced(ctx, spanCreate, p.host.Name, create); err != nil {
		return err
	}
	var row plugged
	configured := make(chan struct{})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(configured)
		return traced(gctx, spanConfigure, p.host.Name, func(context.Context) error { return box.Configure(p.config) })
	})
	g.Go(func() error {
		if err := b.plug(gctx, p, &row); err != nil {
			return err
		}
		if p.req.Made != nil {
			g.Go(func() error { return p.tell(gctx, configured) })
		}
		return b.awaitPlugged(gctx, p, row.iface, w)
	})
	if err := g.Wait(); err != nil {
		return b.undo(ctx, p, &row, err)
	}
	return nil
}

// tell tells what is made, once the sandbox is configured too.
func (p *plan) tell(ctx context.Context, configured <-chan struct{}) error {
	<-configured
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.req.Made(p.result())
}

// plugged is what became of the port's rows: they were made, or not, or
// nobody knows.
type plugged struct {
	inserted
	unknown bool
}

// plug adds the host end to the bridge, or to its wire's end.
func (b *Binder) plug(ctx context.Context, p *plan, row *plugged) error {
	port := newPort{bridge: p.bridge, name: p.host.Name, ids: b.owner.externalIDs(p.req)}
	if p.wire != nil {
		port.bridge, port.tag, port.ids = b.owner.bridge, p.wire.tag, b.owner.wiredIDs(p.req)
	}
	return traced(ctx, spanTransact, p.host.Name, func(ctx context.Context) error {
		made, err := b.session.insertPorts(ctx, port)
		row.unknown = errors.Is(err, errUnknown)
		if err == nil {
			row.inserted = made[0]
		}
		return err
	})
}

// awaitPlugged waits for the host end, whose row is given, and with OVN for
// the port's flows: those of the host end, or of the wire.
func (b *Binder) awaitPlugged(ctx context.Context, p *plan, row string, w *watch) error {
	if p.wire == nil {
		return b.awaitSwitch(ctx, awaited{lease: &p.req.Lease, name: p.host.Name, row: row, ovn: p.ovn}, w)
	}
	if err := b.awaitSwitch(ctx, awaited{lease: &p.req.Lease, name: p.host.Name, row: row}, w); err != nil {
		return err
	}
	return b.awaitWire(ctx, &p.req.Lease, p.wire)
}

// undo takes back what was made. It has its own time: ctx may have ended. A
// row that cannot be removed now is removed when the connection is back.
func (b *Binder) undo(ctx context.Context, p *plan, row *plugged, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if row.unknown {
		b.session.removals.owe(p.host.Name, p.req.Attachment)
		if c, err := b.session.current(); err == nil {
			b.session.payDebts(ctx, c)
		}
	}
	if row.port != "" {
		if err := b.session.removePorts(ctx, portRow{UUID: row.port, Name: p.host.Name}); err != nil {
			b.session.removals.owe(p.host.Name, p.req.Attachment)
			b.log.WarnContext(ctx, "row of a failed attach is removed when ovsdb-server is back",
				"interface", p.host.Name, "error", err)
		}
	}
	if err := b.deleteVeth(p.host.Name, p.req.Attachment); err != nil {
		return fmt.Errorf("%w; undoing it failed: %w", cause, err)
	}
	return cause
}

func (p *plan) result() binder.Result {
	return binder.Result{
		Host:          p.host,
		Container:     binder.Interface{Name: p.config.Name, MAC: p.config.MAC.String(), MTU: p.config.MTU},
		Wired:         p.ovn,
		Prewired:      p.wire != nil,
		DefaultRoutes: p.config.DefaultRoutes(),
	}
}
