// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	_ "embed" // the table
	"fmt"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

//go:embed extensions.txt
var extensionTable string

// extension is one of Neutron's, as clients ask for it.
type extension struct {
	Name        string   `json:"name"`
	Alias       string   `json:"alias"`
	Description string   `json:"description"`
	Updated     string   `json:"updated"`
	Links       []string `json:"links"`
}

// parseExtensions reads the table. The optional ones are there that are wanted.
func parseExtensions(table string, wanted []string) (all []extension, err error) {
	wanted = slices.Clone(wanted)
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		rest, optional := strings.CutPrefix(line, "? ")
		const columns = 4
		words := strings.SplitN(rest, " | ", columns)
		if len(words) != columns {
			return nil, fmt.Errorf("network: extension %q: not four columns", line)
		}
		at := slices.Index(wanted, words[0])
		if optional && at < 0 {
			continue
		}
		if at >= 0 {
			wanted = slices.Delete(wanted, at, at+1)
		}
		all = append(all, extension{Alias: words[0], Updated: words[1], Name: words[2], Description: words[3], Links: []string{}})
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("network: there is no extension %q", wanted[0])
	}
	return all, nil
}

// serveDiscovery serves what a client asks first.
func (s *Service) serveDiscovery() {
	s.mux.HandleOpen("GET /{$}", func(r *api.Request) (api.Reply, error) {
		version := map[string]any{"id": "v2.0", "status": "CURRENT", "links": []any{map[string]string{"rel": "self", "href": r.BaseURL() + "/v2.0/"}}}
		return api.Reply{Body: map[string]any{"versions": []any{version}}}, nil
	})
	s.mux.Handle("GET /v2.0", func(r *api.Request) (api.Reply, error) {
		var resources []any
		for _, name := range []string{"network", "subnet", "subnetpool", "port"} {
			link := map[string]string{"rel": "self", "href": r.BaseURL() + "/v2.0/" + name + "s"}
			resources = append(resources, map[string]any{"name": name, "collection": name + "s", "links": []any{link}})
		}
		return api.Reply{Body: map[string]any{"resources": resources}}, nil
	})
	s.mux.Handle("GET /v2.0/extensions", func(*api.Request) (api.Reply, error) {
		return api.Reply{Body: map[string]any{"extensions": s.extensions}}, nil
	})
	s.mux.Handle("GET /v2.0/extensions/{alias}", func(r *api.Request) (api.Reply, error) {
		for _, e := range s.extensions {
			if e.Alias == r.PathValue("alias") {
				return api.Reply{Body: map[string]any{"extension": e}}, nil
			}
		}
		return api.Reply{}, rest.NoExtension("Extension with alias %s does not exist", r.PathValue("alias"))
	})
	absent := func(*api.Request) (api.Reply, error) { return api.Reply{}, rest.NoExtension("Resource not found.") }
	for _, path := range []string{"POST /v2.0/extensions", "PUT /v2.0/extensions/{alias}", "DELETE /v2.0/extensions/{alias}"} {
		s.mux.Handle(path, absent)
	}
	// There are none, and none can be made.
	for _, empty := range []string{"flavors", "service_providers"} {
		s.mux.Handle("GET /v2.0/"+strings.ReplaceAll(empty, "_", "-"), func(*api.Request) (api.Reply, error) {
			return api.Reply{Body: map[string]any{empty: []any{}}}, nil
		})
	}
}
