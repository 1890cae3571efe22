// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestTheClassSurvivesWrapping(t *testing.T) {
	cause := InvalidField("mtu", "%d is too small: %w", 60, fs.ErrInvalid)
	err := fmt.Errorf("agent: attach: %w", cause)
	if !Is(err, Invalid) || ClassOf(err) != Invalid {
		t.Errorf("class %q", ClassOf(err))
	}
	if e, ok := As(err); !ok || e.Field != "mtu" || !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("field or cause is lost: %v", err)
	}
}

func TestWhatNobodyClassifiedIsInternalAndTimeIsUnavailable(t *testing.T) {
	for err, want := range map[error]Class{
		errors.New("x"): Internal, context.Canceled: Unavailable,
		fmt.Errorf("wait: %w", context.DeadlineExceeded): Unavailable,
	} {
		if got := ClassOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if ClassOf(nil) != "" || Is(nil, Internal) {
		t.Error("nil has a class")
	}
}

func TestOnlyWhatMayPassByItselfIsRetried(t *testing.T) {
	retried := map[Class]bool{Unavailable: true, OverLimit: true, Quota: true}
	for _, c := range []Class{Invalid, NotFound, Conflict, Quota, OverLimit, Unauthorized, Unavailable, Internal} {
		if got := Retryable(New(c, "x")); got != retried[c] {
			t.Errorf("%s: %v", c, got)
		}
	}
}

func TestTheTextNamesFieldMessageHintAndRequest(t *testing.T) {
	e := &Error{Class: Quota, Field: "network", Message: "no port left", Hint: "raise the quota", RequestID: "req-1"}
	if want := "network: no port left; raise the quota (request id req-1)"; e.Error() != want {
		t.Errorf("%q, want %q", e, want)
	}
}
