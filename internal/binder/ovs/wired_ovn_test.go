// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// twoWired starts a real OVN with two sandboxes on wires and one bound as
// ever, all in one network, each held to its own addresses.
func twoWired(t *testing.T) (n *node, b *Binder, r1, r2, classic binder.Request) {
	t.Helper()
	n = startOVN(t)
	b = n.newBinder()
	r1, r2, classic = request(newSandbox(t), 1), request(newSandbox(t), 2), request(newSandbox(t), 3)
	for _, r := range []*binder.Request{&r1, &r2, &classic} {
		n.addLogicalPort(r)
		n.nbctl("lsp-set-port-security", r.Lease.PortID, r.Lease.MAC+" "+r.Lease.Addresses[0].Prefix.Addr().String())
	}
	prewired(t, b, r1, r2)
	boundWired(t, b, r1, r2)
	if made := bound(t, b, classic); !made.Wired || made.Prewired {
		t.Errorf("%+v", made)
	}
	return n, b, r1, r2, classic
}

func TestWithARealOVNPrewiredAndOtherPortsTalk(t *testing.T) {
	_, _, r1, r2, classic := twoWired(t)
	for _, pair := range [][2]binder.Request{{r1, r2}, {r2, r1}, {r1, classic}, {classic, r2}} {
		talk(t, pair[0], pair[1], 0)
	}
}

func TestTrafficOverWiresResumesAfterARestartOfTheSwitchAndOfOVN(t *testing.T) {
	n, b, r1, r2, classic := twoWired(t)
	a, c := talk(t, r1, r2, 0), talk(t, r1, classic, 0)
	for range 2 {
		n.kill("vswitchd.pid")
		n.startSwitch()
		resumed(t, a, c)
		n.kill("controller.pid")
		n.run("ovn-controller", append(n.daemon("controller"), n.database())...)
		resumed(t, a, c)
	}
	n.kill("vswitchd.pid")
	n.kill("controller.pid")
	n.startSwitch()
	n.run("ovn-controller", append(n.daemon("controller"), n.database())...)
	resumed(t, a, c)
	n.kill("controller.pid")
	n.stopDB()
	n.startDB()
	n.run("ovn-controller", append(n.daemon("controller"), n.database())...)
	resumed(t, a, c)
	prewired(t, b, r1)
	r4 := request(newSandbox(t), 4)
	n.addLogicalPort(&r4)
	prewired(t, b, r4)
	boundWired(t, b, r4)
	talk(t, r4, r1, 0)
}

func resumed(t *testing.T, conversations ...*conversation) {
	t.Helper()
	for _, c := range conversations {
		if err := c.exchange(); err != nil {
			t.Fatal(err)
		}
	}
}

// wiretap is a raw socket on a sandbox's interface.
type wiretap struct {
	t     *testing.T
	fd    int
	index int
}

// newWiretap opens one in a sandbox, or on the node where netns is empty.
func newWiretap(t *testing.T, netns, device string) *wiretap {
	t.Helper()
	w := &wiretap{t: t}
	open := func(f func(*netlink.Handle) error) error { return within(netns, f) }
	if netns == "" {
		open = func(f func(*netlink.Handle) error) error { return f(&netlink.Handle{}) }
	}
	err := open(func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		w.index = link.Attrs().Index
		const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
		if err != nil {
			return err
		}
		timeout := unix.NsecToTimeval(patience.Nanoseconds())
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: w.index})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

func (w *wiretap) send(frame []byte) {
	w.t.Helper()
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index}); err != nil {
		w.t.Fatal(err)
	}
}

// until reads until a frame with the text arrives, and counts those before it
// with any of the others.
func (w *wiretap) until(text string, others ...string) (count map[string]int) {
	w.t.Helper()
	return w.read(false, text, others...)
}

// untilOwn reads until a frame that was sent from here.
func (w *wiretap) untilOwn(text string, others ...string) (count map[string]int) {
	w.t.Helper()
	return w.read(true, text, others...)
}

func (w *wiretap) read(own bool, text string, others ...string) (count map[string]int) {
	w.t.Helper()
	count = make(map[string]int)
	buffer := make([]byte, 2048)
	for {
		size, from, err := unix.Recvfrom(w.fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			w.t.Fatalf("waiting for %q: %v", text, err)
		}
		ll, ok := from.(*unix.SockaddrLinklayer)
		if out := ok && ll.Pkttype == unix.PACKET_OUTGOING; out {
			if own && bytes.Contains(buffer[:size], []byte(text)) {
				return count
			}
			continue
		}
		for _, o := range others {
			if bytes.Contains(buffer[:size], []byte(o)) {
				count[o]++
			}
		}
		if !own && bytes.Contains(buffer[:size], []byte(text)) {
			return count
		}
	}
}

// arp is a broadcast question for 10.0.0.250 with a text behind it, as if by
// mac and ip.
func arp(mac, ip, text string) []byte {
	hw, _ := net.ParseMAC(mac)
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, hw...)
	frame = append(frame, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1)
	frame = append(frame, hw...)
	frame = append(frame, netip.MustParseAddr(ip).AsSlice()...)
	frame = append(frame, 0, 0, 0, 0, 0, 0, 10, 0, 0, 250)
	return pad(append(frame, text...))
}

// udp is a datagram with a text.
func udp(mac, toMAC, ip, toIP, text string) []byte {
	from, _ := net.ParseMAC(mac)
	to, _ := net.ParseMAC(toMAC)
	frame := append(append(append([]byte{}, to...), from...), 0x08, 0x00)
	header := []byte{0x45, 0, 0, byte(28 + len(text)), 0, 1, 0, 0, 64, 17, 0, 0}
	header = append(append(header, netip.MustParseAddr(ip).AsSlice()...), netip.MustParseAddr(toIP).AsSlice()...)
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(header[10:], ^uint16(sum+sum>>16))
	frame = append(append(frame, header...), 0x30, 0x39, 0x30, 0x39, 0, byte(8+len(text)), 0, 0)
	return pad(append(frame, text...))
}

func pad(frame []byte) []byte { return append(frame, make([]byte, max(0, 60-len(frame)))...) }

func TestAContainerOnAWireCannotSpoofItsMACOrAddress(t *testing.T) {
	_, _, r1, r2, classic := twoWired(t)
	talk(t, r1, r2, 0).close()
	talk(t, r1, classic, 0).close()
	spoofer, watcher, other := newWiretap(t, r1.Netns, "eth0"), newWiretap(t, r2.Netns, "eth0"), newWiretap(t, classic.Netns, "eth0")
	for range 20 {
		spoofer.send(arp(r2.Lease.MAC, "10.0.0.1", "foreign-mac"))
		spoofer.send(arp("fa:16:3e:99:99:99", "10.0.0.1", "free-mac"))
		spoofer.send(arp(r1.Lease.MAC, "10.0.0.2", "foreign-ip"))
	}
	spoofer.send(arp(r1.Lease.MAC, "10.0.0.1", "honest"))
	for _, w := range []*wiretap{watcher, other} {
		if got := w.until("honest", "foreign-mac", "free-mac", "foreign-ip"); len(got) > 0 {
			t.Error("spoofed frames passed:", got)
		}
	}
	// And the true owner's frames still find it.
	talk(t, classic, r2, 0)
}

func TestWhatOneVLANFloodsReachesOthersOnlyThroughTheIntegrationBridge(t *testing.T) {
	n, b, r1, r2, _ := twoWired(t)
	// A neighbour on a wire of the same bridge, in another network.
	red := request(newSandbox(t), 9)
	n.nbctl("ls-add", "red")
	n.nbctl("lsp-add", "red", red.Lease.PortID, "--", "lsp-set-addresses", red.Lease.PortID, red.Lease.MAC+" 10.0.0.9")
	redPeer := request(newSandbox(t), 10)
	n.nbctl("lsp-add", "red", redPeer.Lease.PortID, "--", "lsp-set-addresses", redPeer.Lease.PortID, redPeer.Lease.MAC+" 10.0.0.10")
	prewired(t, b, red, redPeer)
	boundWired(t, b, red, redPeer)
	talk(t, red, redPeer, 0).close()
	flooder, same := newWiretap(t, r1.Netns, "eth0"), newWiretap(t, r2.Netns, "eth0")
	foreign, marker := newWiretap(t, red.Netns, "eth0"), newWiretap(t, redPeer.Netns, "eth0")
	for i := range 60 {
		flooder.send(arp(r1.Lease.MAC, "10.0.0.1", "flood-blue"))
		// Unknown unicast, multicast, BPDU and tagged frames too.
		frame := arp(r1.Lease.MAC, "10.0.0.1", "flood-other")
		copy(frame, [][]byte{{0x02, 9, 9, 9, 9, byte(i)}, {1, 0, 0x5e, 0, 0, byte(i)}, {1, 0x80, 0xc2, 0, 0, 0}}[i%3])
		flooder.send(frame)
		tagged := append(append(append([]byte{}, frame[:12]...), 0x81, 0, 0, byte(i%6)), frame[12:]...)
		flooder.send(tagged)
	}
	flooder.send(arp(r1.Lease.MAC, "10.0.0.1", "end-blue"))
	if got := same.until("end-blue", "flood-blue"); got["flood-blue"] == 0 {
		t.Error("nothing was flooded: the test shows nothing")
	}
	marker.send(arp(redPeer.Lease.MAC, "10.0.0.10", "end-red"))
	if got := foreign.until("end-red", "flood-blue", "flood-other", "end-blue"); len(got) > 0 {
		t.Error("into another network there leaked", got)
	}
}

func TestSecurityGroupsHoldOnAWire(t *testing.T) {
	n, _, r1, r2, classic := twoWired(t)
	talk(t, r1, r2, 0).close()
	from := newWiretap(t, r1.Netns, "eth0")
	for _, c := range []struct {
		name, direction, match string
		to                     binder.Request
	}{
		{"egress", "from-lport", fmt.Sprintf(`inport == "%s" && udp`, r1.Lease.PortID), classic},
		{"ingress", "to-lport", fmt.Sprintf(`outport == "%s" && udp`, r2.Lease.PortID), r2},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := newWiretap(t, c.to.Netns, "eth0")
			n.nbctl("--wait=hv", "acl-add", "blue", c.direction, "1001", c.match, "drop")
			for range 20 {
				from.send(udp(r1.Lease.MAC, c.to.Lease.MAC, "10.0.0.1", c.to.Lease.Addresses[0].Prefix.Addr().String(), "datagram"))
			}
			from.send(arp(r1.Lease.MAC, "10.0.0.1", "allowed"))
			if got := to.until("allowed", "datagram"); len(got) > 0 {
				t.Error("passed though dropped by an ACL:", got)
			}
			n.nbctl("--wait=hv", "acl-del", "blue", c.direction, "1001", c.match)
			arrived := inBackground(func() error { to.until("datagram"); return nil })
			for {
				from.send(udp(r1.Lease.MAC, c.to.Lease.MAC, "10.0.0.1", c.to.Lease.Addresses[0].Prefix.Addr().String(), "datagram"))
				select {
				case <-arrived:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
}
