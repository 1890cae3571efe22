// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"strconv"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// versions are the minor versions of the API and when each came
// (octavia/api/root_controller.py). The last is what is served.
var apiVersions = []string{
	"2016-12-11T00:00:00Z", "2018-04-20T00:00:00Z", "2018-07-31T00:00:00Z", "2018-12-18T00:00:00Z", "2018-12-19T00:00:00Z",
	"2019-01-21T00:00:00Z", "2019-01-25T00:00:00Z", "2018-01-25T12:00:00Z", "2019-02-12T00:00:00Z", "2019-03-04T00:00:00Z",
	"2019-03-05T00:00:00Z", "2019-06-24T00:00:00Z", "2019-09-11T00:00:00Z", "2019-09-13T00:00:00Z", "2019-11-10T00:00:00Z",
	"2020-03-10T00:00:00Z", "2020-03-15T00:00:00Z", "2020-04-29T00:00:00Z", "2020-04-29T01:00:00Z", "2020-05-12T00:00:00Z",
	"2020-08-02T00:00:00Z", "2020-09-03T00:00:00Z", "2020-09-04T00:00:00Z", "2020-09-07T00:00:00Z", "2020-10-15T00:00:00Z",
	"2021-10-02T00:00:00Z", "2022-08-29T00:00:00Z",
}

func (s *Service) serveVersions() {
	s.mux.HandleOpen("GET /{$}", func(r *api.Request) (api.Reply, error) {
		all := make([]any, len(apiVersions))
		for i, updated := range apiVersions {
			status := "SUPPORTED"
			if i == len(apiVersions)-1 {
				status = "CURRENT"
			}
			all[i] = map[string]any{
				"id": "v2." + strconv.Itoa(i), "status": status, "updated": updated,
				"links": []any{map[string]any{"href": r.BaseURL() + "/v2", "rel": "self"}},
			}
		}
		return api.Reply{Body: map[string]any{"versions": all}}, nil
	})
	s.mux.HandleOpen("GET /healthcheck", func(*api.Request) (api.Reply, error) {
		return api.Reply{Body: map[string]any{"detailed": false, "reasons": []any{}}}, nil
	})
	for _, path := range append([]string{"/v2.0/octavia", "/v2/octavia"}, prefixes...) {
		s.mux.Handle("GET "+path, func(*api.Request) (api.Reply, error) { return api.Reply{Body: "v2"}, nil })
	}
}
