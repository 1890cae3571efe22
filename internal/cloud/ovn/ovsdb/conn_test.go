// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// server is the other end of one connection: it answers the monitor with what
// there is, and everything else as the test says.
type server struct {
	t    *testing.T
	conn net.Conn
	in   *json.Decoder
}

// serve listens, and gives the address and the first connection.
func serve(t *testing.T) (address string, accept func() *server) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "unix:" + path, func() *server {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return nil
		}
		t.Cleanup(func() { _ = conn.Close() })
		return &server{t, conn, json.NewDecoder(bufio.NewReader(conn))}
	}
}

func (s *server) read() (m message) {
	if err := s.in.Decode(&m); err != nil {
		s.t.Error(err)
	}
	return m
}

func (s *server) send(text string) {
	if _, err := s.conn.Write([]byte(text)); err != nil {
		s.t.Error(err)
	}
}

// connect gives both ends of a connection whose replica is empty.
func connect(t *testing.T, seen func([]Change)) (*Conn, *server) {
	t.Helper()
	address, accept := serve(t)
	served := make(chan *server, 1)
	go func() {
		s := accept()
		m := s.read()
		if m.Method != "monitor_cond" {
			t.Errorf("first request: %s", m.Method)
		}
		s.send(`{"id":` + string(m.ID) + `,"result":{},"error":null}`)
		served <- s
	}()
	c, err := Dial(context.Background(), address, schema, seen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, <-served
}

func TestWhatATransactionDidIsInTheReplicaWhenItReturns(t *testing.T) {
	c, s := connect(t, func([]Change) {})
	go func() {
		m := s.read()
		s.send(`{"id":null,"method":"update2","params":["replica",{"Child":{"` + uuid(1) + `":{"insert":{"name":"x"}}}}]}`)
		s.send(`{"id":` + string(m.ID) + `,"result":[{"uuid":["uuid","` + uuid(1) + `"]}],"error":null}`)
	}()
	if err := c.Transact(context.Background(), []Op{Insert("Child", "a", Columns{"name": "x"})}); err != nil {
		t.Fatal(err)
	}
	c.Lock()
	defer c.Unlock()
	if id, _ := ParseUUID(uuid(1)); c.Row(id) == nil || c.Row(id).String("name") != "x" {
		t.Error("not there")
	}
}

func TestOperationsAreWrittenAsTheServerReadsThem(t *testing.T) {
	id, _ := ParseUUID(uuid(1))
	for _, test := range []struct {
		op   Op
		want string
	}{
		{
			Insert("Child", "a", Columns{"name": "x", "maybe": nil, "set": Set{"b", "a", "b"}, "map": Map{"k": "v"}, "counts": IntMap{"n": 1}}),
			`{"op":"insert","row":{"counts":["map",[["n",1]]],"map":["map",[["k","v"]]],"maybe":["set",[]],"name":"x","set":["set",["a","b"]]},"table":"Child","uuid-name":"a"}`,
		},
		{
			Update("Child", id, Columns{"yes": false, "ref": Name("b")}),
			`{"op":"update","row":{"ref":["named-uuid","b"],"yes":false},"table":"Child","where":[["_uuid","==",["uuid","` + uuid(1) + `"]]]}`,
		},
		{
			Mutate("Parent", id, Mutation{"strong", "insert", IDs{id, Name("b")}}),
			`{"mutations":[["strong","insert",["set",[["uuid","` + uuid(1) + `"],["named-uuid","b"]]]]],"op":"mutate","table":"Parent","where":[["_uuid","==",["uuid","` + uuid(1) + `"]]]}`,
		},
		{Delete("Child", id), `{"op":"delete","table":"Child","where":[["_uuid","==",["uuid","` + uuid(1) + `"]]]}`},
		{
			MutateAll("Child", "number", Mutation{"number", "+=", 1}),
			`{"mutations":[["number","+=",1]],"op":"mutate","table":"Child","where":[["number",">=",0]]}`,
		},
	} {
		text, err := json.Marshal(test.op)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := errors.Join(json.Unmarshal(text, &got), json.Unmarshal([]byte(test.want), &want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestARefusalSaysWhatTheServerSaid(t *testing.T) {
	c, s := connect(t, func([]Change) {})
	go func() {
		m := s.read()
		s.send(`{"id":` + string(m.ID) + `,"result":[{"count":1},null,{"error":"constraint violation","details":"too much"}],"error":null}`)
	}()
	var no *Refusal
	if err := c.Transact(context.Background(), []Op{Delete("Child", UUID{})}); !errors.As(err, &no) || no.Error() != "constraint violation: too much" {
		t.Errorf("error: %v", err)
	}
}

func TestWhoWaitsIsToldWhenTheConnectionIsLost(t *testing.T) {
	c, s := connect(t, func([]Change) {})
	go func() {
		s.read()
		_ = s.conn.Close()
	}()
	if err := c.Transact(context.Background(), nil); !errors.Is(err, ErrLost) {
		t.Errorf("error: %v", err)
	}
	<-c.Lost()
	if err := c.Transact(context.Background(), nil); !errors.Is(err, ErrLost) || !errors.Is(c.Why(), ErrLost) {
		t.Errorf("afterwards: %v, %v", err, c.Why())
	}
}

func TestAConnectionWhoseReplicaWouldBeWrongIsLost(t *testing.T) {
	c, s := connect(t, func([]Change) {})
	s.send(`{"id":null,"method":"update2","params":["replica",{"Child":{"` + uuid(1) + `":{"modify":{"name":"x"}}}}]}`)
	<-c.Lost()
}

func TestTheServersEchoIsAnswered(t *testing.T) {
	_, s := connect(t, func([]Change) {})
	s.send(`{"id":"echo","method":"echo","params":["are you there"]}`)
	if m := s.read(); string(m.ID) != `"echo"` || string(m.Result) != `["are you there"]` {
		t.Errorf("answer: %s %s", m.ID, m.Result)
	}
}

func TestAnAddressThatCannotBeReachedIsAnError(t *testing.T) {
	for _, address := range []string{"unix:" + filepath.Join(t.TempDir(), "none"), "ssl:host:1", "none", "tcp:127.0.0.1:1"} {
		if _, err := Dial(context.Background(), address, schema, func([]Change) {}); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestTheNextAddressIsTried(t *testing.T) {
	address, accept := serve(t)
	go func() {
		s := accept()
		s.send(`{"id":` + string(s.read().ID) + `,"result":{},"error":null}`)
	}()
	c, err := Dial(context.Background(), "unix:"+filepath.Join(t.TempDir(), "none")+","+address, schema, func([]Change) {})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
