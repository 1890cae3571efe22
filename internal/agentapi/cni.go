// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The operations of the CNI specification.
const (
	CommandAdd     = "ADD"
	CommandDel     = "DEL"
	CommandCheck   = "CHECK"
	CommandGC      = "GC"
	CommandStatus  = "STATUS"
	CommandVersion = "VERSION"
)

// CNIVersions are the versions of the specification that are spoken, the
// oldest first.
var CNIVersions = []string{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// CNICode is the code of a CNI error result: the specification's below 100,
// Kuryr's own from there.
type CNICode uint

// The codes Kuryr answers with; docs/cni.md says what to do about each.
const (
	// CodeVersion: the configuration's cniVersion is not spoken, or does not
	// know the operation.
	CodeVersion CNICode = 1
	// CodeUnknownContainer: CHECK of something that is not attached.
	CodeUnknownContainer CNICode = 3
	// CodeEnvironment: a CNI_* variable is missing or wrong.
	CodeEnvironment CNICode = 4
	// CodeIO: stdin or the answer could not be read or written.
	CodeIO CNICode = 5
	// CodeDecode: stdin is no JSON object, or too large.
	CodeDecode CNICode = 6
	// CodeConfig: a key of the network configuration is wrong, or names what
	// does not exist.
	CodeConfig CNICode = 7
	// CodeTryAgain: a back end or the agent cannot be reached now.
	CodeTryAgain CNICode = 11
	// CodeNotAvailable: the answer of STATUS when nothing can be attached.
	CodeNotAvailable CNICode = 50
	// CodeConflict: the state of something else forbids it: an address in use,
	// a port bound elsewhere.
	CodeConflict CNICode = 100
	// CodeQuota: a quota or the addresses of a subnet are used up.
	CodeQuota CNICode = 101
	// CodeUnauthorized: the agent's credentials are refused or too weak.
	CodeUnauthorized CNICode = 102
	// CodeBroken: CHECK found something other than what ADD had made.
	CodeBroken CNICode = 103
	// CodeInternal: a defect of Kuryr.
	CodeInternal CNICode = 999
)

// CNIError is an error result of the CNI specification (1.1.0, section 5).
type CNIError struct {
	// CNIVersion is the version that was asked for, or the newest when that is unknown.
	CNIVersion string  `json:"cniVersion"`
	Code       CNICode `json:"code"`
	// Msg names what is wrong; Details says what to do and where it comes from.
	Msg     string `json:"msg"`
	Details string `json:"details,omitempty"`
}

// Response is the error as the plugin's answer.
func (e CNIError) Response() CNIResponse {
	if !slices.Contains(CNIVersions, e.CNIVersion) {
		e.CNIVersion = CNIVersions[len(CNIVersions)-1]
	}
	// Strings and a number: there is nothing that could not be encoded.
	b, _ := json.Marshal(e)
	return CNIResponse{Stdout: b, ExitCode: 1}
}

// VersionResult is the answer to VERSION.
func VersionResult() json.RawMessage {
	b, _ := json.Marshal(struct {
		CNIVersion        string   `json:"cniVersion"`
		SupportedVersions []string `json:"supportedVersions"`
	}{CNIVersions[len(CNIVersions)-1], CNIVersions})
	return b
}

const (
	// maxIfName is the longest name of a Linux interface, in bytes (IFNAMSIZ less its zero).
	maxIfName = 15
	// maxContainerID leaves room for the ids of containers nested many times.
	maxContainerID = 4096
)

// CheckEnvironment holds the CNI_* variables against the specification. It
// returns the variable at fault and what is wrong with it; two empty strings when
// all is well.
//
// A DEL needs its variables, but may say anything in them: what could never be
// added is not there, so its removal has succeeded.
func (r *CNIRequest) CheckEnvironment() (variable, problem string) {
	switch r.Command {
	case CommandAdd, CommandCheck, CommandDel:
		return r.checkAttachment()
	case CommandGC, CommandStatus, CommandVersion:
		return "", ""
	case "":
		return "CNI_COMMAND", "missing"
	}
	return "CNI_COMMAND", strconv.Quote(clip(r.Command)) + " is unknown; want ADD, DEL, CHECK, GC, STATUS or VERSION"
}

func (r *CNIRequest) checkAttachment() (variable, problem string) {
	for _, v := range []struct{ name, value string }{
		{"CNI_CONTAINERID", r.ContainerID}, {"CNI_IFNAME", r.IfName}, {"CNI_NETNS", r.Netns},
	} {
		if v.value == "" && (v.name != "CNI_NETNS" || r.Command != CommandDel) {
			return v.name, "missing"
		}
	}
	if r.Command == CommandDel {
		return "", ""
	}
	if n := len(r.ContainerID); n > maxContainerID {
		return "CNI_CONTAINERID", "has " + strconv.Itoa(n) + " bytes; " + strconv.Itoa(maxContainerID) + " at most"
	}
	if !PlainName(r.ContainerID) {
		return "CNI_CONTAINERID", strconv.Quote(clip(r.ContainerID)) + " does not fit; " + PlainNameRule
	}
	if problem := checkIfName(r.IfName); problem != "" {
		return "CNI_IFNAME", strconv.Quote(clip(r.IfName)) + " " + problem
	}
	if !strings.HasPrefix(r.Netns, "/") {
		// Another process opens it, with another working directory.
		return "CNI_NETNS", strconv.Quote(clip(r.Netns)) + " is not an absolute path"
	}
	return "", ""
}

func checkIfName(name string) string {
	switch {
	case len(name) > maxIfName:
		return "has " + strconv.Itoa(len(name)) + " bytes; an interface's name has 15 at most"
	case name == "." || name == "..":
		return "is no name for an interface"
	case strings.ContainsFunc(name, func(c rune) bool { return c == '/' || c == ':' || unicode.IsSpace(c) }):
		return "does not fit; an interface's name holds no slash, colon or white space"
	case strings.Contains(name, "%"):
		return "does not fit; the kernel takes a percent sign for a pattern, and makes another name of it"
	}
	return ""
}

// PlainNameRule says what PlainName accepts.
const PlainNameRule = "want a letter or digit, then letters, digits, underscores, dots and hyphens"

// PlainName reports whether s is a name as the specification has it for
// containers and networks.
func PlainName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}

// clip shortens what somebody else wrote, for a message.
func clip(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}
