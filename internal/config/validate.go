// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxSocketPath is the longest path of a unix socket on Linux: sun_path has
// 108 bytes, the last of them zero.
const maxSocketPath = 107

// maxNode is the length of binding:host_id in Neutron's database.
const maxNode = 255

var clusterName = regexp.MustCompile(`^[a-z0-9.-]{1,63}$`)

// rule tells what is wrong with a value: nil when nothing is. Key and origin
// are added by who asks.
type rule struct {
	key   string
	check func() error
}

// Validate finds every value that is not allowed. The error is Problems.
func (c *Config) Validate() error {
	return c.judge(slices.Concat(c.identityRules(), c.agentRules(), c.cloudRules(), c.poolRules(), c.nodeRules()))
}

// CheckFiles finds the files that the configuration names and that cannot be
// read. The error is Problems.
func (c *Config) CheckFiles() error {
	return c.judge([]rule{
		{"cloud.configFile", readable(c.Cloud.ConfigFile)},
		{"cloud.caCert", readable(c.Cloud.CACert)},
	})
}

func (c *Config) judge(rules []rule) error {
	var problems Problems
	for _, r := range rules {
		if err := r.check(); err != nil {
			problems.Add(c.origins[r.key], r.key, "%v", err)
		}
	}
	return problems.Err()
}

func (c *Config) identityRules() []rule {
	return []rule{
		{"node", func() error {
			switch {
			case c.Node == "":
				return errors.New("empty, and the machine has no host name; want the host id of this node in Neutron")
			case len(c.Node) > maxNode || strings.ContainsFunc(c.Node, notInAName):
				return fmt.Errorf("%q is not allowed; want 1 to %d printable characters without spaces", c.Node, maxNode)
			}
			return nil
		}},
		{"cluster", func() error {
			if !clusterName.MatchString(c.Cluster) {
				return fmt.Errorf("%q is not allowed; want 1 to 63 of a-z, 0-9, dot and dash", c.Cluster)
			}
			return nil
		}},
	}
}

func (c *Config) agentRules() []rule {
	return []rule{
		{"agent.socket", func() error {
			if len(c.Agent.Socket) > maxSocketPath {
				return fmt.Errorf("%q has %d bytes; the path of a unix socket has at most %d", c.Agent.Socket, len(c.Agent.Socket), maxSocketPath)
			}
			return absolute(c.Agent.Socket)
		}},
		{"agent.journal", func() error { return absolute(c.Agent.Journal) }},
		{"agent.attachTimeout", within(c.Agent.AttachTimeout, time.Second, time.Hour)},
		{"agent.orphanGrace", func() error {
			if c.Agent.OrphanGrace < 0 {
				return fmt.Errorf("%v is negative; want a duration, or 0 for ever", c.Agent.OrphanGrace)
			}
			return nil
		}},
		{"agent.shutdownTimeout", within(c.Agent.ShutdownTimeout, 0, 5*time.Minute)},
	}
}

func (c *Config) cloudRules() []rule {
	return []rule{
		{"cloud.configFile", absoluteOrEmpty(c.Cloud.ConfigFile)},
		{"cloud.interface", oneOf(c.Cloud.Interface, "", "public", "internal", "admin")},
		{"cloud.caCert", absoluteOrEmpty(c.Cloud.CACert)},
		{"cloud.insecure", func() error {
			if c.Cloud.Insecure && c.Cloud.CACert != "" {
				return errors.New("true together with cloud.caCert, which would not be used; set one of the two")
			}
			return nil
		}},
		{"cloud.requestTimeout", within(c.Cloud.RequestTimeout, time.Second, 10*time.Minute)},
		{"cloud.maxConcurrency", func() error {
			if n := c.Cloud.MaxConcurrency; n < 1 || n > 256 {
				return fmt.Errorf("%d is not allowed; want 1 to 256", n)
			}
			return nil
		}},
		{"cloud.readRate", rate(c.Cloud.ReadRate)},
		{"cloud.writeRate", rate(c.Cloud.WriteRate)},
		{"cloud.cacheTTL", within(c.Cloud.CacheTTL, 0, time.Hour)},
		{"defaults.subnets", func() error {
			if len(c.Defaults.Subnets) > 0 && c.Defaults.Network == "" {
				return errors.New("set without defaults.network; subnets are looked for in a network")
			}
			return distinct(c.Defaults.Subnets)
		}},
		{"defaults.securityGroups", func() error { return distinct(c.Defaults.SecurityGroups) }},
	}
}

// longest is the longest pause that makes sense for what happens by itself.
const longest = 240 * time.Hour

func (c *Config) poolRules() []rule {
	p := c.Pool
	return []rule{
		{"pool.min", between(p.Min, 0, p.Max)},
		{"pool.warm", between(p.Warm, 0, p.Max)},
		{"pool.max", between(p.Max, 1, maxPool)},
		{"pool.nodeMax", between(p.NodeMax, 1, maxPool)},
		{"pool.coolDown", within(p.CoolDown, 0, time.Hour)},
		{"pool.checkEvery", within(p.CheckEvery, 0, time.Hour)},
		{"pool.idleAfter", within(p.IdleAfter, time.Second, longest)},
		{"pool.burstMemory", within(p.BurstMemory, 0, longest)},
		{"gc.interval", func() error {
			if c.GC.Interval == 0 {
				return nil
			}
			return within(c.GC.Interval, time.Second, longest)()
		}},
		{"gc.grace", within(c.GC.Grace, 0, 24*time.Hour)},
	}
}

// maxPool is beyond what any node's switch holds.
const maxPool = 10000

func between(n, least, most int) func() error {
	return func() error {
		if n < least || n > most {
			return fmt.Errorf("%d is not allowed; want %d to %d", n, least, most)
		}
		return nil
	}
}

func (c *Config) nodeRules() []rule {
	return []rule{
		{"ovs.database", func() error { return ovsdbRemote(c.OVS.Database) }},
		{"ovs.checksumOffload", oneOf(c.OVS.ChecksumOffload, "auto", "on", "off")},
		{"ovs.ready", oneOf(c.OVS.Ready, "auto", "ovn", "neutron")},
		{"log.level", oneOf(c.Log.Level, "debug", "info", "warn", "error")},
		{"log.format", oneOf(c.Log.Format, "text", "json")},
		{"metrics.address", func() error {
			if c.Metrics.Address == "" {
				return nil
			}
			return hostPort(c.Metrics.Address)
		}},
	}
}

func notInAName(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

func absolute(path string) error {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	return nil
}

func absoluteOrEmpty(path string) func() error {
	return func() error {
		if path == "" {
			return nil
		}
		return absolute(path)
	}
}

func within(d, least, most time.Duration) func() error {
	return func() error {
		if d < least || d > most {
			return fmt.Errorf("%v is not allowed; want %v to %v", d, least, most)
		}
		return nil
	}
}

// rate checks a number of requests a second.
func rate(n int) func() error {
	return func() error {
		if n < 0 || n > 10000 {
			return fmt.Errorf("%d is not allowed; want 1 to 10000 requests a second, or 0 for any number", n)
		}
		return nil
	}
}

func oneOf(value string, allowed ...string) func() error {
	return func() error {
		if slices.Contains(allowed, value) {
			return nil
		}
		named := slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" })
		return fmt.Errorf("%q is not allowed; want %s or %s", value,
			strings.Join(named[:len(named)-1], ", "), named[len(named)-1])
	}
}

func distinct(list []string) error {
	for i, s := range list {
		if s == "" {
			return fmt.Errorf("item %d is empty; want a name or an id", i+1)
		}
		if slices.Contains(list[:i], s) {
			return fmt.Errorf("%q is listed twice", s)
		}
	}
	return nil
}

// ovsdbRemote checks a database address in the spelling of ovsdb(7).
func ovsdbRemote(remote string) error {
	if path, ok := strings.CutPrefix(remote, "unix:"); ok {
		return absolute(path)
	}
	if address, ok := strings.CutPrefix(remote, "tcp:"); ok {
		return hostPort(address)
	}
	return fmt.Errorf("%q is not allowed; want unix:PATH or tcp:HOST:PORT", remote)
}

func hostPort(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not allowed; want HOST:PORT with a port from 0 to 65535", address)
	}
	return nil
}

func readable(path string) func() error {
	return func() error {
		if path == "" {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return f.Close()
	}
}
