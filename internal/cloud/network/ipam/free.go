// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ipam

import (
	"net/netip"

	"github.com/tidwall/btree"
)

// Free knows which addresses of some pools are not taken. It is for one
// goroutine at a time.
type Free struct {
	pools Set
	tree  *btree.BTreeG[Range]
	// next is where Next begins: behind what it gave last, so that an address
	// that was given back is not given out again at once.
	next netip.Addr
}

// NewFree has all addresses of the pools free.
func NewFree(pools Set) *Free {
	f := &Free{pools: pools}
	less := func(a, b Range) bool { return a.From.Less(b.From) }
	f.tree = btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
	for _, p := range pools {
		f.tree.Set(p)
	}
	return f
}

// around gives the free range that an address is in, or comes after.
func (f *Free) around(a netip.Addr) (found Range, ok bool) {
	f.tree.Descend(Range{From: a}, func(r Range) bool {
		found, ok = r, true
		return false
	})
	return found, ok
}

// Take makes an address not free, if it was.
func (f *Free) Take(a netip.Addr) {
	r, ok := f.around(a)
	if !ok || !r.Has(a) {
		return
	}
	f.tree.Delete(r)
	for _, left := range (Set{r}).Without(Range{a, a}) {
		f.tree.Set(left)
	}
}

// Give makes an address free, if it is of the pools.
func (f *Free) Give(a netip.Addr) {
	if !f.pools.Contains(Range{a, a}) {
		return
	}
	one := Range{a, a}
	if before, ok := f.around(a); ok {
		if before.Has(a) {
			return
		}
		if before.To.Next() == a {
			f.tree.Delete(before)
			one.From = before.From
		}
	}
	if after := a.Next(); after.IsValid() {
		if r, ok := f.tree.Get(Range{From: after}); ok {
			f.tree.Delete(r)
			one.To = r.To
		}
	}
	f.tree.Set(one)
}

// Next gives a free address that usable does not refuse, beginning behind the
// one that it gave before; with first at the least one. It does not take it.
// Not ok: there is none.
func (f *Free) Next(first bool, usable func(netip.Addr) bool) (found netip.Addr, ok bool) {
	from := f.next
	if first || !from.IsValid() {
		from = netip.Addr{}
	}
	found, ok = f.search(from, netip.Addr{}, usable)
	if !ok && from.IsValid() {
		found, ok = f.search(netip.Addr{}, from, usable)
	}
	if ok && !first {
		f.next = found.Next()
	}
	return found, ok
}

// search looks among the addresses from one on and before another; either may be unset.
func (f *Free) search(from, until netip.Addr, usable func(netip.Addr) bool) (found netip.Addr, ok bool) {
	try := func(r Range) bool {
		for a := r.From; a.IsValid() && a.Compare(r.To) <= 0; a = a.Next() {
			if until.IsValid() && !a.Less(until) {
				return false
			}
			if usable(a) {
				found, ok = a, true
				return false
			}
		}
		return true
	}
	if from.IsValid() {
		if r, within := f.around(from); within && r.Has(from) && r.From != from && !try(Range{from, r.To}) {
			return found, ok
		}
	}
	f.tree.Ascend(Range{From: from}, try)
	return found, ok
}
