// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package journal

import (
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// change is one caller's part of a transaction. It writes nothing before
// everything that can make it fail has been checked: what it returns an error
// for is not in the file.
type change struct {
	do   func(*bolt.Tx) error
	done chan error
}

// maxChanges bounds what one transaction holds, so that no caller waits for long.
const maxChanges = 64

// update makes a change durable. Changes that arrive while another is being
// synced to the disk share the next transaction, and so one sync: bbolt's own
// Batch would have a change that comes alone wait for company.
func (j *Journal) update(do func(*bolt.Tx) error) error {
	c := change{do: do, done: make(chan error, 1)}
	select {
	case j.changes <- c:
	case <-j.closed:
		return berrors.ErrDatabaseNotOpen
	}
	return <-c.done
}

// commit carries out changes until the journal is closed.
func (j *Journal) commit() {
	defer close(j.committed)
	for {
		select {
		case first := <-j.changes:
			j.commitBatch(first)
		case <-j.closed:
			return
		}
	}
}

func (j *Journal) commitBatch(first change) {
	batch := []change{first}
	errs := []error{nil}
	err := j.db.Update(func(tx *bolt.Tx) error {
		errs[0] = first.do(tx)
		for len(batch) < maxChanges {
			select {
			case next := <-j.changes:
				batch, errs = append(batch, next), append(errs, next.do(tx))
			default:
				return nil
			}
		}
		return nil
	})
	crashPoint()
	for i, c := range batch {
		if errs[i] == nil {
			errs[i] = err
		}
		c.done <- errs[i]
	}
}
