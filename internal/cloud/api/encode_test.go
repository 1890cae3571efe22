// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

type encoded struct {
	Name    string              `json:"name"`
	Note    *string             `json:"note"`
	Up      bool                `json:"up"`
	Maybe   *bool               `json:"maybe"`
	Size    int                 `json:"size"`
	Limit   *int                `json:"limit"`
	Count   int64               `json:"count"`
	Tags    []string            `json:"tags"`
	Pairs   []map[string]string `json:"pairs"`
	Profile map[string]any      `json:"profile"`
	Nested  []nested            `json:"nested"`
	At      time.Time           `json:"at"`
}

type nested struct {
	Address string `json:"address"`
	Free    *int   `json:"free"`
}

func encodedRows() *rapid.Generator[encoded] {
	return rapid.Custom(func(t *rapid.T) encoded {
		text, number := rapid.String(), rapid.Int()
		return encoded{
			Name: text.Draw(t, "name"), Note: rapid.Ptr(text, true).Draw(t, "note"),
			Up: rapid.Bool().Draw(t, "up"), Maybe: rapid.Ptr(rapid.Bool(), true).Draw(t, "maybe"),
			Size: number.Draw(t, "size"), Limit: rapid.Ptr(number, true).Draw(t, "limit"), Count: rapid.Int64().Draw(t, "count"),
			Tags:    rapid.SliceOf(text).Draw(t, "tags"),
			Pairs:   rapid.SliceOf(rapid.MapOf(text, text)).Draw(t, "pairs"),
			Profile: rapid.MapOf(text, rapid.OneOf(text.AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil))).Draw(t, "profile"),
			Nested: rapid.SliceOf(rapid.Custom(func(t *rapid.T) nested {
				return nested{text.Draw(t, "address"), rapid.Ptr(number, true).Draw(t, "free")}
			})).Draw(t, "nested"),
			At: time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "at"), 0),
		}
	})
}

// What is written at once is what the values would be that Value gives.
func TestAColumnIsWrittenAsItsValueIs(t *testing.T) {
	columns := api.ColumnsOf[encoded]("2006-01-02T15:04:05Z")
	rapid.Check(t, func(t *rapid.T) {
		row := encodedRows().Draw(t, "row")
		for _, name := range columns.Names() {
			for how, text := range map[string][]byte{
				"Append":     columns.Append(nil, &row, name),
				"AppendJSON": api.AppendJSON(nil, columns.Value(&row, name)),
			} {
				slow, err := json.Marshal(columns.Value(&row, name))
				if err != nil {
					t.Fatal(err)
				}
				var want, got any
				if err := json.Unmarshal(slow, &want); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, &got); err != nil {
					t.Fatalf("%s of %s: %s: %v", how, name, text, err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s of %s: %s, want %s", how, name, text, slow)
				}
			}
		}
	})
}
