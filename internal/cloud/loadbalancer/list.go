// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// layout is how times are written.
const layout = "2006-01-02T15:04:05"

// kind is what lists need to know of a type of rows.
type kind[T any] struct {
	// one and many are the keys of a body; links that of a list's links.
	one, many, links string
	columns          *api.Columns[T]
	id               func(*T) string
	// tags is nil for what has none.
	tags func(*T) []string
	// made is when a row was made; nil where that is not known.
	made func(*T) time.Time
	// values are what rows can be found and sorted by beside the columns, and the
	// columns that have another name in Octavia's database.
	values map[string]func(*T) any
	// without are columns that this type does not have in the API.
	without []string
}

// show tells a row as the API does.
type show[T any] func(r store.Reader, row *T) map[string]any

// row is a pointer to a row with an LBMeta.
type row[T any] interface {
	*T
	LB() *model.LBMeta
}

// newKind makes the kind of rows with an LBMeta.
func newKind[T any, P row[T]](one, many string, without []string, values map[string]func(*T) any) *kind[T] {
	return &kind[T]{
		one: one, many: many, links: many + "_links",
		columns: api.ColumnsOf[T](layout),
		id:      func(r *T) string { return P(r).LB().ID },
		tags:    func(r *T) []string { return P(r).LB().Tags },
		made:    func(r *T) time.Time { return P(r).LB().CreatedAt },
		values:  values, without: without,
	}
}

// value gives a way to read what a filter or sort key names; nil: there is no such thing.
func (k *kind[T]) value(name string) func(*T) any {
	if name == "enabled" && k.columns.Has("admin_state_up") {
		name = "admin_state_up"
	}
	if f := k.values[name]; f != nil {
		return f
	}
	if !k.columns.Has(name) || slices.Contains(k.without, name) {
		return nil
	}
	return func(r *T) any { return k.columns.Value(r, name) }
}

// base gives the columns of a row, as all resources show them.
func (k *kind[T]) base(r *T) map[string]any {
	m := k.columns.Map(r)
	for _, name := range k.without {
		delete(m, name)
	}
	if p, ok := m["project_id"]; ok {
		m["tenant_id"] = p
	}
	return m
}

// list answers with a page of rows.
func list[T any](r store.Reader, hr *api.Request, k *kind[T], q *query, rows iter.Seq[*T], get func(id string) *T, tell show[T]) (api.Reply, error) {
	l, err := listingOf(k, q)
	if err != nil {
		return api.Reply{}, err
	}
	l.Rows = rows
	if q.marker != "" {
		marker := get(q.marker)
		if marker == nil {
			return api.Reply{}, badRequest("Supplied pagination marker '%s' is not valid.", q.marker)
		}
		if q.reverse {
			// Octavia gives the first page of what is before the marker, not the last.
			match := l.Match
			l.Match = func(row *T) bool { return match(row) && l.Order(row, marker) < 0 }
		} else {
			l.Marker = marker
		}
	}
	page, _ := l.Page()
	shown := make([]map[string]any, len(page))
	for i, row := range page {
		shown[i] = q.choose(tell(r, row))
	}
	body := map[string]any{k.many: shown, k.links: []any{}}
	if len(page) > 0 {
		body[k.links] = q.links(hr, len(page), k.id(page[0]), k.id(page[len(page)-1]))
	}
	return api.Reply{Body: body}, nil
}

// listingOf reads what a list is filtered and sorted by.
func listingOf[T any](k *kind[T], q *query) (l api.Listing[T], err error) {
	if err := q.readFilters(); err != nil {
		return l, err
	}
	matches := []func(*T) bool{}
	if k.tags != nil {
		matches = append(matches, func(row *T) bool { return q.tagged(k.tags(row)) })
	}
	for name, wanted := range q.filters {
		value := k.value(name)
		if value == nil {
			return l, badRequest("One or more arguments are either duplicate or invalid")
		}
		matches = append(matches, func(row *T) bool { return matchesFilter(value(row), wanted) })
	}
	orders := []func(a, b *T) int{}
	keys := q.sort
	for _, name := range []string{"created_at", "id"} {
		if !slices.ContainsFunc(keys, func(x sortKey) bool { return x.name == name }) && k.value(name) != nil {
			keys = append(keys, sortKey{name: name})
		}
	}
	for _, key := range keys {
		order := k.order(key)
		if order == nil {
			return l, badRequest("Supplied sort key '%s' is not valid.", key.name)
		}
		orders = append(orders, order)
	}
	l.Match = func(row *T) bool {
		return !slices.ContainsFunc(matches, func(match func(*T) bool) bool { return !match(row) })
	}
	l.Order = func(a, b *T) int {
		for _, order := range orders {
			if n := order(a, b); n != 0 {
				return n
			}
		}
		return 0
	}
	l.Limit = q.limit
	return l, nil
}

// order gives the order by a key; nil: there is no such thing.
func (k *kind[T]) order(key sortKey) func(a, b *T) int {
	value := k.value(key.name)
	switch {
	case value == nil:
		return nil
	case key.name == "created_at" && k.made != nil:
		value = func(row *T) any { return k.made(row) }
	}
	if key.descending {
		return func(a, b *T) int { return compare(value(b), value(a)) }
	}
	return func(a, b *T) int { return compare(value(a), value(b)) }
}

// compare orders two values as Octavia's database does: null first, and texts
// without regard to their case.
func compare(a, b any) int {
	x, ok := a.(string)
	y, ok2 := b.(string)
	if ok && ok2 {
		return strings.Compare(strings.ToLower(x), strings.ToLower(y))
	}
	if x, ok := a.(time.Time); ok {
		if y, ok := b.(time.Time); ok {
			return x.Compare(y)
		}
	}
	return api.Compare(a, b)
}

// matchesFilter compares a value as Octavia's database does. What was never set
// is null there, and found by nothing.
func matchesFilter(value any, wanted string) bool {
	switch v := value.(type) {
	case string:
		return v != "" && (strings.EqualFold(v, wanted) || strings.EqualFold(v, strings.Replace(wanted, " ", "T", 1)))
	case bool:
		return v == truth(wanted)
	case int:
		n, err := strconv.Atoi(strings.TrimSpace(wanted))
		return err == nil && n == v
	case float64:
		f, err := strconv.ParseFloat(strings.TrimSpace(wanted), 64)
		return err == nil && f == v
	}
	return false
}

// truth reads a truth value that may have any form (oslo.utils' bool_from_string).
func truth(s string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(strings.TrimSpace(s)))
}
