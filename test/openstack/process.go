// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one process of the cloud as /proc shows it.
type process struct {
	pid, group int
	// service is the name of the service that it belongs to.
	service string
}

// leader tells whether it is the one that was spawned: each service is a
// process group (and session) of its own.
func (p process) leader() bool { return p.pid == p.group }

// processes finds, starts and ends the processes of one state directory. A
// process is recognised by its standard output, which is logs/NAME.log: that
// survives what the programs do to their titles and environments, and no file
// with a number in it can be stale.
type processes struct{ logs string }

func (ps processes) log(name string) string { return filepath.Join(ps.logs, name+".log") }

// all gives every process of the directory that runs; zombies do not.
func (ps processes) all() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("openstack: list processes: %w", err)
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// An error means that it has just ended, or is a zombie.
		out, err := os.Readlink("/proc/" + e.Name() + "/fd/1")
		if err != nil || filepath.Dir(out) != ps.logs {
			continue
		}
		if group, ok := running(pid); ok {
			name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(out), " (deleted)"), ".log")
			found = append(found, process{pid: pid, group: group, service: name})
		}
	}
	return found, nil
}

// leaders gives the pid of each service that runs.
func (ps processes) leaders() (map[string]int, error) {
	all, err := ps.all()
	if err != nil {
		return nil, err
	}
	pids := make(map[string]int)
	for _, p := range all {
		if p.leader() {
			pids[p.service] = p.pid
		}
	}
	return pids, nil
}

// running gives a process's group, and whether it is there and no zombie. A
// zombie that is our own child is reaped: pid 1 does so for others, but not at once.
func running(pid int) (group int, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The command's name, in parentheses, may hold anything.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 3 {
		return 0, false
	}
	if fields[0] == "Z" || fields[0] == "X" {
		// ECHILD when it is not ours.
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		return 0, false
	}
	group, err = strconv.Atoi(fields[2])
	return group, err == nil
}

// spawn starts a service in its namespaces, as the leader of its own session,
// with its output appended to its log. It gives the pid and the log's size before.
func (ps processes) spawn(s service) (pid int, logged int64, err error) {
	log, err := os.OpenFile(ps.log(s.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, 0, fmt.Errorf("openstack: start %s: %w", s.name, err)
	}
	defer func() { _ = log.Close() }()
	if logged, err = log.Seek(0, io.SeekEnd); err != nil {
		return 0, 0, fmt.Errorf("openstack: start %s: %w", s.name, err)
	}
	cmd := exec.Command(program(s.argv[0]), s.argv[1:]...)
	// Not in the caller's directory, which it would keep busy.
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environment(s.env...), filepath.Dir(ps.logs), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start := func() error { return s.netns.Start(cmd) }
	if s.run != "" {
		start = func() error {
			// The namespace is entered first: its name is below the /run that gets hidden.
			return onOwnThread(func() error {
				return s.netns.Do(func() error { return withOwnRun(s.run, cmd.Start) })
			})
		}
	}
	if err := start(); err != nil {
		return 0, 0, fmt.Errorf("openstack: start %s: %w", s.name, err)
	}
	pid = cmd.Process.Pid
	// From here on it is recognised like any other, whoever started it.
	return pid, logged, cmd.Process.Release()
}

// withOwnRun gives the calling thread a mount namespace in which dir is /run,
// then calls f. The thread must not be used for anything else afterwards.
func withOwnRun(dir string, f func() error) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	// A slave: what is mounted here stays here, what others unmount goes here too.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(dir, "/run", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s on /run: %w", dir, err)
	}
	return f()
}

// errEnded is the cause of a guarded context whose process ended.
var errEnded = errors.New("it ended")

// guard gives a context that ends, with errEnded as its cause, when the process ends.
func guard(ctx context.Context, pid int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for {
			if _, ok := running(pid); !ok {
				cancel(errEnded)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// stop ends a service: SIGTERM to its leader, after grace SIGKILL to what is
// left of it. Nothing to stop is success.
func (ps processes) stop(ctx context.Context, name string, grace time.Duration) error {
	pids, err := ps.leaders()
	if err != nil {
		return err
	}
	if pid, ok := pids[name]; ok && grace > 0 {
		if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("openstack: stop %s: %w", name, err)
		}
		if err := awaitEnd(ctx, []int{pid}, grace); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("openstack: stop %s: %w", name, err)
		}
	}
	return ps.kill(ctx, func(p process) bool { return p.service == name })
}

// kill ends with SIGKILL, at once, every process that match picks, and waits
// until they are gone.
func (ps processes) kill(ctx context.Context, match func(process) bool) error {
	all, err := ps.all()
	if err != nil {
		return err
	}
	var pids []int
	for _, p := range all {
		if match(p) {
			pids = append(pids, p.pid)
		}
	}
	return killPids(ctx, pids)
}

func killPids(ctx context.Context, pids []int) error {
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("openstack: kill process %d: %w", pid, err)
		}
	}
	if err := awaitEnd(ctx, pids, 10*time.Second); err != nil {
		return fmt.Errorf("openstack: kill processes %v: %w", pids, err)
	}
	return nil
}

// sweep kills processes whose service has lost its leader (a crash, a kill
// -9), and those of services that wanted does not know: remains of a step that was cut off.
func (ps processes) sweep(ctx context.Context, wanted func(name string) bool) error {
	leaders, err := ps.leaders()
	if err != nil {
		return err
	}
	return ps.kill(ctx, func(p process) bool { return leaders[p.service] == 0 || !wanted(p.service) })
}

// awaitEnd returns when none of the processes runs; os.ErrDeadlineExceeded
// when grace is over first.
func awaitEnd(ctx context.Context, pids []int, grace time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, grace, os.ErrDeadlineExceeded)
	defer cancel()
	return await(ctx, "processes to end", func(context.Context) error {
		for _, pid := range pids {
			if _, ok := running(pid); ok {
				return fmt.Errorf("process %d runs", pid)
			}
		}
		return nil
	})
}

// tail gives the end of a service's log from offset on, for an error message.
func (ps processes) tail(name string, offset int64) string {
	f, err := os.Open(ps.log(name))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		offset = max(offset, end-8<<10)
	}
	b := make([]byte, 8<<10)
	n, err := f.ReadAt(b, offset)
	if n == 0 && err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return lastLines(string(b[:n]), 3000)
}
