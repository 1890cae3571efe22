// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs are the two binaries under test.
type Programs struct {
	// Dir holds both: it serves as CNI_PATH.
	Dir string
	// Kuryr and Plugin are their paths.
	Kuryr, Plugin string
}

// Build compiles the programs from the module that the working directory is
// in, the way the Makefile does, into dir. With race the agent has the race
// detector in it, and writes what that finds to its log; and it has points at
// which it can be made to crash (see Agent.CrashAfterWrite).
func Build(ctx context.Context, dir string, race bool) (Programs, error) {
	p := Programs{Dir: dir, Kuryr: filepath.Join(dir, "kuryr"), Plugin: filepath.Join(dir, "kuryr-cni")}
	if err := build(ctx, p.Plugin, "0"); err != nil {
		return p, err
	}
	if race {
		return p, build(ctx, p.Kuryr, "1", "-race", "-tags=crashpoints")
	}
	return p, build(ctx, p.Kuryr, "0")
}

func build(ctx context.Context, path, cgo string, more ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path}, more...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/kuryr-go/kuryr/cmd/"+filepath.Base(path))...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rig: build: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
