// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

func TestADelIsForwardedWhateverItsConfiguration(t *testing.T) {
	for name, tt := range map[string]struct {
		stdin  io.Reader
		socket string
	}{
		"none":           {strings.NewReader(""), ""},
		"half":           {strings.NewReader(`{"socket":"/run/x.sock"`), ""},
		"a list":         {strings.NewReader("[]"), ""},
		"a wrong socket": {strings.NewReader(`{"socket":7}`), ""},
		"a good one":     {strings.NewReader(`{"socket":"/run/x.sock"}`), "/run/x.sock"},
		"huge":           {io.MultiReader(strings.NewReader(`{"pad":"`), strings.NewReader(strings.Repeat("x", 10<<20))), ""},
		"unreadable":     {iotest.ErrReader(errors.New("broken")), ""},
	} {
		r := agentapi.CNIRequest{Command: "DEL", ContainerID: "c", IfName: "eth0"}
		conf, failure := prepare(&r, tt.stdin)
		if failure != nil || conf.socket != tt.socket || len(r.Stdin) > agentapi.MaxStdin {
			t.Errorf("%s: socket %q, %d bytes, %+v", name, conf.socket, len(r.Stdin), failure)
		}
	}
}

func TestStdinIsNotReadFurtherThanItMustBe(t *testing.T) {
	endless := &counting{}
	_, failure := readConfig(endless)
	if failure == nil || failure.Code != agentapi.CodeDecode {
		t.Errorf("%+v", failure)
	}
	if endless.read > agentapi.MaxStdin+1 {
		t.Errorf("%d bytes read", endless.read)
	}
}

// counting is a reader without end that counts what is read.
type counting struct{ read int }

func (c *counting) Read(p []byte) (int, error) {
	c.read += len(p)
	return len(p), nil
}

func TestStdinThatCannotBeReadIsAnIOFailure(t *testing.T) {
	r := agentapi.CNIRequest{Command: "STATUS"}
	if _, failure := prepare(&r, iotest.ErrReader(errors.New("broken"))); failure == nil || failure.Code != agentapi.CodeIO {
		t.Errorf("%+v", failure)
	}
}

func TestAnAnswerThatCannotBePrintedHasFailed(t *testing.T) {
	_, closed := io.Pipe()
	_ = closed.Close()
	if status := answer(closed, agentapi.CNIResponse{Stdout: agentapi.VersionResult()}); status == 0 {
		t.Error("taken for a success")
	}
}
