// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// dialTimeout bounds connecting.
	dialTimeout = 5 * time.Second
	// heartbeat is how often a server is asked whether it lives; silence is how
	// long it may take to say so: it does nothing else while it compacts its file.
	heartbeat = 5 * time.Second
	silence   = 30 * time.Second
	// monitorCookie names our one monitor.
	monitorCookie = "replica"
)

// ErrLost is in the chain of an error of a connection that is gone.
var ErrLost = errors.New("the connection is lost")

// Conn is one connection with its replica.
type Conn struct {
	*Replica

	conn net.Conn
	lost chan struct{} // closed when the connection is gone

	mu      sync.Mutex
	why     error
	nextID  uint64
	pending map[string]chan response // by request id
	writing sync.Mutex
	done    sync.WaitGroup
}

// message is whatever comes in: a request has a method, an answer none.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

type response struct {
	result json.RawMessage
	err    error
}

// Dial connects to one of the addresses ("unix:PATH" or "tcp:HOST:PORT",
// several with commas between) and reads the replica. seen is called with the
// changes of every message, the first with all that there is, with the replica
// locked: it must be quick.
func Dial(ctx context.Context, addresses string, schema *Schema, seen func([]Change)) (*Conn, error) {
	var failed []error
	for address := range strings.SplitSeq(addresses, ",") {
		conn, err := dial(ctx, address)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		c := &Conn{Replica: newReplica(schema, seen), conn: conn, lost: make(chan struct{}), pending: map[string]chan response{}}
		c.done.Go(c.read)
		if err := c.monitor(ctx); err != nil {
			c.Close()
			failed = append(failed, fmt.Errorf("ovsdb: monitor %s at %s: %w", schema.Database, address, err))
			continue
		}
		c.done.Go(c.beat)
		return c, nil
	}
	return nil, errors.Join(failed...)
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	network, to, ok := strings.Cut(address, ":")
	if !ok || network != "unix" && network != "tcp" {
		return nil, fmt.Errorf("ovsdb: address %q is neither unix:PATH nor tcp:HOST:PORT", address)
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, network, to)
	if err != nil {
		return nil, fmt.Errorf("ovsdb: dial %s: %w", address, err)
	}
	return conn, nil
}

// Lost is closed when the connection is gone.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Why tells why the connection is gone; nil while it is not.
func (c *Conn) Why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Close gives the connection up. Whoever waits for an answer gets ErrLost.
func (c *Conn) Close() {
	c.lose(net.ErrClosed)
	c.done.Wait()
}

// lose ends the connection, once.
func (c *Conn) lose(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return
	}
	c.why = fmt.Errorf("%w: %w", ErrLost, why)
	for id, answer := range c.pending {
		answer <- response{err: c.why}
		delete(c.pending, id)
	}
	close(c.lost)
	_ = c.conn.Close()
}

// read takes messages, one after the other, until the connection ends.
func (c *Conn) read() {
	in := json.NewDecoder(bufio.NewReaderSize(c.conn, 1<<16))
	for {
		var m message
		if err := in.Decode(&m); err != nil {
			c.lose(err)
			return
		}
		if err := c.take(m); err != nil {
			c.lose(err)
			return
		}
	}
}

func (c *Conn) take(m message) error {
	switch m.Method {
	case "":
		return c.answered(m)
	case "echo":
		return c.write(message{ID: m.ID, Result: m.Params, Error: json.RawMessage("null")})
	case "update2":
		var params [2]json.RawMessage
		if err := json.Unmarshal(m.Params, &params); err != nil {
			return err
		}
		return c.update(params[1])
	}
	return nil
}

func (c *Conn) update(text json.RawMessage) error {
	var updates tableUpdates
	if err := json.Unmarshal(text, &updates); err != nil {
		return err
	}
	return c.apply(updates)
}

// answered passes an answer to who waits for it. The monitor's is the replica's
// beginning and must be taken before any update.
func (c *Conn) answered(m message) error {
	id := string(m.ID)
	c.mu.Lock()
	answer := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	if answer == nil {
		return nil
	}
	if len(m.Error) > 0 && string(m.Error) != "null" {
		answer <- response{err: fmt.Errorf("the server refused: %s", m.Error)}
		return nil
	}
	if id != monitorID {
		answer <- response{result: m.Result}
		return nil
	}
	err := c.update(m.Result)
	answer <- response{err: err}
	return err
}

// monitorID is the id of the monitor's request.
const monitorID = `"` + monitorCookie + `"`

func (c *Conn) monitor(ctx context.Context) error {
	requests := map[string]any{}
	for _, t := range c.schema.Tables {
		columns := []string{}
		for _, column := range t.Columns {
			columns = append(columns, column.Name)
		}
		requests[t.Name] = []any{map[string]any{"columns": columns}}
	}
	_, err := c.call(ctx, monitorID, "monitor_cond", c.schema.Database, monitorCookie, requests)
	return err
}

// call makes a request and waits for its answer.
func (c *Conn) call(ctx context.Context, id, method string, params ...any) (json.RawMessage, error) {
	text, err := json.Marshal(append([]any{}, params...))
	if err != nil {
		return nil, err
	}
	answer := make(chan response, 1)
	c.mu.Lock()
	if c.why != nil {
		defer c.mu.Unlock()
		return nil, c.why
	}
	if id == "" {
		c.nextID++
		id = fmt.Sprint(c.nextID)
	}
	c.pending[id] = answer
	c.mu.Unlock()
	if err := c.write(message{ID: json.RawMessage(id), Method: method, Params: text}); err != nil {
		c.lose(err)
	}
	select {
	case r := <-answer:
		return r.result, r.err
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (c *Conn) write(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	_, err = c.conn.Write(text)
	return err
}

// beat asks for a sign of life until the connection is lost.
func (c *Conn) beat() {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-c.lost:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), silence)
		_, err := c.call(ctx, "", "echo")
		cancel()
		if err != nil {
			c.lose(fmt.Errorf("no answer to a heartbeat: %w", err))
			return
		}
	}
}
