// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// cloudAdmin calls the admin endpoint of a running cloud.
type cloudAdmin struct {
	address string
	timeout time.Duration
}

func (a *cloudAdmin) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.address, "admin-address", defaultAdmin, "the `address` of the cloud's admin endpoint, unix:PATH or HOST:PORT")
	cmd.Flags().DurationVar(&a.timeout, "timeout", 10*time.Second, "how long to wait for the cloud's answer")
}

// call does one call and gives the answer's body. An answer that is no success
// is an error with the endpoint's words.
func (a *cloudAdmin) call(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	socket, isSocket := strings.CutPrefix(a.address, "unix:")
	network, address, host := "tcp", a.address, a.address
	if isSocket {
		network, address, host = "unix", socket, "cloud"
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	u := url.URL{Scheme: "http", Host: host, Path: path, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, usageError{fmt.Errorf("--admin-address %s: want unix:PATH or HOST:PORT", a.address)}
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return nil, a.unreachable(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, a.unreachable(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, errors.New(strings.TrimSpace(string(b)))
	}
	return b, nil
}

// unreachable says why there is no answer, and what to do next.
func (a *cloudAdmin) unreachable(err error) error {
	reason := err
	for _, known := range []error{syscall.ECONNREFUSED, syscall.ENOENT, syscall.EACCES} {
		if errors.Is(err, known) {
			reason = known
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the cloud at %s did not answer in %v", a.address, a.timeout)
	}
	return fmt.Errorf("cannot reach the cloud at %s: %w\nis \"kuryr cloud\" running, with this --admin-address?", a.address, reason)
}
