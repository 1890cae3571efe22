// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api

import "net/http"

// Caller tells who makes a request. The error is the Authenticator's.
func (m *Mux) Caller(hr *http.Request) (Caller, error) {
	return m.o.Authenticator.Authenticate(hr.Header.Get("X-Auth-Token"))
}

// Fail answers a request with an error, as if its handler had given it.
func (m *Mux) Fail(w http.ResponseWriter, hr *http.Request, e *Error) {
	m.serve(w, hr, false, func(*Request) (Reply, error) { return Reply{}, e })
}
