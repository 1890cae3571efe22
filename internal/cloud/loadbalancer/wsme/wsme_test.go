// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package wsme

import (
	_ "embed"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// asOctavia holds what Octavia's own types say of values: the kind, the value,
// "ok" and the value as it is read, or the status and the text of the error.
//
//go:embed testdata/octavia.txt
var asOctavia string

var kinds = map[string]Kind{
	"text5": Text{Max: 5}, "cookie": CookieName, "uuid": UUID, "port": Int{1, 65535}, "bool": Bool{}, "enum": Enum{"TCP"},
	"http_version": Floats{1.0}, "code": Ints{302}, "ip": IP, "cidr": CIDR, "alpn": ALPN, "url": URL, "url_path": URLPath,
	"tags": List{Text{Max: 5}}, "map": Texts{Text{Max: 5}}, "domain": DomainName, "codes": StatusCodes,
}

func TestValuesAreReadAndRefusedAsByOctavia(t *testing.T) {
	for line := range strings.Lines(asOctavia) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		kind, value, verdict := f[0], f[1], f[2]
		var want any
		if err := json.Unmarshal([]byte(f[3]), &want); err != nil {
			t.Fatal(err)
		}
		o, err := Parse([]byte(`{"v": `+value+`}`), "application/json", "a", Type{{Name: "v", Kind: kinds[kind]}})
		if verdict == "ok" {
			if err != nil {
				t.Errorf("%s %s: %v", kind, value, err)
			} else if diff := cmp.Diff(want, plain(t, o["v"])); diff != "" {
				t.Errorf("%s %s: %s", kind, value, diff)
			}
			continue
		}
		e := (*api.Error)(nil)
		if !errors.As(err, &e) || strconv.Itoa(e.Status) != verdict || e.Message != want {
			t.Errorf("%s %s:\n got %v\nwant %v", kind, value, err, want)
		}
	}
}

// plain is a value as JSON has it.
func plain(t *testing.T, v any) (p any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

var nested = Type{{Name: "lb", Kind: Type{
	{Name: "name", Kind: Text{Max: 9}},
	{Name: "port", Kind: Int{1, 9}, Mandatory: true},
	{Name: "parts", Kind: List{Type{{Name: "up", Kind: Bool{}}, {Name: "id", Kind: UUID}}}},
}}}

func TestBodiesAreRefusedAsByWSME(t *testing.T) {
	for _, c := range []struct{ body, mimetype, want string }{
		{``, "application/json", `400 Missing argument: "body"`},
		{`{"lb": {}}`, "application/x-www-form-urlencoded", `400 Missing argument: "body"`},
		{`{"lb": {}}`, "text/plain; charset=utf-8", `415 Unknown mimetype: text/plain`},
		{`{bad`, "application/json", `400 Request is not in valid JSON format`},
		{`{} {}`, "application/json", `400 Request is not in valid JSON format`},
		{`{"lb": [}`, "application/json", `400 Request is not in valid JSON format`},
		{`null`, "application/json", `500 'NoneType' object has no attribute 'lb'`},
		{`[]`, "application/json", `500 'list' object has no attribute 'keys'`},
		{`1`, "application/json", `500 'int' object has no attribute 'keys'`},
		{`1.5`, "application/json", `500 'float' object has no attribute 'keys'`},
		{`{"lb": "x"}`, "application/json", `500 'str' object has no attribute 'keys'`},
		{`{"lb": true}`, "application/json", `500 'bool' object has no attribute 'keys'`},
		{`{"x": 1}`, "application/json", `400 Unknown attribute for argument body: x`},
		{`{"lb": {"x": 1, "y": 2}}`, "application/json", `400 Unknown attributes for argument body.lb: x, y`},
		{`{"lb": {"port": 1, "parts": [{"z": 1}]}}`, "application/json", `400 Unknown attribute for argument body.lb.parts: z`},
		{`{"lb": {"name": "a"}}`, "application/json", `400 Invalid input for field/attribute port. Value: 'None'. Mandatory field missing.`},
		{`{"lb": {"name": 1}}`, "application/json", `400 Invalid input for field/attribute name. Value: '1'. Value should be string`},
		{`{"lb": {"port": 1, "parts": [{"up": "so", "id": 1}]}}`, "application/json", `400 Invalid input for field/attribute body. Value: '{'lb': {'port': 1, 'parts': [{'up': 'so', 'id': 1}]}}'. Value not an unambiguous boolean: so`},
		{`{"lb": {"port": 1, "parts": [{"id": 1}]}}`, "application/json", `400 Invalid input for field/attribute id. Value: '1'. Value should be UUID format`},
	} {
		_, err := Parse([]byte(c.body), c.mimetype, "body", nested)
		e := (*api.Error)(nil)
		if !errors.As(err, &e) || strconv.Itoa(e.Status)+" "+e.Message != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.body, err, c.want)
		}
	}
}

func TestAnObjectTellsNullFromAbsent(t *testing.T) {
	o, err := Parse([]byte(`{"lb": {"name": null, "port": "2", "parts": [{"up": 1}, {"up": null}]}}`), "application/json", "body", nested)
	if err != nil {
		t.Fatal(err)
	}
	lb := o.Object("lb")
	if !lb.Has("name") || !lb.Null("name") || lb.Text("name") != nil || lb.String("name") != "" {
		t.Error("a null name is not told")
	}
	if lb.Int("port", 7) != 2 || *lb.Number("port") != 2 || lb.Number("ports") != nil || lb.Int("ports", 7) != 7 {
		t.Error("numbers")
	}
	parts := lb.Objects("parts")
	if len(parts) != 2 || !parts[0].Bool("up", false) || parts[1].Bool("up", true) || !parts[1].Bool("down", true) {
		t.Errorf("parts: %v", parts)
	}
}

func FuzzNoBodyMakesItPanic(f *testing.F) {
	f.Add(`{"lb": {"port": 1, "parts": [{"up": 1e999}]}}`)
	f.Add(`{"lb": {"port": -1e400}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if _, err := Parse([]byte(body), "application/json", "body", nested); err != nil {
			if e := (*api.Error)(nil); !errors.As(err, &e) {
				t.Errorf("%q: %v", body, err)
			}
		}
	})
}
