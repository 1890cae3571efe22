// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package version

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheLinkersValuesWinOverTheToolchains(t *testing.T) {
	recorded := &debug.BuildInfo{
		Main:     debug.Module{Version: "v0.0.9"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "bbbb"}, {Key: "vcs.modified", Value: "true"}},
	}
	got := Build{Version: "1.2.3", Commit: "aaaa", Date: "2026-01-02T03:04:05Z"}.completed(recorded)
	want := Build{Version: "1.2.3", Commit: "aaaa", Date: "2026-01-02T03:04:05Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestABuildWithoutLinkerValuesTellsWhatTheToolchainRecorded(t *testing.T) {
	recorded := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.0.9"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "bbbb"},
			{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	got := Build{}.completed(recorded)
	want := Build{Version: "v0.0.9", Commit: "bbbb-dirty", Date: "2026-01-02T03:04:05Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEveryBuildHasAVersion(t *testing.T) {
	if got := Get(); got.Version == "" || got.Go == "" || got.Platform == "" {
		t.Errorf("Get() = %+v", got)
	}
	if got := (Build{Version: "1", Commit: "c", Date: "d", Go: "go1", Platform: "p"}).String(); got != "1 (commit c, d), go1 p" {
		t.Errorf("String() = %q", got)
	}
}
