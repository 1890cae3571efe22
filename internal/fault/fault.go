// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what kind of failure an error is, and so what may be done about it.
type Class string

// The classes. Every error that leaves a package of Kuryr's core has one.
const (
	// Invalid: the request itself is wrong; Field names the part. Terminal.
	Invalid Class = "invalid"
	// NotFound: something that the request names does not exist. Terminal.
	NotFound Class = "not-found"
	// Conflict: the state of something else forbids it (address in use,
	// revision mismatch, port bound elsewhere). Terminal for the same request.
	Conflict Class = "conflict"
	// Quota: a limit of the project is reached. May pass when something is released.
	Quota Class = "quota"
	// OverLimit: the back end asks for fewer requests (429, 503 with
	// Retry-After). Retryable after RetryAfter.
	OverLimit Class = "over-limit"
	// Unauthorized: credentials are missing, expired or too weak (401, 403). Terminal.
	Unauthorized Class = "unauthorized"
	// Unavailable: a back end cannot be reached, or timed out. Retryable.
	Unavailable Class = "unavailable"
	// Internal: a defect of ours or an answer nobody foresaw. Terminal.
	Internal Class = "internal"
)

// Error is a classified failure. Message is for a human and stands alone;
// Hint says what to do next, when that is known.
type Error struct {
	Class Class
	// Field is the request key at fault, in the caller's own spelling
	// ("securityGroups[1]"); empty when no single key is.
	Field string
	// Message names the thing and what is wrong with it.
	Message string
	// Hint is the next step for the person who reads the error; may be empty.
	Hint string
	// RequestID is OpenStack's id of the failed request (X-Openstack-Request-Id).
	RequestID string
	// RetryAfter is how long the back end asked to wait; zero when it did not say.
	RetryAfter time.Duration
	// Err is the cause, reachable with errors.Is and errors.As; may be nil.
	Err error
}

// Error joins field, message, hint and request id in one line. The cause is
// not repeated: whoever builds an Error puts what matters of it in Message.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request id %s)", e.RequestID)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error of a class from a format. A %w verb sets the cause.
func New(c Class, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Class: c, Message: err.Error(), Err: errors.Unwrap(err)}
}

// InvalidField is an Invalid error about one key of the request.
func InvalidField(field, format string, args ...any) *Error {
	e := New(Invalid, format, args...)
	e.Field = field
	return e
}

// As finds the first Error in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// ClassOf gives err's class. A context that ended counts as Unavailable: the
// work was not refused, there was no time for it. Anything unclassified is
// Internal. nil has no class ("").
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok {
		return e.Class
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Unavailable
	}
	return Internal
}

// Is reports whether err is of class c.
func Is(err error, c Class) bool { return err != nil && ClassOf(err) == c }

// Retryable reports whether the same request may succeed later without
// anybody changing it.
func Retryable(err error) bool {
	switch ClassOf(err) {
	case Unavailable, OverLimit, Quota:
		return true
	default:
		return false
	}
}
