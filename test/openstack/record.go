// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// recordFile is the record's name in the state directory.
const recordFile = "cloud.json"

// record is what a state directory remembers of its cloud (cloud.json), so
// that Attach, Down and a later Up need not be told again.
type record struct {
	Prefix string `json:"prefix"`
	// Embedded tells that the APIs are those of `kuryr cloud`.
	Embedded bool `json:"embedded,omitempty"`
	// Nodes are the hypervisors' numbers.
	Nodes []int `json:"nodes"`
	Debug bool  `json:"debug,omitempty"`
	// Ready is set when Up has succeeded once since the last Down.
	Ready time.Time `json:"ready,omitzero"`
}

func readRecord(dir string) (record, error) {
	var r record
	b, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("openstack: read %s: %w", filepath.Join(dir, recordFile), err)
	}
	return r, nil
}

// write replaces the record; the file is whole at every instant.
func (r record) write(dir string) error {
	return writeJSON(filepath.Join(dir, recordFile), r)
}

// claim makes a state directory, or takes one that is empty or a cloud's already.
func claim(dir string, rec record) (record, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return rec, fmt.Errorf("openstack: make %s: %w", dir, err)
	}
	before, err := readRecord(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return before, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return rec, fmt.Errorf("openstack: make %s: %w", dir, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), recordFile) {
			return rec, fault.InvalidField("dir", "%s holds other files (%s) and no cloud", dir, e.Name())
		}
	}
	return rec, rec.write(dir)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("openstack: write %s: %w", path, err)
	}
	return writeFile(path, append(b, '\n'))
}

// writeFile replaces a file by a rename, so that a reader or a crash finds
// the old content or the new. Only root may read it.
func writeFile(path string, content []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return fmt.Errorf("openstack: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("openstack: %w", err)
	}
	return nil
}
