// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// The embedded cloud of this test is in its own process and has no OVN:
// bindings, agents and what OVN reports are left to the end-to-end tests.
func TestTheEmbeddedCloudSaysWhatTheRealOneSays(t *testing.T) {
	compareWithGolden(t, inProcess(t), func(s *Script) bool { return s.Needs == "" })
}

// inProcess gives an embedded cloud without OVN, made as the one of package openstack.
func inProcess(t *testing.T) *Cloud {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cloud.yaml")
	seed, err := openstack.EmbeddedSeed()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	o := cloud.Options{}
	s, err := cloud.ReadSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	o.Seed = &s
	// Nothing is behind the ports, so they stay down as on the real cloud.
	o.Faults = faults.Settings{PortActiveDelay: faults.Fixed(time.Hour)}
	up, err := cloud.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- up.Serve(ctx) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := up.Close(); err != nil {
			t.Error(err)
		}
	})
	e := up.Endpoints()
	c := &Cloud{
		Identity: strings.TrimSuffix(e.Identity, "/v3"), Network: e.Network, LoadBalancer: e.LoadBalancer,
		Client: &http.Client{Transport: transport}, Patience: 10 * time.Second, Password: s.AdminPassword,
	}
	if err := c.MakePublic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}
