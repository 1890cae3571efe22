// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Absent is the value of what a View takes away.
var Absent any = &struct{ absent bool }{}

// appendShown adds to JSON text what the caller sees of a row: the fields, or with none all.
func (s *server[T]) appendShown(dst []byte, c *Call, r store.Reader, row *T, fields []string) []byte {
	seen := s.sight(c, s.target(c, r, row))
	view := c.shown
	clear(view)
	if s.View != nil {
		s.View(c, r, row, view)
	}
	if seen.tenant {
		view["tenant_id"] = s.Meta(row).ProjectID
	}
	dst = append(dst, '{')
	empty := len(dst)
	for _, part := range seen.parts {
		value, viewed := view[part.name]
		if !part.column && !viewed || value == Absent || len(fields) > 0 && !slices.Contains(fields, part.name) {
			continue
		}
		if len(dst) > empty {
			dst = append(dst, ',')
		}
		dst = append(dst, part.key...)
		if viewed {
			dst = api.AppendJSON(dst, value)
		} else {
			dst = s.Columns.Append(dst, row, part.name)
		}
	}
	return append(dst, '}')
}

// named puts JSON text under a key of an object.
func named(name string, text []byte) json.RawMessage {
	dst := append(api.AppendJSON([]byte{'{'}, name), ':')
	return append(append(dst, text...), '}')
}

func (s *server[T]) show(r *api.Request) (api.Reply, error) {
	c := s.call(r)
	fields := r.URL.Query()["fields"]
	var text []byte
	var err error
	s.engine.Store.View(func(r store.Reader) {
		var row *T
		if row, err = s.find(c, r); err == nil {
			text = s.appendShown(nil, c, r, row, fields)
		}
	})
	return api.Reply{Body: named(s.Name, text)}, err
}

// query is what a list request asks for.
type query struct {
	filters map[string][]string
	fields  []string
	sort    []sorting
	limit   int
	marker  string
	reverse bool
}

type sorting struct {
	key  string
	desc bool
}

func (s *server[T]) query(values url.Values) (q query, err error) {
	q.fields = values["fields"]
	if q.filters, err = s.filters(values); err != nil {
		return q, err
	}
	if s.CheckFilters != nil {
		if err = s.CheckFilters(q.filters); err != nil {
			return q, err
		}
	}
	if text := values.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 0 {
			return q, api.Errorf(http.StatusBadRequest, "BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '%s'.", text)
		}
	}
	if q.limit > 0 {
		q.marker = values.Get("marker")
		q.reverse = strings.EqualFold(values.Get("page_reverse"), "true")
	}
	q.sort, err = s.sorting(values)
	return q, err
}

func (s *server[T]) filters(values url.Values) (map[string][]string, error) {
	filters, invalid := map[string][]string{}, []string{}
	for _, name := range sortedKeys(values) {
		if slices.Contains([]string{"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"}, name) {
			continue
		}
		given := slices.DeleteFunc(slices.Clone(values[name]), func(v string) bool { return v == "" })
		attr := s.Attributes.Get(name)
		if attr == nil || !attr.Filter {
			invalid = append(invalid, name)
			continue
		}
		for i, v := range given {
			// As in a request's body: "True" and "true" are the same.
			if converted, err := attr.Convert(v); err == nil {
				given[i] = api.Text(converted)
			} else if e, ok := err.(*api.Error); ok {
				return nil, e
			}
		}
		if len(given) > 0 {
			if name == "tenant_id" {
				name = "project_id"
			}
			filters[name] = given
		}
	}
	if len(invalid) > 0 {
		return nil, BadRequest("%s is invalid attribute for filtering", Repr(invalid))
	}
	return filters, nil
}

func (s *server[T]) sorting(values url.Values) (list []sorting, err error) {
	empty := func(v string) bool { return v == "" }
	keys := slices.DeleteFunc(slices.Clone(values["sort_key"]), empty)
	dirs := slices.DeleteFunc(slices.Clone(values["sort_dir"]), empty)
	if len(keys) != len(dirs) {
		return nil, BadRequest("The number of sort_keys and sort_dirs must be same")
	}
	absent := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { a := s.Attributes.Get(k); return a != nil && a.Sort })
	if len(absent) > 0 {
		return nil, BadRequest("%s is invalid attribute for sort_keys", Repr(absent))
	}
	wrong := slices.DeleteFunc(slices.Clone(dirs), func(d string) bool { return d == "asc" || d == "desc" })
	if len(wrong) > 0 {
		return nil, BadRequest("%s is invalid value for sort_dirs, valid value is 'asc' and 'desc'", Repr(wrong))
	}
	for i, key := range keys {
		if key == "tenant_id" {
			key = "project_id"
		}
		list = append(list, sorting{key, dirs[i] == "desc"})
	}
	return list, nil
}

func (s *server[T]) list(r *api.Request) (api.Reply, error) {
	c := s.call(r)
	q, err := s.query(r.URL.Query())
	if err != nil {
		return api.Reply{}, err
	}
	if s.BeforeList != nil {
		if err := s.BeforeList(c); err != nil {
			return api.Reply{}, err
		}
	}
	text := []byte{'['}
	var ids []string
	s.engine.Store.View(func(reader store.Reader) {
		if s.Parent != nil {
			if err = s.Parent(c, reader); err != nil {
				return
			}
		}
		var rows []*T
		if rows, err = s.page(c, reader, q); err != nil {
			return
		}
		for i, row := range rows {
			if i > 0 {
				text = append(text, ',')
			}
			text = s.appendShown(text, c, reader, row, q.fields)
			if i == 0 {
				text = slices.Grow(text, len(text)*len(rows)*9/8)
			}
			ids = append(ids, s.Meta(row).ID)
		}
	})
	if err != nil {
		return api.Reply{}, err
	}
	text = append(text, ']')
	if links := links(r, q, ids); links != nil {
		text = append(append(text, ','), api.AppendJSON(nil, s.Plural+"_links")...)
		text = api.AppendJSON(append(text, ':'), links)
	}
	return api.Reply{Body: named(s.Plural, text)}, nil
}

func (s *server[T]) page(c *Call, r store.Reader, q query) ([]*T, error) {
	l := api.Listing[T]{Limit: q.limit, Reverse: q.reverse}
	if q.marker != "" {
		l.Marker = s.Table.Get(r, q.marker)
		if l.Marker != nil && !s.visible(c, r, l.Marker) {
			l.Marker = nil
		}
		if l.Marker == nil && s.StrictMarker {
			return nil, s.notFound(c, q.marker)
		}
	}
	order := q.sort
	if len(order) == 1 && order[0] == (sorting{key: "id"}) {
		order = nil // as they come
	}
	from := ""
	if order != nil {
		l.Order = s.order(order)
	} else if l.Marker != nil {
		from = q.marker
	}
	candidates, rest := s.candidates(c, r, q, from, l.Order == nil && q.reverse)
	l.Rows = candidates
	l.Match = func(row *T) bool {
		for name, values := range rest {
			if !s.matches(c, r, row, name, values) {
				return false
			}
		}
		return s.visible(c, r, row)
	}
	rows, _ := l.Page()
	return rows, nil
}

// candidates uses an index where it can, and gives the filters that are left.
func (s *server[T]) candidates(c *Call, r store.Reader, q query, from string, back bool) (iter.Seq[*T], map[string][]string) {
	if ids := q.filters["id"]; ids != nil {
		ids = slices.Clone(ids)
		slices.Sort(ids)
		if back {
			slices.Reverse(ids)
		}
		return func(yield func(*T) bool) {
			for _, id := range slices.Compact(ids) {
				beyond := from == "" || !back && id > from || back && id < from
				if row := s.Table.Get(r, id); row != nil && beyond && !yield(row) {
					return
				}
			}
		}, q.filters
	}
	for _, by := range s.Indexes {
		if key, ok := by.key(q.filters[by.Filter]); ok {
			return s.walk(r, by.Index, key, from, back), q.filters
		}
		if by.Filter == "project_id" && !c.Sees() && s.Sees == nil {
			return s.walk(r, by.Index, c.Caller.ProjectID, from, back), q.filters
		}
	}
	if s.Of != nil {
		return s.walk(r, s.Of, c.Parent, from, back), q.filters
	}
	return s.walk(r, nil, "", from, back), q.filters
}

func (b By[T]) key(values []string) (string, bool) {
	switch {
	case len(values) == 0:
		return "", false
	case b.Key != nil:
		return b.Key(values)
	}
	return values[0], len(values) == 1
}

// last is greater than every id.
const last = "\xff"

func (s *server[T]) walk(r store.Reader, ix *store.Index[T], key, from string, back bool) iter.Seq[*T] {
	if back && from == "" {
		from = last
	}
	if ix == nil {
		return s.Table.AllFrom(r, from, back)
	}
	return s.Table.ByFrom(r, ix, key, from, back)
}

func (s *server[T]) matches(c *Call, r store.Reader, row *T, name string, values []string) bool {
	if f := s.Filters[name]; f != nil {
		return f(c, r, row, values)
	}
	if s.Tagged {
		if matched, isTags := tagsMatch(s.Meta(row).Tags, name, values); isTags {
			return matched
		}
	}
	if !s.Columns.Has(name) {
		return true
	}
	return slices.Contains(values, api.Text(s.Columns.Value(row, name)))
}

func (s *server[T]) order(keys []sorting) func(a, b *T) int {
	return func(a, b *T) int {
		for _, k := range keys {
			if !s.Columns.Has(k.key) {
				continue
			}
			if d := api.Compare(s.Columns.Value(a, k.key), s.Columns.Value(b, k.key)); d != 0 {
				if k.desc {
					return -d
				}
				return d
			}
		}
		return strings.Compare(s.Meta(a).ID, s.Meta(b).ID)
	}
}

// links are the ways to the pages beside one. Neutron compares the page's
// length with the limit, and knows nothing of what lies beyond.
func links(r *api.Request, q query, ids []string) []map[string]string {
	if q.limit == 0 {
		return nil
	}
	var all []map[string]string
	link := func(rel, marker string, reverse bool) {
		words := otherWords(r.URL.RawQuery)
		if marker != "" {
			words = append(words, "marker="+url.QueryEscape(marker))
		}
		if reverse {
			words = append(words, "page_reverse=True")
		}
		all = append(all, map[string]string{"rel": rel, "href": r.BaseURL() + r.URL.Path + "?" + strings.Join(words, "&")})
	}
	first, final := "", ""
	if len(ids) > 0 {
		first, final = ids[0], ids[len(ids)-1]
	}
	if len(ids) >= q.limit || q.reverse {
		link("next", final, false)
	}
	if len(ids) >= q.limit || !q.reverse {
		link("previous", first, true)
	}
	return all
}

// otherWords gives what a query asks for beside its place in the list, in its order.
func otherWords(query string) (words []string) {
	for word := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(word, "=")
		name, err := url.QueryUnescape(key)
		if err != nil || word == "" || name == "marker" || name == "page_reverse" {
			continue
		}
		if text, err := url.QueryUnescape(value); err == nil {
			words = append(words, url.QueryEscape(name)+"="+url.QueryEscape(text))
		}
	}
	return words
}
