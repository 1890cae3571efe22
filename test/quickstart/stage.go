// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// resourceName is the name of everything that is made in the cloud.
const resourceName = "kuryr-quickstart"

// prefix begins the names of the embedded cloud's namespaces.
const prefix = "kq"

// stage is where the tour goes: a cloud, its clients, and the machines for the
// containers.
type stage struct {
	settings
	programs rig.Programs
	// embedded is nil on a user's own cloud.
	embedded *openstack.Cloud
	hosts    []rig.Host
	agent    rig.AgentOptions
	// project is the tenant's; portProject is what the containers' configuration
	// says of it, empty where the agent's credential is the tenant's.
	project, portProject string
	network, balancer    *gophercloud.ServiceClient
	external             externalNetwork
	// outside is where floating addresses are called from.
	outside openstack.Netns
}

type externalNetwork struct{ id, name string }

// record is what `down` must know of an `up`: where it was.
type record struct {
	Cloud string `json:"cloud,omitempty"`
	Node  string `json:"node,omitempty"`
	OVSDB string `json:"ovsdb,omitempty"`
}

func recordFile(dir string) string { return filepath.Join(dir, "quickstart.json") }

func readRecord(dir string) (r record, err error) {
	b, err := os.ReadFile(recordFile(dir))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, fmt.Errorf("read the state: %w", err)
	}
	return r, nil
}

// openStage builds the programs and brings the cloud up, or logs in at the user's.
func openStage(ctx context.Context, s settings) (*stage, error) {
	heading("Kuryr is built, and an OpenStack is there for it")
	if err := os.MkdirAll(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	if err := keepApart(s); err != nil {
		return nil, err
	}
	st := &stage{settings: s}
	var err error
	if st.programs, err = rig.Build(ctx, filepath.Join(s.dir, "bin"), false); err != nil {
		return nil, err
	}
	say("kuryr and kuryr-cni are built in %s", st.programs.Dir)
	if err := st.remember(); err != nil {
		return nil, err
	}
	if s.cloud != "" {
		if err := st.logIn(ctx); err != nil {
			return nil, err
		}
		return st, st.findExternal(ctx)
	}
	return st, st.bringUp(ctx)
}

func (st *stage) remember() error {
	b, err := json.Marshal(record{Cloud: st.cloud, Node: st.node, OVSDB: st.ovsdb})
	if err == nil {
		err = os.WriteFile(recordFile(st.dir), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}

// keepApart refuses a second cloud in the directory of a first.
func keepApart(s settings) error {
	before, err := readRecord(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if before.Cloud != s.cloud {
		return fmt.Errorf("%s holds a quick start on another cloud; run make quickstart-down first, or take another --dir", s.dir)
	}
	return nil
}

// bringUp starts the embedded cloud with two hypervisors.
func (st *stage) bringUp(ctx context.Context) error {
	cloud, err := openstack.Up(ctx, openstack.Options{
		Dir: filepath.Join(st.dir, "cloud"), Prefix: prefix, Embedded: true, Program: st.programs.Kuryr, Nodes: 2,
		Progress: func(_ time.Duration, step string) { say("%s", step) },
	})
	if err != nil {
		return err
	}
	st.embedded, st.outside = cloud, cloud.Outside()
	say("Keystone, Neutron and Octavia are one process; Open vSwitch and OVN carry the packets, on hypervisors that are network namespaces")
	for _, n := range cloud.Nodes()[:2] {
		st.hosts = append(st.hosts, rig.Host{Name: n.Name, Netns: n.Netns(), OVSDB: n.OVSDB()})
	}
	project, err := cloud.MakeProject(ctx, resourceName)
	if err != nil {
		return err
	}
	st.project, st.portProject = project.ID, project.ID
	st.agent = rig.AgentOptions{
		Cluster: resourceName, CloudsFile: cloud.CloudsFile(),
		Config: map[string]map[string]any{"pool": {"warm": 4}},
	}
	st.external = externalNetwork{cloud.External().NetworkID, cloud.External().Name}
	if st.network, err = project.Network(ctx); err != nil {
		return err
	}
	if st.balancer, err = project.LoadBalancer(ctx); err != nil {
		return err
	}
	return st.writeClouds(project)
}

// cloudName is the tenant's entry in the clouds.yaml that is left for playing.
const cloudName = "quickstart"

func (st *stage) cloudsFile() string { return filepath.Join(st.dir, "clouds.yaml") }

func (st *stage) writeClouds(p *openstack.Project) error {
	logins := st.embedded.Logins()
	b, err := st.embedded.CloudsYAML(map[string]openstack.Login{cloudName: p.Member, openstack.Admin: logins[openstack.Admin]})
	if err == nil {
		err = os.WriteFile(st.cloudsFile(), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write clouds.yaml: %w", err)
	}
	return nil
}

// host is the machine of the n-th container.
func (st *stage) host(n int) rig.Host { return st.hosts[n%len(st.hosts)] }

func (st *stage) close() {
	if st.embedded != nil {
		st.embedded.Close()
	}
}
