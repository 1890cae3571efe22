// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server is one listener with its handler.
type Server struct {
	Name     string
	Listener net.Listener
	Handler  http.Handler
}

// headerTimeout bounds the time a client may take for its request's head.
const headerTimeout = 10 * time.Second

// Serve serves all of them until ctx ends or one fails. At the end requests
// get grace to finish; then their contexts end, and Serve returns.
func Serve(ctx context.Context, log *slog.Logger, grace time.Duration, servers ...Server) error {
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	failed := make(chan error, len(servers))
	running := make([]*http.Server, 0, len(servers))
	for _, s := range servers {
		hs := &http.Server{
			Handler: s.Handler, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
			BaseContext: func(net.Listener) context.Context { return requests },
		}
		running = append(running, hs)
		log.Info("serving", "what", s.Name, "address", s.Listener.Addr().String())
		go func() { failed <- fmt.Errorf("serve: %s: %w", s.Name, hs.Serve(s.Listener)) }()
	}
	var err error
	left := len(servers)
	select {
	case <-ctx.Done():
	case err = <-failed:
		left--
	}
	err = errors.Join(err, shutdown(ctx, grace, cancelRequests, running))
	for range left {
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// undoTime is what requests that were cancelled get to undo what they did.
const undoTime = 5 * time.Second

// shutdown waits for the requests under way for as long as grace, cancels
// what is left, and waits for that to be undone.
func shutdown(ctx context.Context, grace time.Duration, cancelRequests func(), running []*http.Server) error {
	ctx = context.WithoutCancel(ctx)
	inTime, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	var late []*http.Server
	for _, hs := range running {
		if hs.Shutdown(inTime) != nil {
			late = append(late, hs)
		}
	}
	cancelRequests()
	undone, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	var err error
	for _, hs := range late {
		if hs.Shutdown(undone) != nil {
			err = errors.Join(err, hs.Close())
		}
	}
	return err
}
