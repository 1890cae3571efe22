// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
)

// peer is a switch that says one thing, and hears the rest.
type peer struct {
	bytes.Reader
	heard bytes.Buffer
}

func newPeer(says ...byte) *peer { return &peer{Reader: *bytes.NewReader(says)} }

func (p *peer) Write(b []byte) (int, error) { return p.heard.Write(b) }

func TestTheHighestCommonVersionIsSpoken(t *testing.T) {
	for _, c := range []struct {
		name string
		says []byte
		want uint8
		err  string
	}{
		{"1.0 alone", []byte{1, 0, 0, 8, 0, 0, 0, 1}, 1, ""},
		{"up to 1.3", []byte{4, 0, 0, 8, 0, 0, 0, 1}, 4, ""},
		{"up to a version of the future", []byte{200, 0, 0, 8, 0, 0, 0, 1}, 6, ""},
		{"a list of 1.0 and 1.3", []byte{6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x12}, 4, ""},
		{"a list behind something unknown", []byte{6, 0, 0, 24, 0, 0, 0, 1, 0, 9, 0, 5, 1, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 2}, 1, ""},
		{"a list of 1.4 alone", []byte{5, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x20}, 0, "no common version"},
		{"an element without length", []byte{4, 0, 0, 12, 0, 0, 0, 1, 0, 9, 0, 0}, 4, ""},
		{"an error", []byte{1, 1, 0, 8, 0, 0, 0, 1}, 0, "in place of a greeting"},
		{"a length that cannot be", []byte{1, 0, 0, 7, 0, 0, 0, 1}, 0, "7 bytes"},
		{"less than it says", []byte{1, 0, 0, 9, 0, 0, 0, 1}, 0, "EOF"},
	} {
		got, err := greet(newPeer(c.says...))
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s: version %d, %v; want %d", c.name, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v; want %q", c.name, err, c.err)
		}
	}
}

func TestAFlushEndsWithTheBarrierOrWithTheSwitchsError(t *testing.T) {
	echo := []byte{4, 2, 0, 8, 0, 0, 0, 9}
	done := newPeer(append(echo, 4, 21, 0, 8, 0, 0, 0, 3)...)
	if err := sendFlush(done, 4, 0x1234); err != nil {
		t.Error(err)
	}
	want := []byte{4, 4, 0, 24, 0, 0, 0, 2, 0, 0, 0x23, 0x20, 0, 0, 0, 29, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 4, 20, 0, 8, 0, 0, 0, 3}
	if !bytes.Equal(done.heard.Bytes(), want) {
		t.Errorf("sent % x", done.heard.Bytes())
	}
	refused := newPeer(1, 1, 0, 12, 0, 0, 0, 2, 0, 1, 0, 3)
	if err := sendFlush(refused, 1, 7); err == nil || !strings.Contains(err.Error(), "type 1, code 3") {
		t.Error(err)
	}
	if kind := refused.heard.Bytes()[25]; kind != 18 {
		t.Errorf("the barrier of version 1.0 has type %d", kind)
	}
}

func TestASwitchThatDoesNotAnswerIsNotWaitedForLongerThanAllowed(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(testContext(t))
	go cancel()
	if err := flushZone(ctx, path, 1); err == nil {
		t.Error("done without an answer")
	}
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte{6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x12})
	f.Add([]byte{4, 0, 0, 12, 0, 0, 0, 1, 0, 9, 0, 0})
	f.Fuzz(func(t *testing.T, says []byte) {
		v, err := greet(newPeer(says...))
		if err == nil && 1<<v&ofVersions == 0 {
			t.Errorf("version %d", v)
		}
	})
}
