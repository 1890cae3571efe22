// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package journal

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kuryr-go/kuryr/internal/lease"
)

// LeaseState says what a lease that no attachment has is held for.
type LeaseState string

// The states of a held lease.
const (
	// Free: the next attachment of its pool may have it.
	Free LeaseState = "free"
	// Cooling: given back by an attachment; to be left alone for a while, and
	// then looked at before anybody has it again.
	Cooling LeaseState = "cooling"
	// Draining: taken out of its pool for good; the supplier deletes the port.
	Draining LeaseState = "draining"
)

// HeldLease is a lease of a pool that no attachment has. While one has it, it
// is in the attachment's Record instead: a lease is in one place only.
type HeldLease struct {
	Lease lease.Lease `json:"lease"`
	// Class is the pool's.
	Class lease.Class `json:"class"`
	State LeaseState  `json:"state"`
	// Since is when it got into this state.
	Since time.Time `json:"since"`
}

// Take is Begin for an attachment that has its lease already: the record comes
// and the held lease goes, in one transaction.
func (j *Journal) Take(r Record) error {
	return j.update(func(tx *bolt.Tx) error {
		if err := begin(tx, r); err != nil {
			return err
		}
		return drop(tx, r.Lease.PortID)
	})
}

// Recycle is Delete for an attachment whose lease goes back to its pool: the
// record goes and the held lease comes, in one transaction.
func (j *Journal) Recycle(r Record, l HeldLease) error {
	return j.update(func(tx *bolt.Tx) error {
		if err := forget(tx, r); err != nil {
			return err
		}
		return hold(tx, l)
	})
}

// Hold stores held leases as they are now.
func (j *Journal) Hold(leases ...HeldLease) error {
	return j.update(func(tx *bolt.Tx) error {
		for _, l := range leases {
			if err := hold(tx, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// Drop forgets held leases, by port id.
func (j *Journal) Drop(ports ...string) error {
	return j.update(func(tx *bolt.Tx) error {
		for _, id := range ports {
			if err := drop(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Held gives every held lease, in no order.
func (j *Journal) Held() ([]HeldLease, error) {
	var all []HeldLease
	err := j.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketLeases).ForEach(func(_, v []byte) error {
			var l HeldLease
			if err := decode(v, &l); err != nil {
				return err
			}
			all = append(all, l)
			return nil
		})
	})
	return all, err
}

func hold(tx *bolt.Tx, l HeldLease) error {
	v, err := encode(l)
	if err != nil {
		return err
	}
	if err := tx.Bucket(bucketLeases).Put([]byte(l.Lease.PortID), v); err != nil {
		return fmt.Errorf("journal: hold lease %s: %w", l.Lease.PortID, err)
	}
	return nil
}

func drop(tx *bolt.Tx, port string) error {
	if err := tx.Bucket(bucketLeases).Delete([]byte(port)); err != nil {
		return fmt.Errorf("journal: drop lease %s: %w", port, err)
	}
	return nil
}

// Cordon remembers whether the node is cordoned: no attachments, no leases.
func (j *Journal) Cordon(on bool) error {
	return j.update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if !on {
			return meta.Delete(keyCordon)
		}
		return meta.Put(keyCordon, []byte{1})
	})
}

// Cordoned tells whether the node is cordoned.
func (j *Journal) Cordoned() (on bool, err error) {
	err = j.db.View(func(tx *bolt.Tx) error {
		on = tx.Bucket(bucketMeta).Get(keyCordon) != nil
		return nil
	})
	return on, err
}
