// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

const tree = "../../.."

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tree, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheReferenceTellsEverything(t *testing.T) {
	page := readFile(t, "docs/cni.md")
	for _, k := range ownKeys {
		if !strings.Contains(page, "\n| `"+k.name+"` |") {
			t.Errorf("the key %s has no row", k.name)
		}
	}
	for _, k := range commonKeys {
		if !strings.Contains(page, "`"+k.name+"`") {
			t.Errorf("the key %s is not mentioned", k.name)
		}
	}
	for _, l := range labelKeys {
		if !strings.Contains(page, "| `"+l.label+"` | `"+l.key+"` |") {
			t.Errorf("the label %s has no row", l.label)
		}
	}
	for _, v := range agentapi.CNIVersions {
		if !strings.Contains(page, v) {
			t.Errorf("version %s is not mentioned", v)
		}
	}
	for _, code := range []agentapi.CNICode{
		agentapi.CodeVersion, agentapi.CodeUnknownContainer, agentapi.CodeEnvironment, agentapi.CodeIO, agentapi.CodeDecode, agentapi.CodeConfig,
		agentapi.CodeTryAgain, agentapi.CodeNotAvailable, agentapi.CodeConflict, agentapi.CodeQuota, agentapi.CodeUnauthorized, agentapi.CodeBroken,
		agentapi.CodeInternal,
	} {
		if !strings.Contains(page, "\n| "+strconv.FormatUint(uint64(code), 10)+" | ") {
			t.Errorf("code %d has no row", code)
		}
	}
}

func TestTheExamplesOfTheReferenceAreRight(t *testing.T) {
	page := readFile(t, "docs/cni.md")
	found := 0
	for rest := page; ; {
		_, after, ok := strings.Cut(rest, "```json\n")
		if !ok {
			break
		}
		block, next, _ := strings.Cut(after, "```")
		rest = next
		found++
		checkExample(t, "docs/cni.md", block)
	}
	if found < 4 {
		t.Errorf("%d examples found", found)
	}
}

func TestTheDeployedExamplesAreRight(t *testing.T) {
	var files []string
	for _, pattern := range []string{"deploy/cni/*", "deploy/mesos/*"} {
		matches, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil || len(matches) == 0 {
			t.Fatalf("%s: %v, %v", pattern, matches, err)
		}
		files = append(files, matches...)
	}
	for _, path := range files {
		name, err := filepath.Rel(tree, path)
		if err != nil {
			t.Fatal(err)
		}
		checkExample(t, name, readFile(t, name))
	}
}

// checkExample reads an example as its runtime does: a list by the reference
// library, a single configuration as Mesos.
func checkExample(t *testing.T, name, text string) {
	t.Helper()
	var shape struct {
		Name         string            `json:"name"`
		Plugins      []any             `json:"plugins"`
		Delegate     map[string]any    `json:"delegate"`
		NetworkInfos []json.RawMessage `json:"network_infos"`
	}
	if err := json.Unmarshal([]byte(text), &shape); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	switch {
	case shape.Plugins != nil:
		checkList(t, name, text)
	case shape.NetworkInfos != nil:
		for _, info := range shape.NetworkInfos {
			if call, err := Parse(mesos(string(info), "")); err != nil || len(call.Demand.SecurityGroups) == 0 || len(call.Demand.FixedIPs) == 0 {
				t.Errorf("%s: %+v, %v", name, call.Demand, err)
			}
		}
	case shape.Delegate != nil:
		shape.Delegate["name"] = shape.Name
		text, err := json.Marshal(shape.Delegate)
		if err != nil {
			t.Fatal(err)
		}
		checkMesos(t, name, text)
	default:
		checkMesos(t, name, []byte(text))
	}
}

func checkMesos(t *testing.T, name string, conf []byte) {
	t.Helper()
	if call, err := Parse(configured(string(conf))); err != nil || call.Version != "0.2.0" {
		t.Errorf("%s: version %s, %v", name, call.Version, err)
	}
}

func checkList(t *testing.T, name, text string) {
	t.Helper()
	list, err := libcni.NetworkConfFromBytes([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	first, err := libcni.InjectConf(list.Plugins[0], map[string]any{"name": list.Name, "cniVersion": list.CNIVersion})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if first.Network.Type != "kuryr-cni" {
		t.Errorf("%s: the first plugin is %s", name, first.Network.Type)
	}
	if _, err := Parse(configured(string(first.Bytes))); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}
