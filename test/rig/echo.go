// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// prober asks addresses from one interface of a namespace. It may be used by
// one goroutine at a time; nothing is executed for an echo.
type prober struct {
	handle *netlink.Handle
	link   int
	// v4 and v6 are raw sockets.
	v4, v6 *net.IPConn
	id     uint16
	seq    uint16
}

// echoTime is how long an echo's answer is waited for before the next is sent.
const echoTime = 250 * time.Millisecond

func newProber(in openstack.Netns, ifname string) (*prober, error) {
	p := &prober{id: uint16(os.Getpid())}
	err := in.Do(func() (err error) {
		if p.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return err
		}
		if p.v4, err = net.ListenIP("ip4:icmp", nil); err != nil {
			return err
		}
		p.v6, err = net.ListenIP("ip6:ipv6-icmp", nil)
		return err
	})
	if err == nil {
		var link netlink.Link
		if link, err = p.handle.LinkByName(ifname); err == nil {
			p.link = link.Attrs().Index
			return p, nil
		}
	}
	p.close()
	return nil, fmt.Errorf("rig: prober in %s: %w", in.Name, err)
}

func (p *prober) close() {
	for _, conn := range []*net.IPConn{p.v4, p.v6} {
		if conn != nil {
			_ = conn.Close()
		}
	}
	if p.handle != nil {
		p.handle.Close()
	}
}

// echo asks an address anew, and gives the MAC by which it was found.
func (p *prober) echo(to netip.Addr) (mac string, err error) {
	// What was learned of an earlier owner must not count.
	err = p.handle.NeighDel(&netlink.Neigh{LinkIndex: p.link, IP: to.AsSlice()})
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		return "", fmt.Errorf("rig: forget neighbour %s: %w", to, err)
	}
	if err := p.exchange(to); err != nil {
		return "", err
	}
	return p.neighbour(to)
}

// The types of ICMP's and ICMPv6's echo messages.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

// echoHeader is the length of an echo message without data.
const echoHeader = 8

// exchange sends an echo request and waits for its answer.
func (p *prober) exchange(to netip.Addr) error {
	conn, request, reply := p.v4, byte(echoRequest4), byte(echoReply4)
	if to.Is6() {
		conn, request, reply = p.v6, echoRequest6, echoReply6
	}
	p.seq++
	message := make([]byte, echoHeader)
	message[0] = request
	binary.BigEndian.PutUint16(message[4:], p.id)
	binary.BigEndian.PutUint16(message[6:], p.seq)
	if to.Is4() { // the kernel does it for ICMPv6
		binary.BigEndian.PutUint16(message[2:], checksum(message))
	}
	if err := conn.SetDeadline(time.Now().Add(echoTime)); err != nil {
		return fmt.Errorf("rig: echo of %s: %w", to, err)
	}
	if _, err := conn.WriteTo(message, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return fmt.Errorf("rig: echo of %s: %w", to, err)
	}
	answer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFromIP(answer)
		if err != nil {
			return fmt.Errorf("rig: echo of %s: %w", to, err)
		}
		sender, _ := netip.AddrFromSlice(from.IP)
		if n >= echoHeader && answer[0] == reply && sender.Unmap() == to && string(answer[4:echoHeader]) == string(message[4:]) {
			return nil
		}
	}
}

// checksum is the Internet's (RFC 1071), of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// neighbour is the MAC by which an address was found.
func (p *prober) neighbour(of netip.Addr) (string, error) {
	family := netlink.FAMILY_V4
	if of.Is6() {
		family = netlink.FAMILY_V6
	}
	list, err := sandbox.Dump(func() ([]netlink.Neigh, error) { return p.handle.NeighList(p.link, family) })
	if err != nil {
		return "", fmt.Errorf("rig: list neighbours: %w", err)
	}
	for _, n := range list {
		if ip, _ := netip.AddrFromSlice(n.IP); ip.Unmap() == of && len(n.HardwareAddr) > 0 {
			return n.HardwareAddr.String(), nil
		}
	}
	return "", fmt.Errorf("rig: %s answers and is no neighbour", of)
}
