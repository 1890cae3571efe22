// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/test/rig"
)

// podman runs Debian's podman with state, images and networks of its own.
type podman struct {
	dir string
	env []string
}

// newPodman makes one whose networks are the given configuration lists.
func newPodman(t *testing.T, lists ...rig.Conf) *podman {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Fatal("podman is missing: it belongs to the packages of make setup")
	}
	//nolint:usetesting // podman wants paths of at most 50 bytes
	dir, err := os.MkdirTemp("/tmp", "pod-")
	ok(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p := &podman{dir: dir}
	for i, l := range lists {
		ok(t, os.WriteFile(p.path(fmt.Sprintf("net%d.conflist", i)), l.JSON(), 0o600))
	}
	conf := fmt.Sprintf(`[network]
network_backend = "cni"
network_config_dir = %q
cni_plugin_dirs = [%q]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
tmp_dir = %q
`, p.dir, world.Programs.Dir, p.path("tmp"))
	ok(t, os.WriteFile(p.path("containers.conf"), []byte(conf), 0o600))
	p.env = append(os.Environ(), "CONTAINERS_CONF="+p.path("containers.conf"))
	return p
}

func (p *podman) path(name string) string { return filepath.Join(p.dir, name) }

// run runs a podman command and gives its standard output.
func (p *podman) run(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "podman", append([]string{
		"--root", p.path("root"), "--runroot", p.path("run"), "--storage-driver", "vfs",
	}, args...)...)
	cmd.Env, cmd.Stdin = p.env, bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("podman %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// busyboxImage is the file system of an image with Debian's static busybox alone.
func busyboxImage(t *testing.T) []byte {
	t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	ok(t, err)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	ok(t, w.WriteHeader(&tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}))
	ok(t, w.WriteHeader(&tar.Header{Name: "bin/busybox", Mode: 0o755, Size: int64(len(program))}))
	_, err = w.Write(program)
	ok(t, err)
	for _, applet := range []string{"sh", "ip", "sleep", "cat", "ping", "nc"} {
		ok(t, w.WriteHeader(&tar.Header{Name: "bin/" + applet, Linkname: "busybox", Typeflag: tar.TypeSymlink, Mode: 0o777}))
	}
	ok(t, w.Close())
	return b.Bytes()
}

func TestPodmansContainersAreOnTheNeutronNetwork(t *testing.T) {
	tn, ctx := tenant(t), within(t, 2*stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.80.0.0/24"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	agent := world.agents[0]
	conf := agent.Conf("net", map[string]any{
		"project": tn.Project, "securityGroups": []string{"open"},
		"capabilities": map[string]bool{"ips": true, "mac": true},
	})
	p := newPodman(t, rig.Conf{"cniVersion": "1.0.0", "name": "tenant", "plugins": []any{conf.With(map[string]any{"cniVersion": "1.0.0"})}})
	must[string](t)(p.run(ctx, busyboxImage(t), "import", "-", "localhost/busybox"))
	t.Cleanup(func() {
		if _, err := p.run(closing(t), nil, "rm", "--all", "--force", "--time", "0"); err != nil {
			t.Error(err)
		}
		if err := agent.Settled(closing(t)); err != nil {
			t.Error(err)
		}
	})
	start := func(name string, more ...string) {
		t.Helper()
		args := append([]string{
			"run", "--detach", "--name", name, "--network", "tenant",
			"--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000",
		}, more...)
		must[string](t)(p.run(ctx, nil, append(args, "localhost/busybox", "sleep", "1000")...))
	}
	start("web", "--ip", "10.80.0.42", "--mac-address", "fa:16:3e:80:00:42")
	start("db")
	vm := boot(t, tn, world.agents[1].Node, net, open)
	pings(t, vm.Netns(), netip.MustParseAddr("10.80.0.42"))
	must[string](t)(p.run(ctx, nil, "exec", "db", "ping", "-c", "1", "-W", "5", "10.80.0.42"))
	link := must[string](t)(p.run(ctx, nil, "exec", "web", "ip", "address", "show", "eth0"))
	if !strings.Contains(link, "10.80.0.42/24") || !strings.Contains(link, "fa:16:3e:80:00:42") {
		t.Errorf("interface of web:\n%s", link)
	}
	resolv := must[string](t)(p.run(ctx, nil, "exec", "db", "cat", "/etc/resolv.conf"))
	t.Logf("resolv.conf of db: %q", resolv)
	busyPorts(ctx, t, tn, agent, 2)
	must[string](t)(p.run(ctx, nil, "restart", "--time", "0", "web"))
	pings(t, vm.Netns(), netip.MustParseAddr("10.80.0.42"))
}
