// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// schema is the layout of the file. It grows when a reader of the older
// layout would misread the newer one.
const schema = "2"

// older are the layouts that this one contains: a file of theirs is taken over.
var older = []string{"1"}

// The buckets: records by id, the id by key for all but the releasing ones,
// and held leases by port id.
var (
	bucketMeta    = []byte("meta")
	bucketRecords = []byte("records")
	bucketKeys    = []byte("keys")
	bucketLeases  = []byte("leases")
	keySchema     = []byte("schema")
	keyCordon     = []byte("cordon")
)

// ErrExists is returned by Begin for a key that has an attachment.
var ErrExists = errors.New("journal: attachment exists")

// Journal is an open journal file. Its methods may be called concurrently.
type Journal struct {
	db      *bolt.DB
	path    string
	changes chan change
	// closed ends commit, which then closes committed.
	closed, committed chan struct{}
	closing           sync.Once
}

// lockTimeout is how long Open waits for another process to let go of the
// file: long enough for an agent that is being restarted.
const lockTimeout = 3 * time.Second

// Open opens the journal at path, and makes it, with its folder, when there is none.
func Open(path string) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("journal: make folder: %w", err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		e := fault.New(fault.Conflict, "journal %s is in use by another process", path)
		e.Hint = "another agent runs with this journal: stop it, or set agent.journal to another path"
		return nil, e
	case err != nil:
		e := fault.New(fault.Internal, "journal %s cannot be opened: %w", path, err)
		e.Hint = "if the file is damaged, move it away: ports of running containers then stay until `kuryr ports` no longer knows them and the runtime deletes them"
		return nil, e
	}
	j := &Journal{db: db, path: path, changes: make(chan change), closed: make(chan struct{}), committed: make(chan struct{})}
	if err := j.init(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go j.commit()
	return j, nil
}

func (j *Journal) init() error {
	return j.db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		switch got := string(meta.Get(keySchema)); {
		case got == schema:
			return nil
		case got == "" || slices.Contains(older, got):
		default:
			e := fault.New(fault.Conflict, "journal %s has layout %s, and this version reads layout %s", j.path, got, schema)
			e.Hint = "it was written by a newer agent: run that one"
			return e
		}
		for _, b := range [][]byte{bucketRecords, bucketKeys, bucketLeases} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
		}
		return meta.Put(keySchema, []byte(schema))
	})
}

// Close closes the file. Calls under way end first.
func (j *Journal) Close() error {
	j.closing.Do(func() { close(j.closed) })
	<-j.committed
	return j.db.Close()
}

// Path is the file's path.
func (j *Journal) Path() string { return j.path }

// Begin stores a new attachment and takes its key. It returns ErrExists when
// the key is taken.
func (j *Journal) Begin(r Record) error {
	return j.update(func(tx *bolt.Tx) error { return begin(tx, r) })
}

// Put stores a record as it is now. It leaves the key alone.
func (j *Journal) Put(r Record) error {
	return j.update(func(tx *bolt.Tx) error { return put(tx, r) })
}

// Release stores a record in the state Releasing and frees its key if the key is its.
func (j *Journal) Release(r Record) error {
	r.State = Releasing
	return j.update(func(tx *bolt.Tx) error {
		if err := freeKey(tx, r); err != nil {
			return err
		}
		return put(tx, r)
	})
}

// Delete forgets a record, and frees its key if the key is its.
func (j *Journal) Delete(r Record) error {
	return j.update(func(tx *bolt.Tx) error { return forget(tx, r) })
}

// Get finds the attachment that has a key.
func (j *Journal) Get(sandbox, iface string) (r Record, found bool, err error) {
	err = j.db.View(func(tx *bolt.Tx) error {
		id := tx.Bucket(bucketKeys).Get(key(sandbox, iface))
		if id == nil {
			return nil
		}
		v := tx.Bucket(bucketRecords).Get(id)
		if v == nil {
			return fault.New(fault.Internal, "journal: key %s/%s names record %s, which is not there", sandbox, iface, id)
		}
		found = true
		return decode(v, &r)
	})
	return r, found, err
}

// All gives every record, in no order.
func (j *Journal) All() ([]Record, error) {
	var all []Record
	err := j.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketRecords).ForEach(func(_, v []byte) error {
			var r Record
			if err := decode(v, &r); err != nil {
				return err
			}
			all = append(all, r)
			return nil
		})
	})
	return all, err
}

// key joins the two parts with a byte that neither can hold.
func key(sandbox, iface string) []byte { return []byte(sandbox + "\x00" + iface) }

func begin(tx *bolt.Tx, r Record) error {
	keys, k := tx.Bucket(bucketKeys), key(r.Sandbox, r.Interface)
	if keys.Get(k) != nil {
		return ErrExists
	}
	if err := keys.Put(k, []byte(r.ID)); err != nil {
		return fmt.Errorf("journal: begin %s: %w", r.ID, err)
	}
	return put(tx, r)
}

func forget(tx *bolt.Tx, r Record) error {
	if err := freeKey(tx, r); err != nil {
		return err
	}
	if err := tx.Bucket(bucketRecords).Delete([]byte(r.ID)); err != nil {
		return fmt.Errorf("journal: delete %s: %w", r.ID, err)
	}
	return nil
}

func put(tx *bolt.Tx, r Record) error {
	v, err := encode(r)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketRecords).Put([]byte(r.ID), v); err != nil {
		return fmt.Errorf("journal: put %s: %w", r.ID, err)
	}
	return nil
}

func freeKey(tx *bolt.Tx, r Record) error {
	keys, k := tx.Bucket(bucketKeys), key(r.Sandbox, r.Interface)
	if string(keys.Get(k)) != r.ID {
		return nil
	}
	if err := keys.Delete(k); err != nil {
		return fmt.Errorf("journal: free key of %s: %w", r.ID, err)
	}
	return nil
}

func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("journal: encode %T: %w", v, err)
	}
	return b, nil
}

func decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("journal: decode %T: %w", into, err)
	}
	return nil
}
