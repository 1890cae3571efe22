// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/serve"
)

// what is one of the services of this process: its type in the catalogue, and
// what its URL ends in.
type what struct{ kind, path string }

// served are the services, in the order of Ports and Endpoints.
var served = []what{{"identity", "/v3"}, {"network", ""}, {"load-balancer", ""}}

// listener is where a service is served.
type listener struct {
	what
	net.Listener
}

// listen takes all addresses, so that a start fails before it changes anything.
func (c *Cloud) listen(ctx context.Context) error {
	p := c.options.Ports
	for i, port := range []int{p.Identity, p.Network, p.LoadBalancer} {
		l, err := listenTCP(ctx, served[i].kind, net.JoinHostPort(c.options.Address, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		c.listeners = append(c.listeners, listener{served[i], l})
	}
	var err error
	switch path, isPath := strings.CutPrefix(c.options.AdminAddress, "unix:"); {
	case c.options.AdminAddress == "":
	case isPath:
		c.admin, err = serve.Listen(path)
	default:
		c.admin, err = listenTCP(ctx, "admin", c.options.AdminAddress)
	}
	return err
}

func listenTCP(ctx context.Context, name, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		e := fault.New(fault.Conflict, "%s: another process listens on %s", name, address)
		e.Hint = "stop it, or choose another port"
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("cloud: %s: %w", name, err)
	}
	return l, nil
}

// url is a service's URL as the catalogue has it.
func (c *Cloud) url(i int) string {
	l := c.listeners[i]
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		panic(err) // a TCP listener's address
	}
	return "http://" + net.JoinHostPort(c.options.PublicHost, port) + l.path
}
