// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
)

// maxPage is the most that a page shows.
const maxPage = 1000

// query is what a GET asks for behind its path.
type query struct {
	// limit is zero for none, which only asking for it brings about.
	limit   int
	marker  string
	sort    []sortKey
	fields  []string // nil: all
	reverse bool
	// filters are the values to look for, tags those of the four ways to ask for tags.
	filters map[string]string
	tags    map[string][]string
	// given is as in the request, for links.
	given url.Values
}

type sortKey struct {
	name       string
	descending bool
}

// pecanError is an error that Octavia finds before its own code is called.
func pecanError(format string, args ...any) error {
	return api.Errorf(http.StatusBadRequest, routed, format, args...)
}

// readQuery reads what is behind the path of a GET.
func readQuery(r *api.Request) (*query, error) {
	q := &query{given: r.URL.Query(), filters: map[string]string{}, tags: map[string][]string{}}
	if err := q.readLimit(); err != nil {
		return nil, err
	}
	if err := q.readSort(); err != nil {
		return nil, err
	}
	q.marker, q.fields, q.reverse = q.given.Get("marker"), q.given["fields"], q.given.Get("page_reverse") == "True"
	return q, nil
}

func (q *query) readLimit() error {
	q.limit = maxPage
	given, ok := q.given["limit"]
	if !ok {
		return nil
	}
	if given[0] == "infinite" {
		q.limit = 0
		return nil
	}
	n, ok := new(big.Int).SetString(strings.TrimSpace(given[0]), 10)
	if !ok {
		return pecanError("Supplied pagination limit '%s' is not valid.", given[0])
	}
	switch {
	case n.Sign() < 1:
		q.limit = 0
	case n.Cmp(big.NewInt(maxPage)) < 0:
		q.limit = int(n.Int64())
	}
	return nil
}

// readSort reads "sort=key:direction,..." or else sort_key and sort_dir.
func (q *query) readSort() error {
	var keys, directions []string
	if sort := q.given.Get("sort"); sort != "" {
		for part := range strings.SplitSeq(sort, ",") {
			words := strings.Split(part, ":")
			if len(words) > 2 {
				return pecanError("Supplied sort key '%s' is not valid.", wsme.Repr(words))
			}
			keys, directions = append(keys, words[0]), append(directions, append(words, "asc")[1])
		}
	} else if key := q.given.Get("sort_key"); key != "" {
		keys = strings.Split(key, ",")
		if dir := q.given.Get("sort_dir"); dir != "" {
			directions = strings.Split(dir, ",")
		}
	}
	for i, key := range keys {
		direction := "asc"
		if i < len(directions) {
			direction = strings.ToLower(directions[i])
		}
		if direction != "asc" && direction != "desc" {
			return pecanError("Supplied sort direction '%s' is not valid.", direction)
		}
		q.sort = append(q.sort, sortKey{key, direction == "desc"})
	}
	return nil
}

// auxiliary are the parameters that are no filters.
var auxiliary = []string{"limit", "marker", "sort", "sort_key", "sort_dir", "fields", "page_reverse"}

// readFilters takes what is left as filters.
func (q *query) readFilters() error {
	for name, values := range q.given {
		switch {
		case slices.Contains(auxiliary, name):
		case name == "tags" || name == "tags-any" || name == "not-tags" || name == "not-tags-any":
			for _, v := range values {
				q.tags[name] = append(q.tags[name], strings.Split(v, ",")...)
			}
		case len(values) > 1:
			// Octavia hands them to its database, which is a 500.
			return badRequest("One or more arguments are either duplicate or invalid")
		default:
			q.filters[name] = values[0]
		}
	}
	return nil
}

// tagged tells whether tags are as is asked for.
func (q *query) tagged(tags []string) bool {
	has := func(tag string) bool { return slices.Contains(tags, tag) }
	hasNot := func(tag string) bool { return !has(tag) }
	for how, wanted := range q.tags {
		var ok bool
		switch how {
		case "tags":
			ok = !slices.ContainsFunc(wanted, hasNot)
		case "tags-any":
			ok = slices.ContainsFunc(wanted, has)
		case "not-tags":
			ok = slices.ContainsFunc(wanted, hasNot)
		case "not-tags-any":
			ok = !slices.ContainsFunc(wanted, has)
		}
		if !ok {
			return false
		}
	}
	return true
}

// choose leaves the fields that are asked for.
func (q *query) choose(shown map[string]any) map[string]any {
	if q.fields == nil {
		return shown
	}
	chosen := map[string]any{}
	for _, f := range q.fields {
		if v, ok := shown[f]; ok {
			chosen[f] = v
		}
	}
	return chosen
}

// links are those to the pages before and behind this one, from the ids of its
// first and last row.
func (q *query) links(r *api.Request, shown int, first, last string) []any {
	links := []any{}
	if shown == 0 || q.limit == 0 {
		return links
	}
	same := "limit=" + big.NewInt(int64(q.limit)).String()
	for _, name := range []string{"sort", "sort_key"} {
		if v := q.given.Get(name); v != "" {
			same += "&" + name + "=" + v
		}
	}
	page := func(rel, params string) map[string]any {
		return map[string]any{"rel": rel, "href": r.BaseURL() + r.URL.Path + "?" + same + params}
	}
	if q.marker != "" {
		links = append(links, page("previous", "&marker="+first+"&page_reverse=True"))
	}
	if shown >= q.limit {
		links = append(links, page("next", "&marker="+last))
	}
	return links
}
