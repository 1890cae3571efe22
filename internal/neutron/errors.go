// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// APIError is an answer of the cloud that is not a success. It is the cause
// of the fault.Error that a call returns, for callers who decide on Type.
type APIError struct {
	// Status is the HTTP status code.
	Status int
	// Type is the name of Neutron's exception ("IpAddressAlreadyAllocated") or
	// Keystone's title ("Forbidden"); empty when the answer came from neither,
	// a proxy for example.
	Type string
	// Message is the cloud's own text, in one line, without secrets.
	Message string
	// RequestID is OpenStack's id of the request; empty when none was told.
	RequestID string
}

// Error gives type, message and status.
func (e *APIError) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("HTTP %d: %s", e.Status, e.Message)
	}
	return fmt.Sprintf("%s: %s (HTTP %d)", e.Type, e.Message, e.Status)
}

// ErrorType is the APIError's Type in err's chain, or "".
func ErrorType(err error) string {
	var e *APIError
	if errors.As(err, &e) {
		return e.Type
	}
	return ""
}

// The types of Neutron's exceptions that callers decide on; see
// neutron_lib/exceptions in Neutron's source.
const (
	TypeAddressInUse       = "IpAddressInUse"
	TypeAddressAllocated   = "IpAddressAlreadyAllocated"
	TypeAddressesExhausted = "IpAddressGenerationFailure"
	TypeMACInUse           = "MacAddressInUse"
	TypeNetworkNotFound    = "NetworkNotFound"
	TypeOverQuota          = "OverQuota"
	TypePolicyNotAllowed   = "PolicyNotAuthorized"
	TypeQoSPolicyNotFound  = "QosPolicyNotFound"
	TypeSubnetNotFound     = "SubnetNotFound"
	TypeGroupNotFound      = "SecurityGroupNotFound"
)

// failure classifies what went wrong with a call. An error that is classified
// already stays as it is.
func (c *Client) failure(ctx context.Context, k call, err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	var renewal *gophercloud.ErrUnableToReauthenticate
	if errors.As(err, &renewal) {
		return unsent{c.failure(ctx, authentication, renewal.ErrReauth)}
	}
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		return c.refusedBy(k, answer)
	}
	return c.unanswered(ctx, k, err)
}

// refusedBy classifies an answer.
func (c *Client) refusedBy(k call, answer gophercloud.ErrUnexpectedResponseCode) error {
	p := parseProblem(answer.Body)
	cause := &APIError{
		Status:    answer.Actual,
		Type:      p.Type,
		Message:   c.redactor.Replace(p.Message),
		RequestID: answer.ResponseHeader.Get(requestIDHeader),
	}
	if cause.Message == "" {
		cause.Message = http.StatusText(cause.Status)
	}
	retryAfter := parseRetryAfter(answer.ResponseHeader.Get("Retry-After"), time.Now())
	return &fault.Error{
		Class:      classOf(cause, retryAfter),
		Message:    fmt.Sprintf("%s: %s: %s", k.api(), k.operation, cause),
		Hint:       hintFor(cause),
		RequestID:  cause.RequestID,
		RetryAfter: retryAfter,
		Err:        cause,
	}
}

// classOf turns status and type into a class.
func classOf(e *APIError, retryAfter time.Duration) fault.Class {
	switch s := e.Status; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return fault.Unauthorized
	case s == http.StatusNotFound && e.Type == "":
		// Not Neutron's word: a wrong address, or a proxy whose back end is away.
		return fault.Unavailable
	case s == http.StatusNotFound:
		return fault.NotFound
	case s == http.StatusConflict && (e.Type == TypeOverQuota || e.Type == TypeAddressesExhausted):
		return fault.Quota
	case s == http.StatusConflict, s == http.StatusPreconditionFailed:
		return fault.Conflict
	case s == http.StatusTooManyRequests, retryAfter > 0:
		return fault.OverLimit
	case s == http.StatusRequestTimeout, s >= 500 && s != http.StatusNotImplemented:
		return fault.Unavailable
	case s == http.StatusBadRequest, s == http.StatusRequestEntityTooLarge, s == http.StatusUnprocessableEntity:
		return fault.Invalid
	default:
		return fault.Internal
	}
}

// hintFor says what to do next, where that is known.
func hintFor(e *APIError) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "check the credentials: wrong, expired, or revoked"
	case http.StatusForbidden:
		if rule := missingRule(e.Message); rule != "" {
			return "the role of these credentials probably lacks the policy rule " + rule + "; see the page on credentials"
		}
		return ""
	case http.StatusNotFound:
		if e.Type == "" {
			return "that is not an OpenStack answer: check the endpoint in the service catalogue and the proxies before it"
		}
	}
	return ""
}

// unanswered classifies the failure of a request that got no answer, or none
// that can be understood.
func (c *Client) unanswered(ctx context.Context, k call, err error) error {
	where := c.creds.auth.IdentityEndpoint
	if s := c.session.Load(); s != nil && k.api() == neutron {
		where = s.scope.Endpoint
	}
	// What net/http could not send has the form of a url.Error. The URL with
	// its query is long and says nothing more.
	var u *url.Error
	unsent := errors.As(err, &u)
	if unsent {
		err = u.Err
	}
	prefix := fmt.Sprintf("%s: %s: ", k.api(), k.operation)
	var e *fault.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		e = fault.New(fault.Unavailable, "%sno answer from %s in time", prefix, where)
	case errors.Is(ctx.Err(), context.Canceled), errors.Is(err, context.Canceled):
		e = fault.New(fault.Unavailable, "%sgiven up before %s answered", prefix, where)
	case unsent, isNetwork(err):
		e = fault.New(fault.Unavailable, "%scannot reach %s: %s", prefix, where, c.redactor.Replace(err.Error()))
		e.Hint = tlsHint(err)
	default:
		e = fault.New(fault.Unavailable, "%sanswer of %s not understood: %s", prefix, where, oneLine(c.redactor.Replace(err.Error()), maxMessage))
	}
	e.Err = err
	return e
}

// unsent is in the chain of an error before which nothing was sent that could
// have an effect: the request did not get its turn, or the login failed.
type unsent struct{ error }

// Unwrap gives the error.
func (u unsent) Unwrap() error { return u.error }

// notSent is the error of a request whose context ended before its turn came.
// until is when its API may be called again, if it asked for a pause.
func notSent(ctx context.Context, k call, until time.Time) error {
	var e *fault.Error
	prefix := fmt.Sprintf("%s: %s: not sent: ", k.api(), k.operation)
	wait := time.Until(until)
	switch {
	case wait > 0:
		e = fault.New(fault.OverLimit, "%sthe cloud asked for a pause until %s", prefix, until.UTC().Format(time.RFC3339))
		e.RetryAfter = wait
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e = fault.New(fault.Unavailable, "%sits turn did not come in time", prefix)
		e.Hint = "the cloud is slow, or too much is asked of it at once; kuryr_neutron_queue_length tells of what"
	default:
		e = fault.New(fault.Unavailable, "%sgiven up before its turn came", prefix)
	}
	e.Err = unsent{ctx.Err()}
	return e
}

// MayExist reports whether a port may exist although its creation ended with
// this error: the request was sent, and the answer was lost, or none of
// Neutron's. It is false after a refusal, after an error before the request
// left, and for nil.
func MayExist(err error) bool {
	var answer *APIError
	switch {
	case err == nil, errors.As(err, new(unsent)), isDial(err):
		return false
	case errors.As(err, &answer):
		// Who answers 408 or 429 is often a proxy, which may have passed the
		// request on.
		return answer.Status >= 500 || answer.Status == http.StatusRequestTimeout || answer.Status == http.StatusTooManyRequests
	default:
		return true
	}
}

// isDial tells that no connection could be made: nobody listens at the
// cloud's address, or it cannot be found.
func isDial(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// isNetwork tells a connection that failed in the middle of an answer from an
// answer that is wrong.
func isNetwork(err error) bool {
	var failure net.Error
	return errors.As(err, &failure)
}

func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &record)
}

func tlsHint(err error) string {
	if isTLS(err) {
		return "set cacert in clouds.yaml to the authority that signed the endpoint's certificate"
	}
	return ""
}

// parseRetryAfter reads the header's two forms, seconds and a date. What
// cannot be read, or lies in the past, is zero.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	// A day is longer than anybody will wait, and keeps the product in range.
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// revisionTag is the value of If-Match by which Neutron compares revisions
// (extension revision-if-match).
func revisionTag(revision int) string { return "revision_number=" + strconv.Itoa(revision) }
