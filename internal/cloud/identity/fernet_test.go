// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sealerFor(t interface{ Fatal(...any) }, fill byte) *sealer {
	s, err := newSealer(bytes.Repeat([]byte{fill}, fernetKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var anyClaims = rapid.Custom(func(t *rapid.T) claims {
	id := rapid.OneOf(rapid.StringMatching("[0-9a-f]{32}"), rapid.StringMatching("[a-zA-Z0-9-]{0,64}"))
	at := rapid.Int64Range(0, 1<<33)
	return claims{
		UserID: id.Draw(t, "user"), Epoch: rapid.Uint64().Draw(t, "epoch"),
		Scope:        scope{rapid.SampledFrom([]scopeKind{unscoped, projectScope, domainScope, systemScope}).Draw(t, "kind"), id.Draw(t, "scope")},
		CredentialID: id.Draw(t, "credential"), Methods: methodNames(byte(rapid.IntRange(0, 7).Draw(t, "methods"))),
		AuditID: newAuditID(), ParentID: newAuditID(),
		Issued: time.Unix(at.Draw(t, "issued"), 0).UTC(), Expires: time.Unix(at.Draw(t, "expires"), 0).UTC(),
	}
})

func TestATokenSaysWhatItWasMadeToSay(t *testing.T) {
	s := sealerFor(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		want := anyClaims.Draw(t, "claims")
		payload, issued, ok := s.open(s.seal(want.encode(), want.Issued))
		if !ok {
			t.Fatal("not opened")
		}
		got, ok := decodeClaims(payload, issued)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(scope{})); !ok || diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestATokenThatWasTouchedIsNoToken(t *testing.T) {
	s, other := sealerFor(t, 1), sealerFor(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		c := anyClaims.Draw(t, "claims")
		token := s.seal(c.encode(), c.Issued)
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		cut := token[:rapid.IntRange(0, len(token)-1).Draw(t, "length")]
		for _, bad := range []string{base64.RawURLEncoding.EncodeToString(raw), cut, token + "A", other.seal(c.encode(), c.Issued)} {
			if _, _, ok := s.open(bad); ok {
				t.Fatalf("opened: %s", bad)
			}
		}
	})
}

func TestTokensAreNotLongerThanKeystones(t *testing.T) {
	s := sealerFor(t, 1)
	c := claims{UserID: newID(), Scope: scope{projectScope, newID()}, Methods: []string{"password"}, AuditID: newAuditID(), Expires: time.Now()}
	if token := s.seal(c.encode(), time.Now()); len(token) > 255 || token[:5] != "gAAAA" {
		t.Errorf("%d bytes: %s", len(token), token)
	}
}

func FuzzNoTextIsAToken(f *testing.F) {
	s := sealerFor(f, 1)
	f.Add("")
	f.Add("gAAAAABjbad")
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 120)))
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, ok := s.open(text); ok {
			t.Errorf("opened: %q", text)
		}
	})
}

func FuzzClaimsAreReadWholeOrNotAtAll(f *testing.F) {
	f.Add(claims{UserID: newID(), Scope: scope{projectScope, newID()}, Methods: authMethods}.encode())
	f.Add([]byte{1, 0, 3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, ok := decodeClaims(payload, time.Unix(0, 0))
		if !ok {
			return
		}
		again, ok := decodeClaims(c.encode(), time.Unix(0, 0))
		if diff := cmp.Diff(c, again, cmp.AllowUnexported(scope{})); !ok || diff != "" {
			t.Error(diff)
		}
	})
}
