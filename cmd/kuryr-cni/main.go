// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/version"
)

// started is when this process began, as near as a Go program can tell.
var started = time.Now()

// patience bounds the wait for the agent's answer. The runtime's own limit
// and the agent's are shorter; this one only ends what both forgot.
const patience = 90 * time.Minute

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns the exit status.
func run(args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	command := getenv("CNI_COMMAND")
	switch {
	case len(args) > 0:
		return byHand(args, stdout, stderr)
	case command == "":
		usage(stderr)
		return 0
	case command == agentapi.CommandVersion:
		return answer(stdout, agentapi.CNIResponse{Stdout: agentapi.VersionResult()})
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return answer(stdout, forward(ctx, request(getenv), stdin))
}

// request is the call as the environment tells it.
func request(getenv func(string) string) agentapi.CNIRequest {
	return agentapi.CNIRequest{
		Command:       getenv("CNI_COMMAND"),
		ContainerID:   getenv("CNI_CONTAINERID"),
		Netns:         getenv("CNI_NETNS"),
		IfName:        getenv("CNI_IFNAME"),
		Args:          getenv("CNI_ARGS"),
		Path:          getenv("CNI_PATH"),
		StartedAt:     started,
		PluginVersion: version.String(),
	}
}

// answer prints a response. What cannot be printed has failed: the runtime
// must not take silence for a success.
func answer(stdout io.Writer, r agentapi.CNIResponse) int {
	if len(r.Stdout) == 0 {
		return r.ExitCode
	}
	if _, err := stdout.Write(append(r.Stdout, '\n')); err != nil {
		return 1
	}
	return r.ExitCode
}

// byHand serves somebody who runs the plugin in a shell.
func byHand(args []string, stdout, stderr io.Writer) int {
	switch args[0] {
	case "--version", "-version", "version":
		_, _ = fmt.Fprintln(stdout, "kuryr-cni", version.Get())
		return 0
	case "--help", "-help", "-h", "help":
		usage(stdout)
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "kuryr-cni: unknown argument %q\n", args[0])
	usage(stderr)
	return 2
}

func usage(w io.Writer) {
	_, _ = fmt.Fprintf(w, `CNI plugin kuryr-cni %s
CNI protocol versions supported: %s

A container runtime executes this program; it is not meant to be run by hand.
It forwards each call to "kuryr agent" over %s, or over the path in
the key "socket" of the network configuration. To try it:

  echo '{"cniVersion":"1.1.0","name":"test","type":"kuryr-cni"}' | CNI_COMMAND=STATUS kuryr-cni

Options: --version, --help
`, version.String(), strings.Join(agentapi.CNIVersions, ", "), agentapi.DefaultSocket)
}
