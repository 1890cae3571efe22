// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api

import (
	"iter"
	"slices"
)

// Listing is a list and the part of it that is asked for.
type Listing[T any] struct {
	// Rows are the candidates, in the list's order when Order is nil.
	Rows iter.Seq[*T]
	// Match chooses among them; nil: all.
	Match func(*T) bool
	// Order sorts them; nil: they are in order, and the rows up to the marker are not among them.
	Order func(a, b *T) int
	// Marker is the row behind which the page begins; nil: the page is the first.
	Marker *T
	// Limit is the most rows of a page; zero: no limit.
	Limit int
	// Reverse asks for the page before the marker.
	Reverse bool
}

// Page gives the rows of the page, and whether there are more beyond it.
func (l Listing[T]) Page() (rows []*T, more bool) {
	for row := range l.Rows {
		if l.Match != nil && !l.Match(row) {
			continue
		}
		if l.Order == nil && l.Limit > 0 && len(rows) == l.Limit {
			return l.turn(rows), true
		}
		rows = append(rows, row)
	}
	if l.Order == nil {
		return l.turn(rows), false
	}
	return l.cut(rows)
}

// turn puts the rows of a reverse page, which come from the marker back, in the list's order.
func (l Listing[T]) turn(rows []*T) []*T {
	if l.Reverse {
		slices.Reverse(rows)
	}
	return rows
}

func (l Listing[T]) cut(rows []*T) ([]*T, bool) {
	slices.SortStableFunc(rows, l.Order)
	if l.Marker != nil {
		at, _ := slices.BinarySearchFunc(rows, l.Marker, l.Order)
		if l.Reverse {
			rows = rows[:at]
		} else {
			for at < len(rows) && l.Order(rows[at], l.Marker) <= 0 {
				at++
			}
			rows = rows[at:]
		}
	}
	if l.Limit <= 0 || len(rows) <= l.Limit {
		return rows, false
	}
	if l.Reverse {
		return rows[len(rows)-l.Limit:], true
	}
	return rows[:l.Limit], true
}
