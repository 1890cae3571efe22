// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/config"
)

func newAgent() *cobra.Command {
	var (
		source configSource
		check  bool
	)
	c := &cobra.Command{
		Use:   "agent [--config FILE] [--check-config] [flags]",
		Short: "Run the node's agent",
		Long: `Runs the agent: it attaches containers to Neutron ports and detaches them, as the CNI plugin
kuryr-cni asks it to over a unix socket. It runs in the foreground, logs to standard error and
ends at SIGTERM or SIGINT. It may be killed and started again at any time: what it did is in its
journal.

Every key of the configuration file has a flag, which wins over the file; docs/configuration.md
describes them. Root is needed, to enter the containers' network namespaces.`,
		Example: `  kuryr agent
  kuryr agent --config /etc/kuryr/agent.yaml --log-level debug
  kuryr agent --check-config`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := source.load()
			if err != nil {
				return err
			}
			if check {
				return printEffective(cmd.OutOrStdout(), source, cfg)
			}
			logger := newLogger(cmd.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)
			logger.Info("configuration read", "from", source.String())
			return run(cmd.Context(), cfg, logger)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&check, "check-config", false, "print the configuration as it would be used, or all its problems, and end")
	source.flags(c.Flags())
	manual{Environment: agentEnvironment, Files: agentFiles, Exit: `  0  ended by a signal; or, with --check-config, no problem found
  1  failure; standard error says which
  2  a command line that cannot be understood`}.annotate(c)
	return c
}

const agentEnvironment = `  OS_CLOUD, OS_AUTH_URL and the other OS_* variables
        the cloud and its credentials, as for the openstack command; used where the
        configuration names no cloud`

const agentFiles = `  /etc/kuryr/agent.yaml     the configuration; may be missing
  /etc/openstack/clouds.yaml, ~/.config/openstack/clouds.yaml
                            clouds and credentials
  /run/kuryr/agent.sock     the socket
  /var/lib/kuryr/agent.db   the journal`

// printEffective prints a configuration that was found right. It holds no secret.
func printEffective(w io.Writer, source configSource, cfg config.Config) error {
	b, err := cfg.YAML()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "# from %s\n%s", source, b)
	return err
}

// newLogger makes a program's logger. level and format were validated.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	var least slog.Level
	// The four names that are let through are those that slog reads.
	_ = least.UnmarshalText([]byte(level))
	options := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
