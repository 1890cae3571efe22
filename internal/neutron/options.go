// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The defaults of Options.
const (
	// DefaultRequestTimeout bounds one request and the login it may need.
	DefaultRequestTimeout = 60 * time.Second
	// DefaultConcurrency is how many requests are under way at once at most.
	DefaultConcurrency = 8
	// DefaultBulkTime is how long a request that makes several ports shall take.
	DefaultBulkTime = time.Second
	// DefaultPageSize is how many items one page of a list holds.
	DefaultPageSize = 500
)

// Options say which cloud, as whom, and with what care.
type Options struct {
	// Cloud is the entry of clouds.yaml. Empty: $OS_CLOUD; when that is unset
	// too, the credentials come from the OS_* variables (OS_AUTH_URL,
	// OS_APPLICATION_CREDENTIAL_ID, OS_USERNAME and so on) alone.
	Cloud string
	// ConfigFile is the path of clouds.yaml. Empty: $OS_CLIENT_CONFIG_FILE;
	// when that is unset, the first of ./clouds.yaml,
	// ~/.config/openstack/clouds.yaml and /etc/openstack/clouds.yaml. A
	// secure.yaml in the same folder is merged in.
	ConfigFile string
	// Region picks the endpoint where the catalogue has several. Empty:
	// $OS_REGION_NAME, then region_name of the cloud.
	Region string
	// Interface is "public", "internal" or "admin". Empty: $OS_INTERFACE, then
	// interface of the cloud, then "public".
	Interface string
	// CACert is a file of PEM certificates to trust. Empty: $OS_CACERT, then
	// cacert of the cloud, then the system's.
	CACert string
	// Insecure switches the verification of certificates off, as "verify:
	// false" does in clouds.yaml.
	Insecure bool
	// Version is Kuryr's version, told in the User-Agent. Empty: "dev".
	Version string
	// RequestTimeout bounds one request; a caller's earlier deadline wins.
	// Zero: DefaultRequestTimeout.
	RequestTimeout time.Duration
	// Concurrency bounds the requests under way at once. How many there are
	// below it, the client learns from how the cloud answers; others wait for
	// their turn. Zero: DefaultConcurrency.
	Concurrency int
	// ReadRate and WriteRate bound the requests of a second, on average, that
	// read from Neutron and that change something in it. A second's worth is
	// let through at once. Zero: nothing is bounded.
	ReadRate, WriteRate float64
	// BulkTime is how long a request that makes several ports shall take; the
	// client learns how many ports that are. Zero: DefaultBulkTime.
	BulkTime time.Duration
	// PageSize is the number of items asked for in one page of a list. Zero:
	// DefaultPageSize.
	PageSize int
	// Logger gets a debug line per request. nil: nothing is logged.
	Logger *slog.Logger
	// Registerer gets the client's metrics. nil: they are not registered.
	Registerer prometheus.Registerer
}

func (o *Options) setDefaults() {
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = DefaultRequestTimeout
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.BulkTime <= 0 {
		o.BulkTime = DefaultBulkTime
	}
	if o.PageSize <= 0 {
		o.PageSize = DefaultPageSize
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
