// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"os"
	"time"

	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

// DefaultPath is where the file is looked for when nobody names one.
const DefaultPath = "/etc/kuryr/agent.yaml"

// Config is everything the agent can be told.
type Config struct {
	// Node is this machine's name in Neutron: the binding:host_id of its ports.
	// It must be the host name that the node's Neutron or OVN agent reports
	// (`openstack network agent list`), or Neutron refuses to bind.
	// Default: the machine's host name.
	Node string `yaml:"node"`
	// Cluster is the name of this installation. It is written into every port,
	// and an agent never touches a port of another cluster: so several
	// installations can share a project. One to 63 of a-z, 0-9, dot and dash.
	// Default: "default".
	Cluster string `yaml:"cluster"`

	Agent    Agent    `yaml:"agent"`
	Cloud    Cloud    `yaml:"cloud"`
	Defaults Defaults `yaml:"defaults"`
	Pool     Pool     `yaml:"pool"`
	GC       GC       `yaml:"gc"`
	OVS      OVS      `yaml:"ovs"`
	Log      Log      `yaml:"log"`
	Metrics  Metrics  `yaml:"metrics"`

	// origins tells for each key that was set where that was: "file:line" or "--flag".
	origins strictyaml.Origins
}

// Agent is about the agent process itself.
type Agent struct {
	// Socket is the unix socket that the CNI plugin and the operator's commands
	// call, an absolute path of at most 107 bytes. It is made with mode 0600.
	// Default: "/run/kuryr/agent.sock".
	Socket string `yaml:"socket"`
	// Journal is the file in which the agent remembers its attachments, an
	// absolute path. It must survive a reboot.
	// Default: "/var/lib/kuryr/agent.db".
	Journal string `yaml:"journal"`
	// AttachTimeout is how long one attach may take, from the request to the
	// wired port. An engine's own, shorter deadline holds as well. From 1s to 1h.
	// Default: 60s.
	AttachTimeout time.Duration `yaml:"attachTimeout"`
	// OrphanGrace is how long an attachment is kept after its network namespace
	// is gone without a detach; then its port is given back. 0 keeps it for ever.
	// Default: 15m.
	OrphanGrace time.Duration `yaml:"orphanGrace"`
	// ShutdownTimeout is how long a stopping agent waits for the requests under
	// way. What is cut short is finished by the next start. From 0s to 5m.
	// Default: 10s.
	ShutdownTimeout time.Duration `yaml:"shutdownTimeout"`
}

// Cloud is about OpenStack. Credentials are not here: they come from
// clouds.yaml or the OS_* environment variables.
type Cloud struct {
	// Name is the entry of clouds.yaml to use. Empty: the one that OS_CLOUD
	// names, or else the OS_* variables themselves.
	// Default: "".
	Name string `yaml:"name"`
	// ConfigFile is the path of clouds.yaml, absolute. Empty: the usual places
	// (OS_CLIENT_CONFIG_FILE, the working directory, ~/.config/openstack,
	// /etc/openstack).
	// Default: "".
	ConfigFile string `yaml:"configFile"`
	// Region is the region whose Neutron is used. Empty: the one of the
	// credentials.
	// Default: "".
	Region string `yaml:"region"`
	// Interface is the kind of endpoint that is called: public, internal or
	// admin. Empty: the one of the credentials, or else public.
	// Default: "".
	Interface string `yaml:"interface"`
	// CACert is a PEM file of the authorities that sign the cloud's
	// certificates, an absolute path. Empty: the one of the credentials, or else
	// the system's.
	// Default: "".
	CACert string `yaml:"caCert"`
	// Insecure switches off the verification of the cloud's certificates.
	// Default: false.
	Insecure bool `yaml:"insecure"`
	// RequestTimeout is how long one request to OpenStack may take. From 1s to 10m.
	// Default: 60s.
	RequestTimeout time.Duration `yaml:"requestTimeout"`
	// MaxConcurrency bounds the requests to OpenStack under way at once. How
	// many there are below it follows how fast the cloud answers. From 1 to 256.
	// Default: 8.
	MaxConcurrency int `yaml:"maxConcurrency"`
	// ReadRate bounds the requests a second that read from Neutron, on average;
	// a second's worth is let through at once. From 1 to 10000, or 0: not bounded.
	// Default: 0.
	ReadRate int `yaml:"readRate"`
	// WriteRate bounds in the same way the requests a second that create, update
	// or delete something in Neutron. A request that makes several ports counts
	// as one. From 1 to 10000, or 0: not bounded.
	// Default: 0.
	WriteRate int `yaml:"writeRate"`
	// CacheTTL is how long a resolved name (a network, a subnet, a security
	// group) is believed before Neutron is asked again. From 0s, which asks
	// every time, to 1h.
	// Default: 30s.
	CacheTTL time.Duration `yaml:"cacheTTL"`
}

// Defaults is used for what a network configuration leaves out. All values
// are Neutron (or Keystone) names or ids.
type Defaults struct {
	// Project is the owner of the ports; names are looked for in it. Empty: the
	// project of the credentials.
	// Default: "".
	Project string `yaml:"project"`
	// Network is the network of the ports. Empty: every network configuration
	// must name one.
	// Default: "".
	Network string `yaml:"network"`
	// Subnets are subnets of that network; a port gets an address from each.
	// Empty: Neutron chooses, one for each address family.
	// Default: none.
	Subnets []string `yaml:"subnets"`
	// SecurityGroups are the ports' security groups. Left out: the project's
	// group "default"; an empty list: no group at all.
	// Default: none.
	SecurityGroups []string `yaml:"securityGroups"`
}

// Pool is about ports that the node holds ready, so that an attach need not
// wait for Neutron. There is a pool for each combination of project, network,
// subnets and security groups that is asked for; demands for a port of their own
// (an address, a MAC, a name, a QoS policy, an existing port) use none.
type Pool struct {
	// Enabled switches pools on. Without them each attach makes its port and each
	// detach deletes it.
	// Default: true.
	Enabled bool `yaml:"enabled"`
	// Min is how many free ports of a pool are kept however long nobody asks for
	// one. 0 lets an idle pool go. From 0 to pool.max.
	// Default: 0.
	Min int `yaml:"min"`
	// Warm is how many free ports of a pool in use are held ready. More are held
	// where recent bursts say so. From 0 to pool.max.
	// Default: 8.
	Warm int `yaml:"warm"`
	// Max is the most ports of one pool, in use or not. From 1 to 10000.
	// Default: 250.
	Max int `yaml:"max"`
	// NodeMax is the most ports of all pools of the node. From 1 to 10000.
	// Default: 500.
	NodeMax int `yaml:"nodeMax"`
	// CoolDown is how long a port rests after a detach before another container
	// may have it: as long as neighbours and name servers may remember who had its
	// address. 30s is the kernel's base_reachable_time. From 0s to 1h.
	// Default: 30s.
	CoolDown time.Duration `yaml:"coolDown"`
	// CheckEvery is how long ports that have rested may wait for company before they
	// are checked for the next container, as long as enough others are free: a check
	// is two requests to Neutron, however many ports it is about. From 0s to 1h.
	// Default: 1m.
	CheckEvery time.Duration `yaml:"checkEvery"`
	// IdleAfter is how long nobody must have asked for a port of a pool before its
	// free ports above pool.min go back to Neutron. From 1s to 240h.
	// Default: 10m.
	IdleAfter time.Duration `yaml:"idleAfter"`
	// BurstMemory is the half-life of the memory of bursts: after that time half as
	// many ports are held ready for the next one. 0 forgets at once. From 0s to 240h.
	// Default: 15m.
	BurstMemory time.Duration `yaml:"burstMemory"`
	// Prewarm keeps the pool of the node's defaults warm from the start on, and
	// while it is idle. It needs defaults.network.
	// Default: true.
	Prewarm bool `yaml:"prewarm"`
}

// GC is about what is in the cloud and nobody's: ports that a crash left between
// a request and its answer.
type GC struct {
	// Interval is the pause between two collections. 0 collects only when
	// `kuryr gc` asks for it. From 1s to 240h, or 0.
	// Default: 10m.
	Interval time.Duration `yaml:"interval"`
	// Grace spares what was made so recently. From 0s to 24h.
	// Default: 5m.
	Grace time.Duration `yaml:"grace"`
}

// OVS is about the node's Open vSwitch.
type OVS struct {
	// Database is where ovsdb-server listens: unix:PATH or tcp:HOST:PORT.
	// Default: "unix:/run/openvswitch/db.sock".
	Database string `yaml:"database"`
	// ChecksumOffload is the transmit checksum offload of the container's
	// interface: off, on (as the kernel makes it), or auto, which is off on a
	// bridge of the userspace datapath (netdev), where TCP fails with it, and on
	// otherwise.
	// Default: "auto".
	ChecksumOffload string `yaml:"checksumOffload"`
	// Ready is the signal by which an attach knows that the port is wired: ovn
	// (the local switch says ovn-installed), neutron (the port's status becomes
	// ACTIVE), or auto, which is ovn where this node is an OVN chassis.
	// Default: "auto".
	Ready string `yaml:"ready"`
}

// Log is about what the agent writes to standard error.
type Log struct {
	// Level is the least grave level that is written: debug, info, warn or
	// error. At debug each attach logs where its time went.
	// Default: "info".
	Level string `yaml:"level"`
	// Format is text (key=value) or json, one record a line.
	// Default: "text".
	Format string `yaml:"format"`
}

// Metrics is about the HTTP endpoint for monitoring.
type Metrics struct {
	// Address is the HOST:PORT where /metrics, /healthz and /readyz are served,
	// without encryption or authentication. Empty: they are not served.
	// Default: "127.0.0.1:9655".
	Address string `yaml:"address"`
}

// Default is the configuration of an empty file.
func Default() Config {
	// A machine without a host name leaves Node empty, which Validate reports.
	host, _ := os.Hostname()
	return Config{
		Node:    host,
		Cluster: "default",
		Agent: Agent{
			Socket:          "/run/kuryr/agent.sock",
			Journal:         "/var/lib/kuryr/agent.db",
			AttachTimeout:   60 * time.Second,
			OrphanGrace:     15 * time.Minute,
			ShutdownTimeout: 10 * time.Second,
		},
		Cloud: Cloud{
			RequestTimeout: 60 * time.Second,
			MaxConcurrency: 8,
			CacheTTL:       30 * time.Second,
		},
		Pool: Pool{
			Enabled: true, Warm: 8, Max: 250, NodeMax: 500, Prewarm: true,
			CoolDown: 30 * time.Second, CheckEvery: time.Minute, IdleAfter: 10 * time.Minute, BurstMemory: 15 * time.Minute,
		},
		GC: GC{Interval: 10 * time.Minute, Grace: 5 * time.Minute},
		OVS: OVS{
			Database:        "unix:/run/openvswitch/db.sock",
			ChecksumOffload: "auto",
			Ready:           "auto",
		},
		Log:     Log{Level: "info", Format: "text"},
		Metrics: Metrics{Address: "127.0.0.1:9655"},
	}
}
