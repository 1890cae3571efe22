// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"net"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// As much of OpenFlow as one message needs (OpenFlow Switch Specification
// 1.5.1, section 7, and Open vSwitch's lib/ofp-msgs.h for its extension).
const (
	ofHeaderLen = 8
	// ofMaxLen is the longest message that is read.
	ofMaxLen = 1 << 16

	ofHello        = 0
	ofError        = 1
	ofExperimenter = 4

	// The bits of the versions 1.0, 1.3 and 1.5. What is said here is the same
	// in all of them but for the numbers of the barrier.
	ofVersions  = 1<<1 | 1<<4 | 1<<6
	ofHighest   = 6
	ofBitmap    = 1
	ofBitmapLen = 8

	// nicira is the experimenter id of Open vSwitch's extensions, and
	// flushZoneSubtype that of NXT_CT_FLUSH_ZONE.
	nicira           = 0x2320
	flushZoneSubtype = 29
)

// ofMessage is a message without its length, which follows from the body.
type ofMessage struct {
	version, kind uint8
	xid           uint32
	body          []byte
}

// flushZone has the switch behind a bridge's management socket forget the
// connections of a conntrack zone, and returns when that is done. Errors:
// Unavailable.
func flushZone(ctx context.Context, socket string, zone uint16) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return fault.New(fault.Unavailable, "ovs-vswitchd: %w", err)
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	version, err := greet(c)
	if err == nil {
		err = sendFlush(c, version, zone)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "ovs-vswitchd: forget the connections of zone %d: %w", zone, err)
	}
	return nil
}

// greet agrees on a version.
func greet(c io.ReadWriter) (version uint8, err error) {
	elem := binary.BigEndian.AppendUint16(nil, ofBitmap)
	elem = binary.BigEndian.AppendUint16(elem, ofBitmapLen)
	elem = binary.BigEndian.AppendUint32(elem, ofVersions)
	if err := writeOF(c, ofMessage{version: ofHighest, kind: ofHello, xid: 1, body: elem}); err != nil {
		return 0, err
	}
	m, err := readOF(c)
	if err != nil {
		return 0, err
	}
	if m.kind != ofHello {
		return 0, fmt.Errorf("OpenFlow message of type %d in place of a greeting", m.kind)
	}
	common := m.versions() & ofVersions
	if common == 0 {
		return 0, fmt.Errorf("no common version of OpenFlow: versions %b are offered, %b are spoken", m.versions(), ofVersions)
	}
	return uint8(bits.Len32(common) - 1), nil
}

// versions are the bits of those that a greeting offers: all up to its own,
// unless it says so in detail.
func (m ofMessage) versions() uint32 {
	for b := m.body; len(b) >= 4; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if kind == ofBitmap && n >= ofBitmapLen && len(b) >= n {
			return binary.BigEndian.Uint32(b[4:])
		}
		if padded := (n + 7) / 8 * 8; n >= 4 && padded < len(b) {
			b = b[padded:]
			continue
		}
		break
	}
	return uint32(1)<<min(m.version+1, 31) - 1
}

// sendFlush sends the message and waits until the switch has done it.
func sendFlush(c io.ReadWriter, version uint8, zone uint16) error {
	body := binary.BigEndian.AppendUint32(nil, nicira)
	body = binary.BigEndian.AppendUint32(body, flushZoneSubtype)
	body = append(body, make([]byte, 6)...)
	body = binary.BigEndian.AppendUint16(body, zone)
	barrier := uint8(18)
	if version > 1 {
		barrier = 20
	}
	for _, m := range []ofMessage{
		{version: version, kind: ofExperimenter, xid: 2, body: body},
		{version: version, kind: barrier, xid: 3},
	} {
		if err := writeOF(c, m); err != nil {
			return err
		}
	}
	for {
		m, err := readOF(c)
		switch {
		case err != nil:
			return err
		case m.kind == ofError && len(m.body) >= 4:
			return fmt.Errorf("OpenFlow error, type %d, code %d", binary.BigEndian.Uint16(m.body), binary.BigEndian.Uint16(m.body[2:]))
		case m.kind == barrier+1 && m.xid == 3:
			return nil
		}
	}
}

func writeOF(w io.Writer, m ofMessage) error {
	b := []byte{m.version, m.kind}
	b = binary.BigEndian.AppendUint16(b, uint16(ofHeaderLen+len(m.body)))
	b = binary.BigEndian.AppendUint32(b, m.xid)
	_, err := w.Write(append(b, m.body...))
	return err
}

func readOF(r io.Reader) (ofMessage, error) {
	var head [ofHeaderLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return ofMessage{}, err
	}
	n := int(binary.BigEndian.Uint16(head[2:]))
	if n < ofHeaderLen || n >= ofMaxLen {
		return ofMessage{}, fmt.Errorf("OpenFlow message of %d bytes", n)
	}
	m := ofMessage{version: head[0], kind: head[1], xid: binary.BigEndian.Uint32(head[4:]), body: make([]byte, n-ofHeaderLen)}
	_, err := io.ReadFull(r, m.body)
	return m, err
}
