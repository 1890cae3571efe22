// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

const (
	// dialTimeout bounds connecting and reading the replica.
	dialTimeout = 10 * time.Second
	// heartbeat is how often an idle server is asked whether it lives, and
	// how long it may take to say so.
	heartbeat = 3 * time.Second
	// closeTimeout bounds the wait for the library's goroutines.
	closeTimeout = 2 * time.Second
)

// conn is one connection with its replica. libovsdb could reconnect by itself,
// but then cannot be closed while it tries, and panics when it gives up: so a
// conn is used until it is lost, and a new one is made.
type conn struct {
	client client.Client
	cache  *cache.TableCache
	// ctx ends when the connection is given up; it frees whoever waits for
	// an answer.
	ctx    context.Context
	cancel context.CancelFunc
	// lost is closed when the connection is gone; closing abandon ends the
	// wait for it.
	lost, abandon chan struct{}
}

// dial connects to s.database and reads the replica.
func dial(ctx context.Context, s *session) (*conn, error) {
	m, err := databaseModel()
	if err != nil {
		return nil, fmt.Errorf("ovs: database model: %w", err)
	}
	log := logr.FromSlogHandler(s.log.Handler())
	cl, err := client.NewOVSDBClient(m, client.WithEndpoint(s.database), client.WithLogger(&log))
	if err != nil {
		return nil, fmt.Errorf("ovs: database %s: %w", s.database, err)
	}
	c := &conn{client: cl, lost: make(chan struct{}), abandon: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	var listening sync.WaitGroup
	listening.Add(1)
	go c.listen(&listening)
	listening.Wait()
	// Not to be cut short by ctx: libovsdb reads the answer of a monitor request
	// that was given up while its connection still writes it.
	dialCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	if err := c.open(dialCtx, s); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// listen tells of the loss of the connection. It begins before there is one:
// libovsdb tells only who is listening.
func (c *conn) listen(listening *sync.WaitGroup) {
	defer close(c.lost)
	listening.Done()
	select {
	case <-c.client.DisconnectNotify():
	case <-c.abandon:
	}
}

// open connects and monitors. There is a single monitor, because libovsdb
// holds updates back only until the first one has its initial rows; and it is
// a monitor_cond, because only there libovsdb notices that its replica and an
// update do not fit together (it then disconnects).
func (c *conn) open(ctx context.Context, s *session) error {
	if err := c.client.Connect(ctx); err != nil {
		return err
	}
	c.cache = c.client.Cache()
	c.cache.AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(table string, row model.Model) { s.event(c, table, row) },
		UpdateFunc: func(table string, _, row model.Model) { s.event(c, table, row) },
		DeleteFunc: func(table string, row model.Model) { s.event(c, table, row) },
	})
	var (
		sw switchRow
		br bridgeRow
		po portRow
		in interfaceRow
	)
	monitor := c.client.NewMonitor(
		client.WithTable(&sw, &sw.ExternalIDs, &sw.Version, &sw.NextCfg, &sw.CurCfg),
		client.WithTable(&br, &br.Name, &br.DatapathType, &br.ExternalIDs),
		client.WithTable(&po, &po.Name, &po.Tag),
		client.WithTable(&in, &in.Name, &in.ExternalIDs, &in.OfPort, &in.Error),
	)
	monitor.Method = ovsdb.ConditionalMonitorRPC
	_, err := c.client.Monitor(ctx, monitor)
	return err
}

// wait returns when the connection is lost, the server does not answer a
// heartbeat, or ctx ends.
func (c *conn) wait(ctx context.Context) error {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.lost:
			return client.ErrNotConnected
		case <-tick.C:
			if err := c.echo(ctx); err != nil {
				return err
			}
		}
	}
}

// echo asks the server for a sign of life.
func (c *conn) echo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	err := c.client.Echo(ctx)
	if err != nil && ctx.Err() != nil {
		// libovsdb then complains about the empty answer.
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("no answer to a heartbeat: %w", err)
	}
	return nil
}

// close gives the connection up. Waiting calls are freed first: libovsdb
// closes only when none is left.
func (c *conn) close() {
	c.cancel()
	if c.client.CurrentEndpoint() != "" {
		c.client.Close()
		select {
		case <-c.lost:
		case <-time.After(closeTimeout):
		}
	}
	close(c.abandon)
	<-c.lost
}
