// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// routed marks the errors that Octavia's router answers, in a form of its own.
const routed = "routed"

// render gives the body of an error: WSME's, or that of Pecan, which is in front of it.
func render(r *api.Request, e *api.Error) any {
	switch {
	case e.Status == http.StatusUnauthorized:
		return map[string]any{"error": map[string]any{"code": e.Status, "title": "Unauthorized", "message": e.Message}}
	case e.Type == "HTTPNotFound" || e.Type == "HTTPMethodNotAllowed":
		var description any
		if strings.HasPrefix(r.URL.Path, "/v2") {
			description = ""
		}
		return map[string]any{"code": e.Status, "title": http.StatusText(e.Status), "description": description}
	case e.Type == routed:
		// Pecan's class of all of them is that of a bad request.
		return map[string]any{"code": e.Status, "title": http.StatusText(http.StatusBadRequest), "description": e.Message}
	}
	code := "Client"
	if e.Status >= http.StatusInternalServerError {
		code = "Server"
	}
	return map[string]any{"faultcode": code, "faultstring": e.Message, "debuginfo": nil}
}

func (s *Service) unauthorized(*api.Request) *api.Error {
	e := api.Errorf(http.StatusUnauthorized, "", "The request you have made requires authentication.")
	if s.o.IdentityURL != "" {
		e.Header = http.Header{"Www-Authenticate": {`Keystone uri="` + s.o.IdentityURL + `"`}}
	}
	return e
}

// The exceptions of octavia/common/exceptions.py.

func notFound(resource, id string) error {
	if id == "" {
		id = "None"
	}
	return api.Errorf(http.StatusNotFound, "", "%s %s not found.", resource, id)
}

func badSubresource(resource, id string) error {
	return api.Errorf(http.StatusBadRequest, "", "%s %s not found.", resource, id)
}

func badRequest(format string, args ...any) error {
	return api.Errorf(http.StatusBadRequest, "", format, args...)
}

func validation(format string, args ...any) error {
	return api.Errorf(http.StatusBadRequest, "", "Validation failure: "+format, args...)
}

func invalidOption(value, option string) error {
	return badRequest("%s is not a valid option for %s", value, option)
}

func disabledOption(option, value string) error {
	return badRequest("The selected %s is not allowed in this deployment: %s", option, value)
}

func conflict(format string, args ...any) error {
	return api.Errorf(http.StatusConflict, "", format, args...)
}

func immutable(resource, id string) error {
	return conflict("%s %s is immutable and cannot be updated.", resource, id)
}

func inUse(resource, id string) error {
	return conflict("%s %s is in use and cannot be modified.", resource, id)
}

func idExists() error { return conflict("Already an entity with that specified id.") }

func forbidden() error {
	return api.Errorf(http.StatusForbidden, "", "Policy does not allow this request to be performed.")
}

func serverError(format string, args ...any) error {
	return api.Errorf(http.StatusInternalServerError, "", format, args...)
}

// unknown is what Octavia answers when its database refuses something.
func unknown() error { return serverError("Something unknown went wrong") }

func providerError(provider, message string) error {
	return serverError("Provider '%s' reports error: %s", provider, message)
}

func notImplemented(provider, message string) error {
	return api.Errorf(http.StatusNotImplemented, "", "Provider '%s' does not support a requested action: %s", provider, message)
}

func unsupported(provider, message string) error {
	return api.Errorf(http.StatusNotImplemented, "", "Provider '%s' does not support a requested option: %s", provider, message)
}
