// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/rpc2"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// maxBatch bounds the items of one transaction (a few hundred bytes each).
const maxBatch = 64

// errUnknown is in the chain of an error after which the transaction may have
// been made or not: the connection went before the answer came.
var errUnknown = errors.New("the connection was lost before the answer")

// item is one caller's part of a transaction: it is made whole or not at all.
type item struct {
	ops  []ovsdb.Operation
	done chan outcome
}

type outcome struct {
	results []ovsdb.OperationResult
	err     error
}

// transact makes ops, together with those of others who come meanwhile. When
// ctx ends before the turn of ops, nothing is made; after that the outcome is
// awaited. The results are one for each of ops.
//
// Errors: Unavailable when there is no connection (with errUnknown in the
// chain if ops may have been made), Internal when the server refuses ops.
func (s *session) transact(ctx context.Context, ops ...ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	it := &item{ops: ops, done: make(chan outcome, 1)}
	select {
	case s.queue <- it:
	case <-s.stopped:
		return nil, fault.New(fault.Unavailable, "the session to ovsdb-server is closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o := <-it.done
	return o.results, o.err
}

// commitBatches takes what waits, makes it one transaction, and looks again:
// an item alone goes at once, and while one transaction is under way the next
// batch gathers.
func (s *session) commitBatches(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-s.queue:
			s.commit(s.gather(first))
		}
	}
}

func (s *session) gather(first *item) []*item {
	batch := []*item{first}
	for len(batch) < maxBatch {
		select {
		case it := <-s.queue:
			batch = append(batch, it)
		default:
			return batch
		}
	}
	return batch
}

// commit makes one transaction of batch. When the server refuses it, the
// halves are tried, so that in the end only what is refused fails.
func (s *session) commit(batch []*item) {
	c, err := s.current()
	if err != nil {
		deliver(batch, outcome{err: err})
		return
	}
	results, err := s.send(c, batch)
	var no *refusal
	switch {
	case err == nil:
		for _, it := range batch {
			it.done <- outcome{results: results[:len(it.ops)]}
			results = results[len(it.ops):]
		}
	case errors.As(err, &no) && len(batch) > 1:
		half := len(batch) / 2
		s.commit(batch[:half])
		s.commit(batch[half:])
	default:
		deliver(batch, outcome{err: err})
	}
}

func deliver(batch []*item, o outcome) {
	for _, it := range batch {
		it.done <- o
	}
}

// send makes the transaction and measures it.
func (s *session) send(c *conn, batch []*item) ([]ovsdb.OperationResult, error) {
	var ops []ovsdb.Operation
	for _, it := range batch {
		ops = append(ops, it.ops...)
	}
	s.metrics.batch.Observe(float64(len(batch)))
	start := time.Now()
	results, err := c.client.Transact(c.ctx, ops...)
	if err = transactError(ops, results, err); err != nil {
		s.metrics.duration.WithLabelValues("error").Observe(time.Since(start).Seconds())
		return nil, err
	}
	s.metrics.duration.WithLabelValues("ok").Observe(time.Since(start).Seconds())
	return results, nil
}

// constraintViolation is the reason of a refusal where a name is taken.
const constraintViolation = "constraint violation"

// refusal is the server's no to a transaction.
type refusal struct {
	// reason is OVSDB's error string (RFC 7047: "constraint violation"), details its explanation.
	reason, details string
}

func (r *refusal) Error() string {
	if r.details == "" {
		return r.reason
	}
	return r.reason + ": " + r.details
}

// transactError classifies the answer to a transaction. The results tell of a
// failed operation in its place, of a failed commit in one more at the end.
func transactError(ops []ovsdb.Operation, results []ovsdb.OperationResult, err error) error {
	var no rpc2.ServerError
	if errors.As(err, &no) {
		return refused(&refusal{reason: string(no)})
	}
	if err != nil {
		return fault.New(fault.Unavailable, "ovsdb-server: %w", fmt.Errorf("%w: %w", errUnknown, err))
	}
	for _, r := range results {
		if r.Error != "" {
			return refused(&refusal{reason: r.Error, details: r.Details})
		}
	}
	if len(results) < len(ops) {
		return refused(&refusal{reason: fmt.Sprintf("%d results for %d operations", len(results), len(ops))})
	}
	return nil
}

func refused(r *refusal) error {
	return fault.New(fault.Internal, "ovsdb-server refused the transaction: %w", r)
}
