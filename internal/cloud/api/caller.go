// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Caller is whom a token speaks for.
type Caller struct {
	UserID, UserName       string
	ProjectID, ProjectName string
	// DomainID is the user's domain.
	DomainID string
	Roles    []string
	// Expires is when the token ends.
	Expires time.Time
}

// Has tells whether the caller has a role in the token's project.
func (c Caller) Has(role string) bool { return slices.Contains(c.Roles, role) }

// Admin tells whether the caller may everything.
func (c Caller) Admin() bool { return c.Has("admin") }

// Authenticator tells whom a token speaks for. Any error means that it is no
// good (401).
type Authenticator interface {
	Authenticate(token string) (Caller, error)
}

// Error is an answer that is no success. Each service renders it in its own way.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Type is the service's own name for the error ("PortNotFound"); may be empty.
	Type    string
	Message string
	// Detail is more text, where the service has a place for it.
	Detail string
	// Header is added to the answer's; may be nil.
	Header http.Header
	// Cause is for the log; may be nil.
	Cause error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error.
func Errorf(status int, kind, format string, args ...any) *Error {
	return &Error{Status: status, Type: kind, Message: fmt.Sprintf(format, args...)}
}

// asError gives err as an Error: a 500 without a word about the reason, unless it is one.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Type: "HTTPInternalServerError", Message: "Request Failed: internal server error while processing your request.", Cause: err}
}
