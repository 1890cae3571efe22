// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"net/http"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// Render gives an error's body as Neutron has it, in the words of that part of
// its server which says it.
func Render(r *api.Request, e *api.Error) any {
	switch {
	case e.Status == http.StatusUnauthorized:
		return map[string]any{"error": map[string]any{"code": e.Status, "title": "Unauthorized", "message": e.Message}}
	case e.Status == http.StatusNotFound && !strings.HasPrefix(r.URL.Path, "/v2.0"):
		return map[string]any{"code": e.Status, "title": "Not Found", "description": nil}
	case e.Type == "":
		return map[string]any{
			"code": "404 Not Found", "title": "Not Found",
			"message": "The resource could not be found.<br /><br />\n" + e.Message + "\n\n",
		}
	}
	message := e.Message
	if e.Status == http.StatusMethodNotAllowed {
		message = "The server could not comply with the request since it is either malformed or otherwise incorrect."
	}
	return map[string]any{"NeutronError": map[string]any{"type": e.Type, "message": message, "detail": e.Detail}}
}

// Unauthorized is Neutron's answer to a request without a good token. identity
// is Keystone's URL, as it is shown; may be empty.
func Unauthorized(identity string) func(*api.Request) *api.Error {
	return func(*api.Request) *api.Error {
		e := api.Errorf(http.StatusUnauthorized, "Unauthorized", "The request you have made requires authentication.")
		if identity != "" {
			e.Header = http.Header{"Www-Authenticate": {`Keystone uri="` + identity + `"`}}
		}
		return e
	}
}

// NoExtension is the 404 of the part of Neutron that serves extensions.
func NoExtension(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusNotFound, "", format, args...)
}

// BadRequest is a 400 that the request's form earns.
func BadRequest(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusBadRequest, "HTTPBadRequest", format, args...)
}

// InvalidInput is a 400 of Neutron's exception InvalidInput.
func InvalidInput(format string, args ...any) *api.Error {
	e := api.Errorf(http.StatusBadRequest, "InvalidInput", format, args...)
	e.Message = "Invalid input for operation: " + e.Message + "."
	return e
}

// Conflict is a 409 of an exception of Neutron's.
func Conflict(kind, format string, args ...any) *api.Error {
	return api.Errorf(http.StatusConflict, kind, format, args...)
}

// NotFound is a 404 of an exception of Neutron's.
func NotFound(kind, format string, args ...any) *api.Error {
	return api.Errorf(http.StatusNotFound, kind, format, args...)
}
