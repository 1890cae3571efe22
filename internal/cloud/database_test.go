// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// database is one of OVN's, served by ovsdb-server.
type database struct {
	t             testing.TB
	name, address string
}

func startDatabase(t testing.TB, file, name string) *database {
	t.Helper()
	for _, tool := range []string{"ovsdb-tool", "ovsdb-server", "ovsdb-client"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("KURYR_TEST_REQUIRE") == "1" {
				t.Fatalf("cannot run: no %s (Debian: ovn-central)", tool)
			}
			t.Skipf("cannot run: no %s (Debian: ovn-central)", tool)
		}
	}
	dir, err := os.MkdirTemp("", "ovn") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	db, socket := filepath.Join(dir, "db"), filepath.Join(dir, "sock")
	if out, err := exec.Command("ovsdb-tool", "create", db, "/usr/share/ovn/ovn-"+file+".ovsschema").CombinedOutput(); err != nil {
		t.Fatalf("ovsdb-tool: %v: %s", err, out)
	}
	cmd := exec.Command("ovsdb-server", "-vconsole:off", "-vsyslog:off", "--unixctl="+filepath.Join(dir, "ctl"), "--remote=punix:"+socket, db)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	d := &database{t, name, "unix:" + socket}
	eventually(t, func() error { return exec.Command("ovsdb-client", "list-dbs", d.address).Run() })
	return d
}

// rows gives what a database holds, row by row, each with what it refers to in
// the place of the reference.
func (d *database) rows() []string {
	d.t.Helper()
	out, err := exec.Command("ovsdb-client", "dump", "--format=json", d.address, d.name).Output()
	if err != nil {
		d.t.Fatal(err)
	}
	rows := map[string]map[string]any{} // by UUID
	tables := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var t struct {
			Caption  string   `json:"caption"`
			Headings []string `json:"headings"`
			Data     [][]any  `json:"data"`
		}
		if err := decoder.Decode(&t); err != nil {
			d.t.Fatal(err)
		}
		for _, values := range t.Data {
			row, id := map[string]any{}, ""
			for i, heading := range t.Headings {
				if heading == "_uuid" {
					id = values[i].([]any)[1].(string)
					continue
				}
				row[heading] = values[i]
			}
			rows[id], tables[id] = row, t.Caption
		}
	}
	var all []string
	for id, row := range rows {
		if tables[id] != "NB_Global table" && tables[id] != "Connection table" {
			all = append(all, tables[id]+" "+spell(rows, row))
		}
	}
	slices.Sort(all)
	return all
}

// spell writes a value, following references.
func spell(rows map[string]map[string]any, v any) string {
	switch v := v.(type) {
	case map[string]any:
		var columns []string
		for name, value := range v {
			columns = append(columns, name+"="+spell(rows, value))
		}
		slices.Sort(columns)
		return "{" + strings.Join(columns, " ") + "}"
	case []any:
		if len(v) == 2 && v[0] == "uuid" {
			return spell(rows, rows[v[1].(string)])
		}
		var items []string
		for _, item := range v {
			items = append(items, spell(rows, item))
		}
		if len(v) == 2 && (v[0] == "set" || v[0] == "map") {
			inner := []string{}
			for _, item := range v[1].([]any) {
				inner = append(inner, spell(rows, item))
			}
			slices.Sort(inner)
			return "(" + strings.Join(inner, " ") + ")"
		}
		return "[" + strings.Join(items, " ") + "]"
	default:
		return fmt.Sprint(v)
	}
}
