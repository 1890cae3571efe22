// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/google/uuid"
)

// scopeKind is what a token is for.
type scopeKind byte

const (
	unscoped scopeKind = iota
	projectScope
	domainScope
	systemScope
)

// scope is what a token is for; id is the project's or the domain's.
type scope struct {
	kind scopeKind
	id   string
}

// auditID names a token, or the first of a chain of tokens, in logs and revocations.
type auditID [16]byte

func (a auditID) String() string { return base64.RawURLEncoding.EncodeToString(a[:]) }

// claims are what a token says.
type claims struct {
	UserID string
	// Epoch is the user's; each event that ends all tokens of a user makes a new one.
	Epoch        uint64
	Scope        scope
	CredentialID string
	Methods      []string
	AuditID      auditID
	// ParentID is zero for a token that was not made from another one.
	ParentID        auditID
	Issued, Expires time.Time
}

func newAuditID() auditID { return auditID(uuid.New()) }

const claimsVersion = 1

// encode writes the claims but for Issued, which the seal tells.
func (c claims) encode() []byte {
	b := make([]byte, 0, 128)
	b = append(b, claimsVersion, methodBits(c.Methods), byte(c.Scope.kind))
	for _, id := range []string{c.UserID, c.Scope.id, c.CredentialID} {
		b = appendID(b, id)
	}
	b = append(b, c.AuditID[:]...)
	b = append(b, c.ParentID[:]...)
	b = binary.AppendVarint(b, c.Expires.Unix())
	return binary.AppendUvarint(b, c.Epoch)
}

func decodeClaims(b []byte, issued time.Time) (c claims, ok bool) {
	r := reader{b: b}
	version := r.byte()
	c.Methods = methodNames(r.byte())
	c.Scope.kind = scopeKind(r.byte())
	c.UserID, c.Scope.id, c.CredentialID = r.id(), r.id(), r.id()
	copy(c.AuditID[:], r.take(len(c.AuditID)))
	copy(c.ParentID[:], r.take(len(c.ParentID)))
	c.Expires = time.Unix(r.varint(), 0).UTC()
	c.Epoch = r.uvarint()
	c.Issued = issued
	return c, !r.failed && len(r.b) == 0 && version == claimsVersion && c.Scope.kind <= systemScope
}

func methodBits(methods []string) (bits byte) {
	for i, m := range authMethods {
		if slices.Contains(methods, m) {
			bits |= 1 << i
		}
	}
	return bits
}

func methodNames(bits byte) (methods []string) {
	for i, m := range authMethods {
		if bits&(1<<i) != 0 {
			methods = append(methods, m)
		}
	}
	return methods
}

// hexID marks an id that is a UUID in hexadecimal, of which only the bytes are written.
const hexID = 0xff

// appendID writes an id of at most 64 characters.
func appendID(b []byte, id string) []byte {
	if raw, err := hex.DecodeString(id); err == nil && len(raw) == 16 && hex.EncodeToString(raw) == id {
		return append(append(b, hexID), raw...)
	}
	return append(append(b, byte(len(id))), id...)
}

// reader reads what encode wrote; failed is true if there was too little.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || n > len(r.b) {
		r.failed = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) id() string {
	if n := r.byte(); n != hexID {
		return string(r.take(int(n)))
	}
	return hex.EncodeToString(r.take(16))
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.failed = true
		return
	}
	r.take(n)
}
