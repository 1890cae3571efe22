// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"context"
	"errors"
	"strings"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// errUnknown marks the CHECK of what is not attached (CNI code 3).
var errUnknown = errors.New("unknown attachment")

// classCodes are the codes of the classes, where nothing more special is known.
var classCodes = map[fault.Class]agentapi.CNICode{
	fault.Invalid:      agentapi.CodeConfig,
	fault.NotFound:     agentapi.CodeConfig,
	fault.Conflict:     agentapi.CodeConflict,
	fault.Quota:        agentapi.CodeQuota,
	fault.OverLimit:    agentapi.CodeTryAgain,
	fault.Unauthorized: agentapi.CodeUnauthorized,
	fault.Unavailable:  agentapi.CodeTryAgain,
	fault.Internal:     agentapi.CodeInternal,
}

// Failure words an error as the error result of a call.
func Failure(c Call, err error) agentapi.CNIError {
	f := agentapi.CNIError{CNIVersion: c.Version}
	e, classified := fault.As(err)
	if !classified {
		f.Code = code(c, err, "")
		f.Msg, f.Details = unclassified(c, err)
		return f
	}
	field := c.spell(e.Field)
	f.Code, f.Msg = code(c, err, field), e.Message
	if field != "" {
		f.Msg = field + ": " + e.Message
	}
	f.Details = details(e)
	if all := err.Error(); c.Command == agentapi.CommandGC && all != e.Error() {
		// A GC goes on after a failure: there may be more than the first.
		f.Details = all
	}
	return f
}

// unclassified words an error of which only the class is known.
func unclassified(c Call, err error) (msg, details string) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return c.Command + " took longer than it may", err.Error()
	case errors.Is(err, context.Canceled):
		return c.Command + " was ended by its caller", err.Error()
	}
	return c.Command + " failed by a defect of Kuryr", err.Error()
}

// details are everything that helps with an error beyond its message.
func details(e *fault.Error) string {
	var parts []string
	if e.Hint != "" {
		parts = append(parts, e.Hint)
	}
	if e.RetryAfter > 0 {
		parts = append(parts, "retry after "+e.RetryAfter.String())
	}
	if e.RequestID != "" {
		parts = append(parts, "OpenStack request id "+e.RequestID)
	}
	return strings.Join(parts, "; ")
}

// code chooses the code of an error; field is its field in the caller's words.
func code(c Call, err error, field string) agentapi.CNICode {
	class := fault.ClassOf(err)
	switch {
	case errors.Is(err, errVersion):
		return agentapi.CodeVersion
	case errors.Is(err, errUndecodable):
		return agentapi.CodeDecode
	case errors.Is(err, errUnknown):
		return agentapi.CodeUnknownContainer
	case class == fault.Invalid && strings.HasPrefix(field, "CNI_"):
		return agentapi.CodeEnvironment
	case c.Command == agentapi.CommandStatus && class != fault.Invalid:
		return agentapi.CodeNotAvailable
	case c.Command == agentapi.CommandCheck && (class == fault.Conflict || class == fault.NotFound):
		return agentapi.CodeBroken
	}
	return classCodes[class]
}
