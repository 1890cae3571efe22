// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/rig"
)

// summary shows what there is now: a table, and a picture.
func (t *tour) summary(ctx context.Context) error {
	heading("What there is now")
	status := map[string]string{}
	for _, c := range t.boxes {
		// The switch was ready; Neutron hears of it a little later.
		err := rig.Await(ctx, "port "+c.port, func(ctx context.Context) error {
			p, err := ports.Get(ctx, t.network, c.port).Extract()
			if err != nil {
				return err
			}
			if status[c.port] = p.Status; p.Status != "ACTIVE" {
				return fmt.Errorf("it is %s", p.Status)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CONTAINER\tHOST\tNEUTRON PORT\tSTATUS\tMAC\tADDRESS\tFLOATING IP\tNETWORK\tSECURITY GROUP")
	for i, c := range t.boxes {
		floating := "-"
		if i == 0 {
			floating = t.floating.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.name, c.agent.Host.Name, c.port, status[c.port], c.mac, c.ip, floating, resourceName, resourceName)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	top := t.topology()
	fmt.Printf("\n%s\n", top.text())
	if t.picture == "" {
		t.picture = filepath.Join(t.dir, "topology.svg")
	}
	if err := os.WriteFile(t.picture, []byte(top.svg()), 0o644); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	say("the same as a picture: %s", t.picture)
	return nil
}

// configFile is a CNI configuration for playing.
func (st *stage) configFile() string { return filepath.Join(st.dir, "cni", "10-quickstart.conflist") }

// farewell writes the CNI configuration and tells how to go on.
func (st *stage) farewell(t *tour) error {
	heading("It stays up. To play with it, as root:")
	plugin := t.boxes[0].conf.With(map[string]any{"cniVersion": "1.0.0"})
	delete(plugin, "portName")
	list := rig.Conf{"cniVersion": "1.0.0", "name": resourceName, "plugins": []any{plugin}}
	single := filepath.Join(st.dir, "cni", "quickstart.json")
	if err := os.MkdirAll(filepath.Dir(single), 0o755); err != nil {
		return fmt.Errorf("write the CNI configuration: %w", err)
	}
	for file, conf := range map[string]rig.Conf{st.configFile(): list, single: plugin} {
		if err := os.WriteFile(file, conf.JSON(), 0o644); err != nil {
			return fmt.Errorf("write the CNI configuration: %w", err)
		}
	}
	if st.embedded != nil {
		fmt.Printf(`
  # OpenStack's own command line (Debian: python3-openstackclient, python3-octaviaclient)
  ip netns exec %s env OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=%s openstack port list
`, st.embedded.Control().Name, st.cloudsFile(), cloudName)
	}
	fmt.Printf(`
  # a request from outside, through the floating IP
  %scurl http://%s:%d/
`, enterNetns(st.outside.Name), t.floating, webPort)
	fmt.Printf(`
  # one more container, by the CNI plugin itself ...
  ip netns add demo
  CNI_COMMAND=ADD CNI_CONTAINERID=demo CNI_NETNS=/run/netns/demo CNI_IFNAME=eth0 CNI_PATH=%[1]s %[1]s/kuryr-cni < %[2]s
  ip netns exec demo ping -c1 %[3]s
  CNI_COMMAND=DEL CNI_CONTAINERID=demo CNI_NETNS=/run/netns/demo CNI_IFNAME=eth0 CNI_PATH=%[1]s %[1]s/kuryr-cni < %[2]s
  ip netns delete demo
`, st.programs.Dir, single, t.boxes[0].ip)
	if _, err := exec.LookPath("podman"); err == nil {
		fmt.Printf(`
  # ... or by podman, with its CNI back end
  printf '[network]\nnetwork_backend="cni"\nnetwork_config_dir="%s"\ncni_plugin_dirs=["%s"]\n' > /tmp/containers.conf
  CONTAINERS_CONF=/tmp/containers.conf podman run --rm --network %s IMAGE ip address
`, filepath.Dir(st.configFile()), st.programs.Dir, resourceName)
	}
	fmt.Printf(`
  # what the agent knows
  %s status --socket %s
  %s ports --socket %s

  # the end of it all
  make quickstart-down
`, st.programs.Kuryr, t.agents[0].Socket, st.programs.Kuryr, t.agents[0].Socket)
	return nil
}

func enterNetns(name string) string {
	if name == "" {
		return ""
	}
	return "ip netns exec " + name + " "
}
