// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveHTTP serves a handler as the agent does, on a unix socket.
func serveHTTP(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	l := listen(t)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	server.Start()
	t.Cleanup(server.Close)
	return &Client{Socket: l.Addr().String()}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveRaw answers one connection with bytes of its own, once it has read the head.
func serveRaw(t *testing.T, answer string) *Client {
	t.Helper()
	l := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 64<<10)); err == nil {
			_, _ = io.WriteString(conn, answer)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return &Client{Socket: l.Addr().String()}
}

func TestACallIsForwardedAsItCame(t *testing.T) {
	want := CNIRequest{
		Command: "ADD", ContainerID: "parent.child", Netns: "/run/netns/x", IfName: "eth0", Args: "A=1;B=2", Path: "/opt/cni/bin",
		Stdin: []byte("any \x00 byte \xff"), StartedAt: time.Now().UTC(), PluginVersion: "v1",
	}
	client := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		var got CNIRequest
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != "POST" || r.URL.Path != PathCNI {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("(-want +got)\n", diff)
		}
		_ = json.NewEncoder(w).Encode(CNIResponse{Stdout: json.RawMessage(`{"a":1}`), ExitCode: 1})
	})
	got, err := client.CNI(t.Context(), want)
	if err != nil || string(got.Stdout) != `{"a":1}` || got.ExitCode != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheOperatorsPagesAreRead(t *testing.T) {
	// More than a server buffers, so that it cannot announce the length.
	many := make([]Attachment, 5000)
	for i := range many {
		many[i] = Attachment{ID: strings.Repeat("i", 100), Since: time.Unix(int64(i), 0).UTC()}
	}
	client := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET " + PathStatus:
			_ = json.NewEncoder(w).Encode(Status{Node: "n1", Problems: []string{"p"}})
		case "GET " + PathAttachments:
			_ = json.NewEncoder(w).Encode(many)
		default:
			http.NotFound(w, r)
		}
	})
	if s, err := client.Status(t.Context()); err != nil || s.Node != "n1" {
		t.Errorf("%+v, %v", s, err)
	}
	list, err := client.Attachments(t.Context())
	if diff := cmp.Diff(many, list); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestAnAbsentAgentIsExplained(t *testing.T) {
	dir := t.TempDir()
	abandoned := filepath.Join(dir, "abandoned.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: abandoned, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{
		filepath.Join(dir, "absent.sock"): "there is no such socket",
		abandoned:                         "nobody listens on the socket",
		file:                              "nobody listens on the socket",
		"/" + strings.Repeat("long", 40):  "invalid argument",
	} {
		_, err := (&Client{Socket: socket}).Status(t.Context())
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || unreachable.Connected || unreachable.Socket != socket {
			t.Fatalf("%s: %v", socket, err)
		}
		if got := unreachable.Reason(); !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", socket, got, want)
		}
		if !strings.Contains(unreachable.Hint(), "kuryr agent") || !strings.Contains(err.Error(), socket) {
			t.Errorf("%v; %s", err, unreachable.Hint())
		}
	}
	if got := (&Client{}).path(); got != DefaultSocket {
		t.Errorf("default socket %s", got)
	}
}

func TestHalfAnAnswerIsNone(t *testing.T) {
	const ok = "HTTP/1.0 200 OK\r\n"
	for name, tt := range map[string]struct{ answer, want string }{
		"nothing":          {"", "the connection was closed"},
		"another protocol": {"220 mail ready\r\n", `not an HTTP answer: "220 mail ready"`},
		"odd status":       {"HTTP/1.0 2OO OK\r\n\r\n", "not an HTTP answer"},
		"half a line":      {"HTTP/1.0 20", "not an HTTP answer"},
		"a line alone":     {"HTTP/1.0 200", "the connection was closed"},
		"half a head":      {ok + "Content-Type: app", "the connection was closed"},
		"half a body":      {ok + "Content-Length: 20\r\n\r\n{\"node\":\"n", "answer ends after 10 of 20 bytes: the connection was closed"},
		"half JSON":        {ok + "\r\n{\"node\":\"n", "decode answer"},
		"odd length":       {ok + "Content-Length: -1\r\n\r\n{}", `answer of "-1" bytes`},
		"huge length":      {ok + "Content-Length: 99999999999\r\n\r\n{}", `answer of "99999999999" bytes`},
		"chunked":          {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "transfer encoding"},
	} {
		_, err := serveRaw(t, tt.answer).Status(t.Context())
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || !unreachable.Connected || !strings.Contains(unreachable.Reason(), tt.want) {
			t.Errorf("%s: %v; want %s", name, err, tt.want)
		}
	}
}

func TestARefusalIsToldInTheAgentsWords(t *testing.T) {
	for name, tt := range map[string]struct{ answer, want string }{
		"a failure":     {"HTTP/1.0 400 Bad Request\r\n\r\n" + `{"class":"invalid","message":"no such thing"}`, "no such thing"},
		"other release": {"HTTP/1.1 404 Not Found\r\n\r\n404 page not found", "agent and caller are of different releases"},
		"no reason":     {"HTTP/1.0 500 Internal Server Error\r\n\r\n", "status 500 without a reason"},
	} {
		_, err := serveRaw(t, tt.answer).CNI(t.Context(), CNIRequest{})
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Failure.Message, tt.want) {
			t.Errorf("%s: %v; want %s", name, err, tt.want)
		}
	}
}

func TestACallThatIsGivenUpEndsInTheAgentToo(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	client := serveHTTP(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := client.CNI(ctx, CNIRequest{Command: "ADD"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-ended
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	f.Add("HTTP/1.1 404 Not Found\r\n\r\nx")
	f.Fuzz(func(t *testing.T, s string) {
		code, body, err := readAnswer(strings.NewReader(s))
		if err == nil && (code < 0 || code > 999 || len(body) > len(s)) {
			t.Errorf("%d, %d bytes", code, len(body))
		}
	})
}
