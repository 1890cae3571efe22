// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// webPort is where the containers' web servers listen.
const webPort = 8080

// server is the web server in a container: it tells its name and whom it sees.
func server() *cobra.Command {
	var name, dir string
	cmd := &cobra.Command{
		Use: "serve", Short: "The web server in a container", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := &http.Server{
				Addr: fmt.Sprintf(":%d", webPort), ReadHeaderTimeout: 10 * time.Second,
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					peer, _, _ := net.SplitHostPort(r.RemoteAddr)
					fmt.Fprintf(w, "%s sees %s\n", name, peer)
				}),
			}
			s.SetKeepAlivesEnabled(false)
			stop := context.AfterFunc(cmd.Context(), func() { _ = s.Close() })
			defer stop()
			if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "who it is")
	cmd.Flags().StringVar(&dir, "of", "", "the state directory that it belongs to")
	return cmd
}

func pidFile(dir, name string) string { return filepath.Join(dir, "servers", name+".pid") }

// startServer starts this program anew as a container's web server.
func startServer(dir string, in openstack.Netns, name string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the web server of %s: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(pidFile(dir, name)), 0o700); err != nil {
		return fmt.Errorf("start the web server of %s: %w", name, err)
	}
	cmd := exec.Command(self, "serve", "--name", name, "--of", dir)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := in.Start(cmd); err != nil {
		return fmt.Errorf("start the web server of %s: %w", name, err)
	}
	if err := os.WriteFile(pidFile(dir, name), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return errors.Join(fmt.Errorf("start the web server of %s: %w", name, err), cmd.Process.Kill())
	}
	return cmd.Process.Release()
}

// endServer ends a container's web server, if it runs.
func endServer(dir, name string) error {
	b, err := os.ReadFile(pidFile(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end the web server of %s: %w", name, err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		return fmt.Errorf("end the web server of %s: %w", name, err)
	}
	// The number may be another process's by now.
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil && strings.Contains(string(line), dir) {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the web server of %s: %w", name, err)
		}
	}
	return os.Remove(pidFile(dir, name))
}
