// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Request is a request that was read whole.
type Request struct {
	*http.Request
	// ID is "req-" and a UUID.
	ID string
	// Caller is zero where no token is needed.
	Caller Caller
	// Body is the whole body.
	Body []byte
}

// Reply is a success.
type Reply struct {
	// Status is the HTTP status; zero: 200.
	Status int
	// Header is added to the answer's; may be nil.
	Header http.Header
	// Body is sent as JSON; nil: no body.
	Body any
}

// Handler serves one method of one path. An error that is no *Error is a 500.
type Handler func(*Request) (Reply, error)

// JSON reads the body as one JSON object. Numbers are json.Number.
func (r *Request) JSON() (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, fmt.Errorf("api: read the body: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("api: read the body: more than one JSON value")
	}
	return object, nil
}

// BaseURL is the scheme and host by which the client reached the service.
func (r *Request) BaseURL() string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
