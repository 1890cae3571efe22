// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"net/http"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// The types of errors that somebody decides on.
const (
	// typeTokenNotFound is of a token that is no good, in contrast to one
	// that speaks of something that is gone.
	typeTokenNotFound = "TokenNotFound"
	// typeMethod and typeCredentialAuth are answered with what else could be tried.
	typeMethod         = "AuthMethodNotSupported"
	typeCredentialAuth = "ApplicationCredentialAuthError"
	typeNoMethod       = "HTTPMethodNotAllowed"
)

// authMethods are the ways to get a token.
var authMethods = []string{"application_credential", "token", "password"}

// render gives the body of an error in Keystone's form.
func render(_ *api.Request, e *api.Error) any {
	if e.Type == typeNoMethod {
		return ref{"message": "The method is not allowed for the requested URL."}
	}
	message := e.Message
	if e.Status == http.StatusInternalServerError {
		message = "An unexpected error prevented the server from fulfilling your request."
	}
	body := ref{"code": e.Status, "message": message, "title": http.StatusText(e.Status)}
	switch e.Type {
	case typeMethod:
		body["identity"] = ref{"methods": authMethods}
	case typeCredentialAuth:
		body["identity"] = ref{}
	}
	return ref{"error": body}
}

func badRequest(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusBadRequest, "ValidationError", format, args...)
}

// expecting is the answer to a request that lacks something.
func expecting(attribute, target string) *api.Error {
	return badRequest("Expecting to find %s in %s. The server could not comply with the request since it is either malformed or otherwise incorrect."+
		" The client is assumed to be in error.", attribute, target)
}

func unauthorized() *api.Error {
	return api.Errorf(http.StatusUnauthorized, "Unauthorized", "The request you have made requires authentication.")
}

func unauthorizedf(kind, format string, args ...any) *api.Error {
	return api.Errorf(http.StatusUnauthorized, kind, format, args...)
}

func forbidden() *api.Error {
	return forbiddenf("You are not authorized to perform the requested action.")
}

func forbiddenf(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusForbidden, "Forbidden", format, args...)
}

func forbiddenAction(action string) *api.Error {
	return forbiddenf("You are not authorized to perform the requested action: %s.", action)
}

func notFound(what, id string) *api.Error {
	return api.Errorf(http.StatusNotFound, "NotFound", "Could not find %s: %s.", what, id)
}

func notFoundf(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusNotFound, "NotFound", format, args...)
}

func badToken(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusNotFound, typeTokenNotFound, format, args...)
}

func conflict(kind, format string, args ...any) *api.Error {
	e := api.Errorf(http.StatusConflict, "Conflict", format, args...)
	e.Message = "Conflict occurred attempting to store " + kind + " - " + e.Message + "."
	return e
}

// duplicate is the conflict of a name that is taken; it tells the domain if the client did.
func duplicate(kind, name string, values ref) *api.Error {
	if domain := text(values, "domain_id"); domain != "" {
		return conflict(kind, "Duplicate entry found with name %s at domain ID %s", name, domain)
	}
	return conflict(kind, "Duplicate entry found with name %s", name)
}
