// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// kind says how objects of one type are addressed.
type kind struct {
	// one and many are the object's names in bodies ("port", "ports");
	// words is how a human calls it ("security groups").
	one, many, words string
	// path is the collection's path.
	path string
}

var (
	portKind     = kind{"port", "ports", "ports", "ports"}
	networkKind  = kind{"network", "networks", "networks", "networks"}
	subnetKind   = kind{"subnet", "subnets", "subnets", "subnets"}
	groupKind    = kind{"security_group", "security_groups", "security groups", "security-groups"}
	qosKind      = kind{"policy", "policies", "QoS policies", "qos/policies"}
	agentKind    = kind{"agent", "agents", "agents", "agents"}
	floatingKind = kind{"floatingip", "floatingips", "floating IPs", "floatingips"}
)

// list fetches all objects that match a query, with the fields of T alone, in
// as many requests as its length needs. A positive limit ends the list early.
func list[T any](ctx context.Context, c *Client, k kind, query url.Values, limit int) ([]T, error) {
	query["fields"] = fieldsOf[T]()
	var all []T
	for _, part := range split(query) {
		items, err := listPages[T](ctx, c, k, part, max(limit-len(all), 0))
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if limit > 0 && len(all) >= limit {
			break
		}
	}
	return all, nil
}

// listPages fetches all objects that match a query, page by page.
func listPages[T any](ctx context.Context, c *Client, k kind, query url.Values, limit int) ([]T, error) {
	size := c.options.PageSize
	if limit > 0 && limit < size {
		size = limit
	}
	query.Set("limit", strconv.Itoa(size))
	var all []T
	for {
		var items []T
		var links []link
		page := &envelope{k.many: &items, k.many + linksSuffix: &links}
		if err := c.get(ctx, "list "+k.words, k.path, query, page); err != nil {
			return nil, err
		}
		all = append(all, items...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		marker := nextMarker(links)
		if marker == "" {
			return all, nil
		}
		if marker == query.Get("marker") {
			return nil, fault.New(fault.Internal, "neutron: list %s: the next page begins at %q again", k.words, marker)
		}
		query.Set("marker", marker)
	}
}

// maxQuery is the longest query of a request, in bytes. With the address
// before it and a marker at its end it stays below 4 KiB; proxies and WSGI
// servers refuse from some 8 KiB on.
const maxQuery = 3500

// splitKeys are the filters whose values name one object each, so that the
// answers to parts of them have nothing in common.
var splitKeys = []string{"id", "device_id", "port_id"}

// split makes queries that are short enough and together match the same.
func split(query url.Values) []url.Values {
	if len(query.Encode()) <= maxQuery {
		return []url.Values{query}
	}
	longest := slices.MaxFunc(splitKeys, func(a, b string) int { return len(query[a]) - len(query[b]) })
	values := slices.Compact(slices.Sorted(slices.Values(query[longest])))
	if len(values) < 2 {
		return []url.Values{query}
	}
	var parts []url.Values
	for _, half := range [][]string{values[:len(values)/2], values[len(values)/2:]} {
		part := maps.Clone(query)
		part[longest] = half
		parts = append(parts, split(part)...)
	}
	return parts
}

// linksSuffix makes the name of a collection's links of the collection's own.
const linksSuffix = "_links"

// envelope decodes a JSON object: the value of each key goes where the map
// says. A key that is missing is an error, so that an answer that only looks
// like Neutron's is not taken for an empty list; only links may be missing.
type envelope map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (e envelope) UnmarshalJSON(b []byte) error {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for key, into := range e {
		part, ok := parts[key]
		if !ok {
			if strings.HasSuffix(key, linksSuffix) {
				continue
			}
			return fmt.Errorf("no %q in it", key)
		}
		if err := json.Unmarshal(part, into); err != nil {
			return fmt.Errorf("in %q: %w", key, err)
		}
	}
	return nil
}

// link is a link to another page.
type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// nextMarker is the object after which the next page begins; "" on the last.
// Only the marker is taken from the link: behind a proxy its scheme and host
// are often wrong, and the token must not follow it to another host.
func nextMarker(links []link) string {
	for _, l := range links {
		if l.Rel != "next" {
			continue
		}
		if u, err := url.Parse(l.Href); err == nil {
			return u.Query().Get("marker")
		}
	}
	return ""
}

// fieldsOf lists the JSON names of T's fields.
func fieldsOf[T any]() []string {
	t := reflect.TypeFor[T]()
	fields := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	return fields
}

// show fetches one object by id.
func show[T any](ctx context.Context, c *Client, k kind, id string) (T, error) {
	var object T
	query := url.Values{"fields": fieldsOf[T]()}
	err := c.get(ctx, "show "+k.one, k.path+"/"+url.PathEscape(id), query, &envelope{k.one: &object})
	return object, err
}

// update changes one object. A nil revision changes whatever is there.
func update[T any](ctx context.Context, c *Client, k kind, id string, change any, revision *int) (T, error) {
	var object T
	err := c.do(ctx, call{
		operation: "update " + k.one, method: http.MethodPut, path: k.path + "/" + url.PathEscape(id),
		revision: revision, body: map[string]any{k.one: change},
		out: &envelope{k.one: &object}, ok: []int{http.StatusOK, http.StatusCreated},
	})
	return object, err
}

// nonEmpty adds a filter unless its value is empty.
func nonEmpty(query url.Values, key, value string) {
	if value != "" {
		query.Add(key, value)
	}
}
