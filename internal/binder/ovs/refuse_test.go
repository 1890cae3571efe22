// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// wantError expects an error of a class with a text in it.
func wantError(t testing.TB, err error, class fault.Class, text string) {
	t.Helper()
	if err == nil || !fault.Is(err, class) || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v (class %s), want class %s with %q", err, fault.ClassOf(err), class, text)
	}
}

func writeSysctl(key, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
}

func expectSysctl(key, want string) error {
	got, err := os.ReadFile(filepath.Join("/proc/sys", key))
	if err == nil && strings.TrimSpace(string(got)) != want {
		err = fmt.Errorf("%s is %s, want %s", key, got, want)
	}
	return err
}

// addVethPair makes a device that is not Kuryr's, in the handle's namespace.
func addVethPair(h *netlink.Handle, name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "p-" + name[:min(10, len(name))]
	return h.LinkAdd(veth)
}

func TestAFailedBindLeavesNothing(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, r *binder.Request)
		class  fault.Class
		text   string
	}{
		{
			"bridge does not exist", func(_ *testing.T, r *binder.Request) { r.Lease.Bridge = "br-nowhere" },
			fault.Unavailable, "bridge br-nowhere does not exist in database " + n.database(),
		},
		{
			"namespace does not exist", func(_ *testing.T, r *binder.Request) { r.Netns += "-gone" },
			fault.NotFound, "netns: network namespace ",
		},
		{
			"namespace is an ordinary file", func(_ *testing.T, r *binder.Request) { r.Netns = file },
			fault.Invalid, "is not a network namespace",
		},
		{
			"namespace is of another kind", func(_ *testing.T, r *binder.Request) { r.Netns = "/proc/self/ns/uts" },
			fault.Invalid, "is not a network namespace",
		},
		{
			"namespace is the node's", func(_ *testing.T, r *binder.Request) { r.Netns = "/proc/thread-self/ns/net" },
			fault.Invalid, "is the node's own network namespace",
		},
		{
			"namespace is not given", func(_ *testing.T, r *binder.Request) { r.Netns = "" },
			fault.Invalid, "no network namespace was given",
		},
		{"interface is there", func(t *testing.T, r *binder.Request) {
			in(t, r.Netns, func(h *netlink.Handle) error { return addVethPair(h, "eth0") })
		}, fault.Conflict, "the sandbox has an interface eth0 already"},
		{
			"interface name is no name", func(_ *testing.T, r *binder.Request) { r.Interface = "eth0/1" },
			fault.Invalid, `interface: "eth0/1" is no name`,
		},
		{
			"MAC is none", func(_ *testing.T, r *binder.Request) { r.Lease.MAC = "fa:16" },
			fault.Invalid, "mac: ",
		},
		{
			"MTU is too large", func(_ *testing.T, r *binder.Request) { r.MTU = 9000 },
			fault.Invalid, "mtu: 9000 is larger than 1442, the MTU of network blue",
		},
		{
			"MTU is too small for IPv6", func(_ *testing.T, r *binder.Request) { r.MTU = 1279 },
			fault.Invalid, "mtu: 1279 is smaller than 1280",
		},
		{"route is there", func(t *testing.T, r *binder.Request) {
			in(t, r.Netns, addDefaultRoute)
		}, fault.Conflict, "the sandbox has a route to 0.0.0.0/0 with metric 0 already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(newSandbox(t), 7)
			c.change(t, &r)
			_, err := b.Bind(testContext(t), r)
			wantError(t, err, c.class, c.text)
			checkNothingLeft(t, n, b, r)
		})
	}
	r := request(newSandbox(t), 7)
	bound(t, b, r)
}

// addDefaultRoute gives the sandbox another default route.
func addDefaultRoute(h *netlink.Handle) error {
	if err := addVethPair(h, "other0"); err != nil {
		return err
	}
	link, err := h.LinkByName("other0")
	if err != nil {
		return err
	}
	if err := h.LinkSetUp(link); err != nil {
		return err
	}
	_, all, _ := net.ParseCIDR("0.0.0.0/0")
	return h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Scope: netlink.SCOPE_LINK})
}

func TestABindThatTheSwitchRefusesSaysItsReasonAtOnce(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	configured := make(spanEnds, 10)
	ctx, _ := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(configured)).Tracer("test").Start(testContext(t), "add")
	// While ovs-vswitchd looks away the device goes.
	n.signalSwitch(sigStop)
	failed := inBackground(func() error { _, err := b.Bind(ctx, r); return err })
	for name := range configured {
		if name == spanConfigure {
			break
		}
	}
	awaitRow(t, b, hostName(r.Lease.PortID))
	if err := b.deleteVeth(hostName(r.Lease.PortID), ""); err != nil {
		t.Fatal(err)
	}
	n.signalSwitch(sigCont)
	wantError(t, <-failed, fault.Unavailable, "could not open network device tap00000001-00")
	checkNothingLeft(t, n, b, r)
}

// spanEnds gets the name of every span that ends.
type spanEnds chan string

func (c spanEnds) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c spanEnds) OnEnd(s sdktrace.ReadOnlySpan)                   { c <- s.Name() }
func (c spanEnds) Shutdown(context.Context) error                  { return nil }
func (c spanEnds) ForceFlush(context.Context) error                { return nil }

// awaitRow waits until an interface is in the binder's replica.
func awaitRow(t *testing.T, b *Binder, name string) {
	t.Helper()
	w := b.session.watches.open(name)
	defer w.stop()
	ctx := testContext(t)
	for {
		if c, err := b.session.current(); err == nil {
			if _, ok := c.iface(name); ok {
				return
			}
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			t.Fatal("no row ", name)
		}
	}
}
