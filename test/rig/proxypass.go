// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// The services that a FaultProxy stands before, by their types in the catalogue.
const (
	identity = "identity"
	network  = "network"
)

var proxied = []string{identity, network}

// passage takes calls through to the cloud, and its answers back.
type passage struct {
	in openstack.Netns
	// bases are the proxy's own addresses, by service.
	bases   map[string]string
	callers *callers
}

// muxes are the services, by name. Their kinds of calls are those of the
// embedded cloud, as far as Kuryr has to do with them.
func (p passage) muxes(to openstack.Endpoints) (map[string]*api.Mux, error) {
	of := map[string]*api.Mux{
		identity: api.NewMux(api.Options{Name: identity, Authenticator: p.callers, Render: renderIdentity, Logger: silent}),
		network:  api.NewMux(api.Options{Name: network, Authenticator: p.callers, Render: rest.Render, Logger: silent}),
	}
	keystone, err := p.upstream(to.Identity)
	if err != nil {
		return nil, err
	}
	neutron, err := p.upstream(to.Network)
	if err != nil {
		return nil, err
	}
	register(of[identity], p.rehost(identity, keystone.forward), "GET /{$}", "GET /v3")
	register(of[identity], p.recatalog(keystone.forward), "POST /v3/auth/tokens", "GET /v3/auth/tokens", "GET /v3/auth/catalog")
	register(of[identity], keystone.forward, slices.Concat(elsewhere, []string{"GET /v3/projects", "GET /v3/projects/{id}"})...)
	register(of[network], p.rehost(network, neutron.forward), "GET /{$}", "GET /v2.0")
	register(of[network], neutron.forward, slices.Concat(networkKinds(), elsewhere)...)
	return of, nil
}

// silent is the logger of what is told in the answer anyway.
var silent = slog.New(slog.DiscardHandler)

func register(m *api.Mux, h api.Handler, patterns ...string) {
	for _, pattern := range patterns {
		// Who has no token is for the cloud to turn away.
		m.HandleOpen(pattern, h)
	}
}

// elsewhere are the kinds of the calls that have none of their own.
var elsewhere = []string{"GET /{path...}", "POST /{path...}", "PUT /{path...}", "PATCH /{path...}", "DELETE /{path...}"}

func networkKinds() []string {
	kinds := []string{"GET /v2.0/extensions", "PUT /v2.0/trunks/{id}/add_subports", "PUT /v2.0/trunks/{id}/remove_subports"}
	for _, collection := range []string{
		"ports", "networks", "subnets", "security-groups", "security-group-rules", "trunks", "routers", "floatingips",
	} {
		all := "/v2.0/" + collection
		one := all + "/{id}"
		kinds = append(kinds, "GET "+all, "POST "+all, "GET "+one, "PUT "+one, "DELETE "+one)
	}
	return kinds
}

// renderIdentity is an error in Keystone's form.
func renderIdentity(_ *api.Request, e *api.Error) any {
	return map[string]any{"error": map[string]any{"code": e.Status, "message": e.Message, "title": http.StatusText(e.Status)}}
}

// upstream is one of the cloud's services.
type upstream struct {
	base      string
	transport *http.Transport
}

func (p passage) upstream(endpoint string) (*upstream, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("rig: fault proxy: %w", err)
	}
	return &upstream{base: u.Scheme + "://" + u.Host, transport: &http.Transport{
		DialContext: p.in.DialContext,
		// An idle connection that breaks would be a fault of the proxy's own.
		DisableKeepAlives: true,
		// The catalogue is to be read.
		DisableCompression: true,
	}}, nil
}

// hopByHop are the headers that belong to one connection (RFC 9110, 7.6.1),
// and those that the proxy sets anew.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Accept-Encoding", "Content-Length", "Content-Type",
}

// forward answers a call as the cloud does. The client's name for the host is
// kept: so the links of pages lead through the proxy too.
func (u *upstream) forward(r *api.Request) (api.Reply, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, u.base+r.RequestURI, bytes.NewReader(r.Body))
	if err != nil {
		return api.Reply{}, badGateway(err)
	}
	out.Header, out.Host = endToEnd(r.Header), r.Host
	if kind := r.Header.Get("Content-Type"); kind != "" {
		out.Header.Set("Content-Type", kind)
	}
	resp, err := u.transport.RoundTrip(out)
	if err != nil {
		return api.Reply{}, badGateway(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return api.Reply{}, badGateway(err)
	}
	reply := api.Reply{Status: resp.StatusCode, Header: endToEnd(resp.Header)}
	if len(body) > 0 {
		reply.Body = json.RawMessage(body)
	}
	return reply, nil
}

func endToEnd(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range hopByHop {
		h.Del(name)
	}
	return h
}

func badGateway(err error) error {
	e := api.Errorf(http.StatusBadGateway, "HTTPBadGateway", "the cloud gave the fault proxy no answer: %v", err)
	e.Cause = err
	return e
}

// rehost gives h with the links of its answers to the proxy.
func (p passage) rehost(service string, h api.Handler) api.Handler {
	return p.rewrite(h, func(_ *api.Request, _ http.Header, document map[string]any) { rehost(document, p.bases[service]) })
}

// recatalog gives h with the proxy in its catalogue, and notes whom tokens speak for.
func (p passage) recatalog(h api.Handler) api.Handler {
	return p.rewrite(h, func(r *api.Request, header http.Header, document map[string]any) {
		in := document
		if token, ok := document["token"].(map[string]any); ok {
			in = token
			if r.Method == http.MethodPost {
				p.callers.note(header.Get("X-Subject-Token"), token)
			}
		}
		list, _ := in["catalog"].([]any)
		for _, of := range list {
			p.replace(of)
		}
	})
}

// replace has the endpoints of a catalogue's entry lead to the proxy, if it
// stands before the service.
func (p passage) replace(entry any) {
	service, _ := entry.(map[string]any)
	kind, _ := service["type"].(string)
	base, ok := p.bases[kind]
	if !ok {
		return
	}
	endpoints, _ := service["endpoints"].([]any)
	for _, e := range endpoints {
		if endpoint, ok := e.(map[string]any); ok {
			endpoint["url"] = at(base, endpoint["url"])
		}
	}
}

// rewrite gives h with successful answers changed by change.
func (p passage) rewrite(h api.Handler, change func(*api.Request, http.Header, map[string]any)) api.Handler {
	return func(r *api.Request) (api.Reply, error) {
		reply, err := h(r)
		body, ok := reply.Body.(json.RawMessage)
		if err != nil || !ok || reply.Status >= http.StatusBadRequest {
			return reply, err
		}
		var document map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&document); err != nil {
			return api.Reply{}, badGateway(err)
		}
		change(r, reply.Header, document)
		reply.Body = document
		return reply, nil
	}
}

// rehost has every href below v lead to base.
func rehost(v any, base string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if key == "href" {
				v[key] = at(base, value)
			} else {
				rehost(value, base)
			}
		}
	case []any:
		for _, value := range v {
			rehost(value, base)
		}
	}
}

// at is an address with another scheme and host. What is no address stays.
func at(base string, address any) any {
	text, ok := address.(string)
	if !ok {
		return address
	}
	u, err := url.Parse(text)
	if err != nil {
		return address
	}
	return base + u.RequestURI()
}
