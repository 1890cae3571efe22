// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentapi

import (
	"encoding/json"
	"time"
)

// Version is the version of these messages and the first element of every path.
const Version = "v1"

// The paths served on the socket.
const (
	PathCNI         = "/" + Version + "/cni"
	PathStatus      = "/" + Version + "/status"
	PathAttachments = "/" + Version + "/attachments"
	PathLeases      = "/" + Version + "/leases"
	PathCollect     = "/" + Version + "/collect"
	PathDrain       = "/" + Version + "/drain"
)

// DefaultSocket is where the agent listens when nobody says otherwise.
const DefaultSocket = "/run/kuryr/agent.sock"

// MaxStdin is the largest network configuration accepted, in bytes. CNI
// itself sets no limit; runtimes keep theirs far below this.
const MaxStdin = 1 << 20

// CNIRequest is one call of the plugin, forwarded as it came.
// See the CNI specification 1.1.0, section 2.
type CNIRequest struct {
	// Command is CNI_COMMAND.
	Command string `json:"command"`
	// ContainerID is CNI_CONTAINERID.
	ContainerID string `json:"containerID,omitempty"`
	// Netns is CNI_NETNS, a path; absent where the runtime left it out.
	Netns string `json:"netns,omitempty"`
	// IfName is CNI_IFNAME.
	IfName string `json:"ifName,omitempty"`
	// Args is CNI_ARGS, "K=V;K=V".
	Args string `json:"args,omitempty"`
	// Path is CNI_PATH.
	Path string `json:"path,omitempty"`
	// Stdin is the network configuration, byte for byte.
	Stdin []byte `json:"stdin,omitempty"`
	// StartedAt is when the plugin's process started, for the trace.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// PluginVersion is the version of the plugin's binary.
	PluginVersion string `json:"pluginVersion,omitempty"`
}

// CNIResponse is what the plugin prints and how it exits.
type CNIResponse struct {
	// Stdout is printed as it is: a result or an error object of the CNI
	// specification, or nothing.
	Stdout json.RawMessage `json:"stdout,omitempty"`
	// ExitCode is the plugin's exit status: 0, or 1 on error.
	ExitCode int `json:"exitCode"`
}

// Status is the answer of PathStatus: what `kuryr status` shows.
type Status struct {
	Node    string       `json:"node"`
	Cluster string       `json:"cluster"`
	Version string       `json:"version"`
	Started time.Time    `json:"started"`
	Cloud   CloudStatus  `json:"cloud"`
	Binder  BinderStatus `json:"binder"`
	Ports   PortCounts   `json:"ports"`
	// Pools are the leases that the node holds, by pool.
	Pools []Pool `json:"pools,omitempty"`
	// Drained tells that the node is drained: it takes no new attachments.
	Drained bool `json:"drained,omitempty"`
	// Requests is the queue of requests to the cloud; nil where another process makes them.
	Requests *Requests `json:"requests,omitempty"`
	// Problems are sentences for a human, the gravest first; empty when all is well.
	Problems []string `json:"problems,omitempty"`
}

// CloudStatus is the agent's view of OpenStack.
type CloudStatus struct {
	// AuthURL and Region say which cloud; Network is Neutron's endpoint.
	AuthURL string `json:"authURL,omitempty"`
	Region  string `json:"region,omitempty"`
	Network string `json:"network,omitempty"`
	// Project is the name or id the credentials are scoped to.
	Project string `json:"project,omitempty"`
	// Reachable tells whether the last probe was answered, Checked when it was made.
	Reachable bool      `json:"reachable"`
	Checked   time.Time `json:"checked,omitzero"`
	// LatencySeconds is how long that probe took.
	LatencySeconds float64 `json:"latencySeconds,omitempty"`
	// Problem is why it cannot be used.
	Problem string `json:"problem,omitempty"`
}

// BinderStatus is the state of the node's switch.
type BinderStatus struct {
	Kind      string `json:"kind"`
	Connected bool   `json:"connected"`
	Version   string `json:"version,omitempty"`
	Bridge    string `json:"bridge,omitempty"`
	Datapath  string `json:"datapath,omitempty"`
	Chassis   string `json:"chassis,omitempty"`
	Host      string `json:"host,omitempty"`
	Ready     string `json:"ready,omitempty"`
	Problem   string `json:"problem,omitempty"`
	Ports     int    `json:"ports"`
	// Prewired is how many ports the switch has taken ahead of need.
	Prewired int `json:"prewired"`
}

// Pool is what the node holds of one class of ports.
type Pool struct {
	Key string `json:"key"`
	// Project, Network, Subnets and SecurityGroups are what its ports have in
	// common, as they were asked for.
	Project        string   `json:"project,omitempty"`
	Network        string   `json:"network"`
	Subnets        []string `json:"subnets,omitempty"`
	SecurityGroups []string `json:"securityGroups"`
	// Free leases are ready, Wired of them taken by the switch already.
	Free  int `json:"free"`
	Wired int `json:"wired"`
	InUse int `json:"inUse"`
	// Cooling leases rest after use, or have rested and wait to be checked.
	Cooling int `json:"cooling"`
	// Draining leases are being deleted.
	Draining int `json:"draining"`
	// Ordered ports are being made, or may have been.
	Ordered int `json:"ordered"`
	// Waiting attachments have no lease yet.
	Waiting int `json:"waiting"`
	// Target is how many free leases there shall be.
	Target int `json:"target"`
	// Taken counts the leases taken since the agent began; Asked is when the last one was asked for.
	Taken uint64    `json:"taken"`
	Asked time.Time `json:"asked,omitzero"`
	// Problem is why there cannot be more.
	Problem string `json:"problem,omitempty"`
}

// Requests is the state of the queue of requests to the cloud.
type Requests struct {
	// Running requests are under way, at most Limit at once.
	Running int `json:"running"`
	Limit   int `json:"limit"`
	// Queued are those that wait for their turn, by priority.
	Queued map[string]int `json:"queued,omitempty"`
	// Paused tells until when the cloud asked not to be called, by API.
	Paused map[string]time.Time `json:"paused,omitempty"`
}

// PortCounts are the attachments by state.
type PortCounts struct {
	// Attached are wired and in use.
	Attached int `json:"attached"`
	// Attaching are under way.
	Attaching int `json:"attaching"`
	// Orphaned are attached, but their sandbox is gone.
	Orphaned int `json:"orphaned"`
	// Releasing are detached, and their port is still to be given back to Neutron.
	Releasing int `json:"releasing"`
}

// Attachment is one row of `kuryr ports`.
type Attachment struct {
	ID             string    `json:"id"`
	State          string    `json:"state"`
	Sandbox        string    `json:"sandbox"`
	Interface      string    `json:"interface"`
	Netns          string    `json:"netns,omitempty"`
	HostInterface  string    `json:"hostInterface,omitempty"`
	PortID         string    `json:"portID,omitempty"`
	PortName       string    `json:"portName,omitempty"`
	Adopted        bool      `json:"adopted,omitempty"`
	MAC            string    `json:"mac,omitempty"`
	Addresses      []string  `json:"addresses,omitempty"`
	Network        string    `json:"network,omitempty"`
	NetworkID      string    `json:"networkID,omitempty"`
	SecurityGroups []string  `json:"securityGroups,omitempty"`
	Since          time.Time `json:"since"`
	// Pool is the key of the pool that the port is a lease of; empty: of none.
	Pool string `json:"pool,omitempty"`
	// Waiting says what a release waits for, or why the last try failed.
	Waiting string `json:"waiting,omitempty"`
}

// Lease is a port of a pool that no attachment has: one row of `kuryr ports --leases`.
type Lease struct {
	PortID string `json:"portID"`
	// State is free, wired (free, and taken by the switch), cooling, cooled,
	// checking or draining; Since when.
	State string `json:"state"`
	// Wired tells that the switch has it, whatever its state.
	Wired          bool      `json:"wired,omitempty"`
	Since          time.Time `json:"since"`
	Pool           string    `json:"pool"`
	MAC            string    `json:"mac,omitempty"`
	Addresses      []string  `json:"addresses,omitempty"`
	Network        string    `json:"network,omitempty"`
	NetworkID      string    `json:"networkID,omitempty"`
	SecurityGroups []string  `json:"securityGroups,omitempty"`
}

// Finding is something of this cluster and node in the cloud: one row of `kuryr gc`.
type Finding struct {
	Kind  string    `json:"kind"`
	ID    string    `json:"id"`
	Name  string    `json:"name,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Remove tells that it is nobody's; Reason why, or whose it is.
	Remove bool   `json:"remove"`
	Reason string `json:"reason"`
	// Removed tells that it is gone now; Error why it is not.
	Removed bool   `json:"removed,omitempty"`
	Error   string `json:"error,omitempty"`
}

// CollectRequest is the body of PathCollect.
type CollectRequest struct {
	// Apply removes what is nobody's; without, it is only told.
	Apply bool `json:"apply"`
	// GraceSeconds spares what is younger; nil: the agent's own grace.
	GraceSeconds *float64 `json:"graceSeconds,omitempty"`
}

// DrainRequest is the body of PathDrain.
type DrainRequest struct {
	// Undo makes a drained node take attachments again.
	Undo bool `json:"undo"`
}

// Failure is the body of every answer whose HTTP status is not 200.
type Failure struct {
	Class   string `json:"class"`
	Message string `json:"message"`
}
