// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// Rig is a test cloud with the programs under test.
type Rig struct {
	Cloud    *openstack.Cloud
	Programs Programs
	// Dir holds the programs and the agents' folders.
	Dir string

	mu      sync.Mutex
	agents  []*Agent      // guarded by mu
	boxes   []*Sandbox    // guarded by mu
	proxies []*FaultProxy // guarded by mu
}

// Options say what a rig is made of.
type Options struct {
	openstack.Options
	// Race builds the agent with the race detector; see Races.
	Race bool
}

// New builds the programs and brings up the cloud, or uses the one that is up.
func New(ctx context.Context, o Options) (*Rig, error) {
	if err := sweep(); err != nil {
		return nil, err
	}
	cloud, err := openstack.Up(ctx, o.Options)
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	// A socket's path has 107 bytes at most: the folder is made where paths are short.
	dir, err := os.MkdirTemp("/tmp", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	r := &Rig{Cloud: cloud, Dir: dir}
	if r.Programs, err = Build(ctx, dir, o.Race); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// StartAgent starts an agent on a node; Close stops it.
func (r *Rig) StartAgent(ctx context.Context, node *openstack.Node, o AgentOptions) (*Agent, error) {
	r.mu.Lock()
	dir := filepath.Join(r.Dir, fmt.Sprintf("a%d", len(r.agents)))
	r.mu.Unlock()
	a, err := r.NewAgent(node, dir, o)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.agents = append(r.agents, a)
	r.mu.Unlock()
	return a, a.Start(ctx)
}

// Sandbox makes a sandbox; Close removes it.
func (r *Rig) Sandbox() (*Sandbox, error) {
	s, err := NewSandbox()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.boxes = append(r.boxes, s)
	return s, nil
}

// Races gives what the race detector found in the agents so far, as they
// logged it; empty: nothing.
func (r *Rig) Races() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.agents {
		log, err := os.ReadFile(a.LogFile())
		if err != nil {
			return "", fmt.Errorf("rig: %w", err)
		}
		if i := bytes.Index(log, []byte("WARNING: DATA RACE")); i >= 0 {
			return string(log[i:min(len(log), i+raceText)]), nil
		}
	}
	return "", nil
}

// raceText is as much of a log as tells of one race, in bytes.
const raceText = 4096

// Close stops the agents and their fault proxies, and removes the sandboxes and
// the rig's folder. The cloud runs on.
func (r *Rig) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failed []error
	for _, s := range r.boxes {
		failed = append(failed, s.Close())
	}
	for _, a := range r.agents {
		failed = append(failed, a.Stop())
	}
	for _, p := range r.proxies {
		failed = append(failed, p.Close())
	}
	r.Cloud.Close()
	return errors.Join(append(failed, os.RemoveAll(r.Dir))...)
}
