// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/config"
	"github.com/kuryr-go/kuryr/internal/supply"
)

// uninstall is one run of the command.
type uninstall struct {
	source        configSource
	out           output
	apply, yes    bool
	cluster, node string
}

func newUninstall() *cobra.Command {
	var u uninstall
	c := &cobra.Command{
		Use:   "uninstall --cluster NAME [--node NAME] [--apply] [--yes] [-o table|json]",
		Short: "Remove what a cluster, or a node of it, has made in the cloud",
		Long: `Lists the Neutron ports that bear the mark of a cluster, and with --apply deletes them. It asks
the cloud alone, with the credentials that the configuration names: the agents may be gone for good.
Ports of other clusters, and ports of users that Kuryr only uses, are never touched.

Stop the agents first (better: kuryr drain on every node, which takes the bridge for wires off the
switch too): one that runs makes new ports, and containers that run lose their network. Whether any
runs the command cannot know. On a terminal it asks; anywhere else --apply wants --yes.

It may be interrupted, or fail for some ports, and be run again: it goes on with what is left.`,
		Example: `  kuryr uninstall --cluster prod
  kuryr uninstall --cluster prod --apply
  kuryr uninstall --cluster prod --node node7 --apply --yes
  kuryr uninstall --cluster prod --cloud-name admin -o json | jq -r '.ports[].id'`,
		RunE: u.run,
	}
	c.Flags().SortFlags = false
	cluster, _ := config.Lookup("cluster")
	node, _ := config.Lookup("node")
	u.source.keyFlag(c.Flags(), cluster, "the cluster id whose ports go; it must be given")
	u.source.keyFlag(c.Flags(), node, "only the ports of this node; left out: those of all nodes")
	c.Flags().BoolVar(&u.apply, "apply", false, "delete the ports")
	c.Flags().BoolVarP(&u.yes, "yes", "y", false, "do not ask")
	u.out.flag(c, formatTable, formatJSON)
	u.source.flagsBelow(c.Flags(), "cloud.")
	manual{Environment: agentEnvironment, Files: uninstallFiles, Exit: `  0  there is nothing, or all of it was deleted, or would be without --apply missing
  1  something is left that should be gone; standard error says why
  2  a command line that cannot be understood`}.annotate(c)
	return c
}

const uninstallFiles = `  /etc/kuryr/agent.yaml     the configuration, for its section "cloud"; may be missing
  /etc/openstack/clouds.yaml, ~/.config/openstack/clouds.yaml
                            clouds and credentials`

func (u *uninstall) run(cmd *cobra.Command, _ []string) error {
	if !cmd.Flags().Changed("cluster") {
		return usageError{errors.New("--cluster: missing; want the cluster id whose ports go")}
	}
	if u.apply && !u.yes && !terminal(cmd.InOrStdin()) {
		return usageError{errors.New("--apply: nobody can be asked, for standard input is no terminal; --yes does not ask")}
	}
	cfg, err := u.source.load()
	if err != nil {
		return err
	}
	u.cluster = cfg.Cluster
	if cmd.Flags().Changed("node") {
		u.node = cfg.Node
	}
	logger := newLogger(cmd.ErrOrStderr(), "warn", "text")
	client, err := newNeutron(cfg, logger, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer client.Close()
	uninstaller, err := supply.NewUninstaller(client, supply.UninstallOptions{
		Cluster: u.cluster, Node: u.node, Concurrency: cfg.Cloud.MaxConcurrency,
	})
	if err != nil {
		return err
	}
	found, err := uninstaller.List(cmd.Context())
	if err != nil {
		return err
	}
	if !u.apply || len(found.Ports) == 0 {
		return u.show(cmd.OutOrStdout(), found)
	}
	return u.remove(cmd, uninstaller, found)
}

// remove deletes what was found, after a human has agreed.
func (u *uninstall) remove(cmd *cobra.Command, uninstaller *supply.Uninstaller, found supply.Inventory) error {
	if !u.yes {
		if err := u.confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), found); err != nil {
			return err
		}
	}
	progress := newProgress(cmd.ErrOrStderr(), len(found.Ports))
	outcome := map[string]supply.Removal{}
	err := uninstaller.Remove(cmd.Context(), found.Ports, func(r supply.Removal) {
		outcome[r.Port.ID] = r
		progress.step(r.Err != nil)
	})
	progress.end()
	return u.report(cmd, found, outcome, err)
}

// confirm has the name of the cluster typed in.
func (u *uninstall) confirm(in io.Reader, w io.Writer, found supply.Inventory) error {
	active := 0
	for _, p := range found.Ports {
		if p.Active {
			active++
		}
	}
	n := len(found.Ports)
	fmt.Fprintf(w, "%d %s of %s will be deleted.\n", n, plural(n, "port"), u.whose())
	fmt.Fprintln(w, "Its agents must be stopped: one that runs makes new ports. Containers that run lose their network.")
	if active > 0 {
		fmt.Fprintf(w, "%d of the ports %s ACTIVE: wired on a node, for a container or by an agent that holds %s ready.\n",
			active, verb(active, "is", "are"), verb(active, "it", "them"))
	}
	fmt.Fprintf(w, "Type the cluster's name to go on: ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(line) == u.cluster {
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	fmt.Fprintln(w, "Nothing was deleted.")
	return errReported
}

// whose names what is removed.
func (u *uninstall) whose() string {
	if u.node == "" {
		return fmt.Sprintf("cluster %q", u.cluster)
	}
	return fmt.Sprintf("node %q of cluster %q", u.node, u.cluster)
}

// interrupted tells that the operator ended it.
func interrupted(err error) bool { return errors.Is(err, context.Canceled) }
