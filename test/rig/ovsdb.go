// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"encoding/json"
	"fmt"
)

// table reads the rows that a tool of the family of ovs-vsctl printed with
// --format=json.
func table(out string, err error) ([][]any, error) {
	if err != nil {
		return nil, err
	}
	var t struct {
		Data [][]any `json:"data"`
	}
	if err := json.Unmarshal([]byte(out), &t); err != nil {
		return nil, fmt.Errorf("read a table of OVSDB: %w", err)
	}
	return t.Data, nil
}

// text is a value of OVSDB's (RFC 7047, 5.1) that is a string or a UUID; the
// empty set is "".
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		if len(v) == 2 && v[0] == "uuid" {
			return text(v[1])
		}
	}
	return ""
}

// pairs is a value that is a map of strings.
func pairs(v any) map[string]string {
	of := map[string]string{}
	v2, _ := v.([]any)
	if len(v2) != 2 || v2[0] != "map" {
		return of
	}
	list, _ := v2[1].([]any)
	for _, p := range list {
		if pair, ok := p.([]any); ok && len(pair) == 2 {
			of[text(pair[0])] = text(pair[1])
		}
	}
	return of
}
