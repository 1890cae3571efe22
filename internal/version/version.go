// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker: -X github.com/kuryr-go/kuryr/internal/version.version=…
var (
	version string
	commit  string
	date    string
)

// unversioned is the version of a build that nobody gave one.
const unversioned = "devel"

// Build describes the running binary.
type Build struct {
	// Version is the release, or "devel".
	Version string `json:"version"`
	// Commit is the git commit, with "-dirty" when the tree had changes; may be empty.
	Commit string `json:"commit,omitempty"`
	// Date is the commit's time in RFC 3339; may be empty.
	Date string `json:"date,omitempty"`
	// Go is the toolchain, Platform the operating system and architecture.
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Get describes the running binary.
func Get() Build {
	b := Build{
		Version: version, Commit: commit, Date: date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if recorded, ok := debug.ReadBuildInfo(); ok {
		b = b.completed(recorded)
	}
	if b.Version == "" {
		b.Version = unversioned
	}
	return b
}

// completed fills what the linker was not told from what the toolchain recorded.
func (b Build) completed(recorded *debug.BuildInfo) Build {
	if v := recorded.Main.Version; b.Version == "" && v != "(devel)" {
		b.Version = v
	}
	if b.Commit != "" {
		return b
	}
	var modified bool
	for _, s := range recorded.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if modified && b.Commit != "" {
		b.Commit += "-dirty"
	}
	return b
}

// String gives the version alone: what goes into user agents and messages.
func String() string { return Get().Version }

// String gives one line for a human.
func (b Build) String() string {
	s := b.Version
	if b.Commit != "" {
		s += fmt.Sprintf(" (commit %s", b.Commit)
		if b.Date != "" {
			s += ", " + b.Date
		}
		s += ")"
	}
	return s + ", " + b.Go + " " + b.Platform
}
