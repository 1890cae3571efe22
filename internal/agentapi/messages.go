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
	// Waiting says what a release waits for, or why the last try failed.
	Waiting string `json:"waiting,omitempty"`
}

// Failure is the body of every answer whose HTTP status is not 200.
type Failure struct {
	Class   string `json:"class"`
	Message string `json:"message"`
}
