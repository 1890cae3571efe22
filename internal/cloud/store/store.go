// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// syncInterval is how long a commit may be in the operating system's memory alone.
const syncInterval = time.Second

// Store is a set of tables that change together.
type Store struct {
	mu          sync.RWMutex
	seq         uint64 // commits since the start; guarded by mu
	tables      []table
	subscribers []func(Commit)
	file        *bolt.DB // nil: in memory

	stop chan struct{}
	done sync.WaitGroup
}

// table is a Table of whatever row type.
type table interface {
	called() string
	size() int
	load(key, value []byte) error
	undo(id string, before any)
	encode(row any) ([]byte, error)
}

// Reader is the right to read: a View's or an Update's.
type Reader interface{ reads(*Store) }

type view struct{}

func (view) reads(*Store) {}

// Tx is an Update in progress. It is good until its function returns.
type Tx struct {
	store   *Store
	changes []Change
	tables  []table // by change
	after   []func()
}

func (*Tx) reads(*Store) {}

// Change is what became of one row in a commit. Before is nil for a new row,
// After for one that is gone; else both are pointers to the table's row type.
type Change struct {
	Table, ID     string
	Before, After any
}

// Commit is what one Update did. Seq counts from one since the start.
type Commit struct {
	Seq     uint64
	Changes []Change
}

// New makes an empty store in memory. Tables are made on it before Open.
func New() *Store { return &Store{stop: make(chan struct{})} }

// Open reads the file into the tables, and keeps every commit from now on in
// it. An empty path leaves the store in memory alone. Another process that
// has the file open is an error after a second.
func (s *Store) Open(path string) error {
	if path == "" {
		return nil
	}
	file, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolt.ErrTimeout) {
		return fmt.Errorf("store: open %s: another process has it open", path)
	}
	if err != nil {
		return fmt.Errorf("store: open %s: %w", path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadAll(file); err != nil {
		return errors.Join(fmt.Errorf("store: read %s: %w", path, err), file.Close())
	}
	s.file = file
	s.done.Go(s.syncRegularly)
	return nil
}

func (s *Store) loadAll(file *bolt.DB) error {
	return file.Update(func(tx *bolt.Tx) error {
		for _, t := range s.tables {
			b, err := tx.CreateBucketIfNotExists([]byte(t.called()))
			if err != nil {
				return err
			}
			if err := b.ForEach(t.load); err != nil {
				return fmt.Errorf("table %s: %w", t.called(), err)
			}
		}
		return nil
	})
}

func (s *Store) syncRegularly() {
	tick := time.NewTicker(syncInterval)
	defer tick.Stop()
	var synced uint64
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.mu.RLock()
		seq := s.seq
		s.mu.RUnlock()
		if seq != synced && s.file.Sync() == nil {
			synced = seq
		}
	}
}

// Close ends the use of the file. The store may still be read.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	close(s.stop)
	s.mu.Unlock()
	s.done.Wait()
	s.mu.Lock()
	err := errors.Join(s.file.Sync(), s.file.Close())
	s.file = nil
	return err
}

// Subscribe has see called with every commit from now on, in order. It is
// called with the store locked: it must be quick and not use the store.
func (s *Store) Subscribe(see func(Commit)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers = append(s.subscribers, see)
}

// View runs read with a consistent state.
func (s *Store) View(read func(r Reader)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	read(view{})
}

// Seq is the number of the last commit.
func (s *Store) Seq() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seq
}

// Update runs change. If that fails or panics nothing has changed, and the error
// is Update's. It gives the commit's number, or the last one's when nothing was changed.
func (s *Store) Update(change func(tx *Tx) error) (seq uint64, err error) {
	tx := &Tx{store: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	committed := false
	defer func() {
		if !committed {
			tx.rollback()
		}
	}()
	if err := change(tx); err != nil {
		return s.seq, err
	}
	if len(tx.changes) == 0 {
		committed = true
		return s.seq, nil
	}
	if err := s.write(tx); err != nil {
		return s.seq, err
	}
	committed = true
	s.seq++
	commit := Commit{Seq: s.seq, Changes: tx.changes}
	for _, see := range s.subscribers {
		see(commit)
	}
	for _, f := range tx.after {
		f()
	}
	return s.seq, nil
}

// AfterCommit has f called, with the store locked, once tx is committed; never
// when it fails.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Seq is the number that tx will have when it is committed.
func (tx *Tx) Seq() uint64 { return tx.store.seq + 1 }

func (tx *Tx) rollback() {
	for i := len(tx.changes) - 1; i >= 0; i-- {
		tx.tables[i].undo(tx.changes[i].ID, tx.changes[i].Before)
	}
}

func (tx *Tx) record(t table, id string, before, after any) {
	tx.changes = append(tx.changes, Change{Table: t.called(), ID: id, Before: before, After: after})
	tx.tables = append(tx.tables, t)
}

func (s *Store) write(tx *Tx) error {
	if s.file == nil {
		return nil
	}
	err := s.file.Update(func(b *bolt.Tx) error {
		for i, c := range tx.changes {
			bucket := b.Bucket([]byte(c.Table))
			if c.After == nil {
				if err := bucket.Delete([]byte(c.ID)); err != nil {
					return err
				}
				continue
			}
			value, err := tx.tables[i].encode(c.After)
			if err != nil {
				return err
			}
			if err := bucket.Put([]byte(c.ID), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: write: %w", err)
	}
	return nil
}
