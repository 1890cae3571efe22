// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package contract

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/test/openstack"
)

var update = flag.Bool("update", false, "write what the real cloud says to testdata/golden")

// stateTime is generous because Neutron is several times slower on a busy machine.
const stateTime = 2 * time.Minute

func TestTheRealCloudSaysWhatTheGoldenFilesSay(t *testing.T) {
	if openstack.SharedOptions().Embedded {
		t.Skipf("%s names the embedded cloud", openstack.EnvCloud)
	}
	c := live(t, openstack.Shared(t))
	for _, s := range scripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			if !s.Alone {
				t.Parallel()
			}
			got, err := Run(t.Context(), c, s)
			if err != nil {
				t.Fatalf("%v\nso far:\n%s", err, tail(got))
			}
			if *update {
				if err := os.WriteFile(golden(s), got.Format(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if found := slices.DeleteFunc(Compare(readGolden(t, s), got), settledSooner); len(found) > 0 {
				t.Errorf("(real is the file, embedded is the real cloud now; run with -update after reading)\n%s", Format(found))
			}
		})
	}
}

// settledSooner tells of a load balancer's status that was PENDING in the
// recording: the real Octavia reads what it answers after it told the driver,
// which on some days is done by then. The embedded one is always PENDING first.
func settledSooner(d Difference) bool {
	recorded, now := strings.Trim(d.Real, `"`), strings.Trim(d.Embedded, `"`)
	switch d.Path[strings.LastIndex(d.Path, ".")+1:] {
	case "provisioning_status":
		return strings.HasPrefix(recorded, "PENDING_") && now == "ACTIVE"
	case "operating_status":
		return recorded == "OFFLINE" && (now == "ONLINE" || now == "NO_MONITOR")
	}
	return false
}

func TestTheEmbeddedCloudSaysOverOVNWhatTheRealOneSays(t *testing.T) {
	compareWithGolden(t, live(t, embedded(t)), func(*Script) bool { return true })
}

// embedded brings the embedded cloud up beside the real one, and takes it
// down again unless it ran before.
func embedded(t *testing.T) *openstack.Cloud {
	t.Helper()
	openstack.Require(t, true)
	before := openstack.IsUp(openstack.EmbeddedDir())
	up, err := openstack.Up(t.Context(), openstack.Options{
		Embedded: true,
		Progress: func(since time.Duration, step string) { t.Logf("%5.1fs %s", since.Seconds(), step) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		up.Close()
		if before {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), stateTime)
		defer cancel()
		if err := up.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	return up
}

// live gives a running cloud of namespaces.
func live(t *testing.T, up *openstack.Cloud) *Cloud {
	t.Helper()
	e := up.Endpoints()
	transport := up.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	c := &Cloud{
		Identity: strings.TrimSuffix(e.Identity, "/v3"), Network: e.Network, LoadBalancer: e.LoadBalancer,
		Client: &http.Client{Transport: transport}, Patience: stateTime, Password: up.Logins()[openstack.Admin].Password,
		Run: func(ctx context.Context, env []string, name string, args ...string) (Output, error) {
			return run(ctx, up, env, name, args)
		},
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a command in the cloud's control namespace.
func run(ctx context.Context, up *openstack.Cloud, env []string, name string, args []string) (Output, error) {
	cmd := up.Command(ctx, name, args...)
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := up.Control().Start(cmd); err != nil {
		return Output{}, err
	}
	err := cmd.Wait()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		return Output{}, err
	}
	return Output{Status: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}, nil
}
