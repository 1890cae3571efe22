// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package strictyaml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type fleet struct {
	Name  string            `yaml:"name"`
	Ships []ship            `yaml:"ships"`
	Rules map[string][]int  `yaml:"-" json:"rules"`
	Ports map[string]int    `json:"ports,omitempty"`
	Crews map[string]crew   `yaml:"crews"`
	Words []string          `yaml:"words"`
	Notes map[string]string `yaml:"notes"`
	Home  struct {
		Lat float64 `yaml:"lat"`
	} `yaml:"home"`
	Secret string `yaml:"-"`
}

type ship struct {
	Name  string        `yaml:"name"`
	Sails *int          `yaml:"sails"`
	Speed knots         `yaml:"speed"`
	Watch time.Duration `yaml:"watch"`
}

type crew struct {
	Members int64 `yaml:"members"`
}

type knots struct{ n int }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *knots) UnmarshalText(b []byte) error {
	if _, err := fmt.Sscanf(string(b), "%dkn", &k.n); err != nil {
		return errors.New("want knots, such as 12kn")
	}
	return nil
}

func TestListsTablesAndTextsAreRead(t *testing.T) {
	var f fleet
	f.Words = []string{"kept"}
	origins, err := Read("f.yaml", []byte(`
name: north
ships:
- {name: a, sails: 3, speed: 12kn, watch: 4h}
- name: b
ports: {x: 1}
rules: {r: [1, 2]}
crews:
  a: {members: 7}
home: {lat: 54}
`), &f)
	if err != nil {
		t.Fatal(err)
	}
	sails := 3
	want := fleet{
		Name: "north", Ships: []ship{{Name: "a", Sails: &sails, Speed: knots{12}, Watch: 4 * time.Hour}, {Name: "b"}},
		Ports: map[string]int{"x": 1}, Rules: map[string][]int{"r": {1, 2}}, Crews: map[string]crew{"a": {7}}, Words: []string{"kept"},
	}
	want.Home.Lat = 54
	if diff := cmp.Diff(want, f, cmp.AllowUnexported(fleet{}, knots{})); diff != "" {
		t.Error(diff)
	}
	if got := origins["ships[1].name"]; got != "f.yaml:5" {
		t.Errorf("the second ship's name stands at %q", got)
	}
}

func TestProblemsInListsAndTablesNameTheirPlace(t *testing.T) {
	for content, want := range map[string]string{
		"ships: {a: b}":                          `f.yaml:1: ships: want a list, found keys with values`,
		"ships:\n- {nam: x}":                     `f.yaml:2: ships[0].nam: unknown key; did you mean "ships[0].name"?`,
		"ships:\n- {speed: fast}":                `f.yaml:2: ships[0].speed: want knots, such as 12kn`,
		"ships: [a]":                             `f.yaml:1: ships[0]: want keys with values, found "a"`,
		"ships: [{sails: 1.5}]":                  `f.yaml:1: ships[0].sails: want a whole number, found the number 1.5`,
		"ships: [{sails: [1]}]":                  `f.yaml:1: ships[0].sails: want a whole number, found a list`,
		"ships: [{name: 12}]":                    `f.yaml:1: ships[0].name: want a string, found the number 12; quote it to make it a string`,
		"ports: [a]":                             `f.yaml:1: ports: want keys with values, found a list`,
		"ports:\n  a: x":                         `f.yaml:2: ports.a: want a whole number, found "x"`,
		"crews:\n  a:\n    member: 1":            `f.yaml:3: crews.a.member: unknown key; did you mean "crews.a.members"?`,
		"home: {lat: north}":                     `f.yaml:1: home.lat: want a number, found "north"`,
		"secret: x":                              `f.yaml:1: secret: unknown key`,
		"notes: {a: b, a: c}":                    `f.yaml:1: notes.a: set twice, first in line 1`,
		"ships: [{sails: 99999999999999999999}]": `f.yaml:1: ships[0].sails: want a whole number, found the number 99999999999999999999`,
	} {
		var f fleet
		_, err := Read("f.yaml", []byte(content), &f)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", content, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "ships: [{name: a, speed: 1kn}]", "ships: &a [*a]", "crews: {a: &c {members: 1}, b: *c}", "ports: {1: 2, ~: 3}", "<<: {name: a}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var into fleet
		_, err := Read("f.yaml", content, &into)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("error is %T: %v", err, err)
		}
		for _, p := range problems {
			if !strings.HasPrefix(p.Origin, "f.yaml") || p.Message == "" {
				t.Errorf("problem without place or text: %+v", p)
			}
		}
	})
}
