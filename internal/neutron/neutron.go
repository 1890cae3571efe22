// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Client talks to one cloud as one user in one project. It is safe for
// concurrent use.
type Client struct {
	options   Options
	creds     credentials
	http      http.Client
	scheduler *scheduler
	redactor  *strings.Replacer

	logins  singleflight.Group
	session atomic.Pointer[session]

	mu      sync.Mutex // guards refused
	refused refusal

	capabilities capabilityTable
}

// New makes a client. It reads the credentials and makes no request. An error
// is Invalid and says what is wrong with the credentials.
func New(o Options) (*Client, error) {
	o.setDefaults()
	creds, err := loadCredentials(o)
	if err != nil {
		return nil, err
	}
	durations := newDurations()
	c := &Client{
		options:  o,
		creds:    creds,
		redactor: newRedactor(creds.secrets()),
	}
	c.scheduler = newScheduler(o, c.sendPorts)
	if o.Registerer != nil {
		for _, m := range []prometheus.Collector{durations, c.scheduler.metrics} {
			if err := o.Registerer.Register(m); err != nil {
				return nil, fault.New(fault.Internal, "neutron: register metrics: %w", err)
			}
		}
	}
	c.http = http.Client{
		Transport:     newTransport(creds.tls, o, durations),
		CheckRedirect: sameHost,
	}
	return c, nil
}

// newDurations makes the metric of the requests; see the package documentation.
func newDurations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "kuryr_neutron_request_duration_seconds",
		Help:    "How long the cloud took to answer a request, by operation and HTTP status.",
		Buckets: []float64{.005, .01, .025, .05, .1, .2, .4, .8, 1.6, 3.2, 6.4, 12.8, 30, 60},
	}, []string{"operation", "status"})
}

// newRedactor replaces every secret by asterisks: a proxy's error page may
// well quote the request that it could not pass on.
func newRedactor(secrets []string) *strings.Replacer {
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, "***")
	}
	return strings.NewReplacer(pairs...)
}

// AuthURL is Keystone's address, as the credentials name it.
func (c *Client) AuthURL() string { return c.creds.auth.IdentityEndpoint }

// Region is the region asked for; empty when the credentials name none.
func (c *Client) Region() string { return c.creds.endpoint.Region }

// Close gives idle connections back. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }
