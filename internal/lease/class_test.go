// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package lease

import "testing"

func TestAClassIsKnownByWhatThePortsHaveInCommon(t *testing.T) {
	base := Class{Project: "p", Network: "blue", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{"web", "db"}}
	same := []Class{
		{Project: "p", Network: "blue", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{"db", "web"}},
		{Project: "p", Network: "blue", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{"db", "web", "db"}},
	}
	for _, c := range same {
		if c.Key() != base.Key() {
			t.Errorf("%v has another key than %v", c, base)
		}
	}
	if (Class{Network: "n", Subnets: []string{}}).Key() != (Class{Network: "n"}).Key() {
		t.Error("no subnets are not no subnets")
	}
	other := []Class{
		base,
		{Project: "q", Network: "blue", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{"web", "db"}},
		{Project: "p", Network: "red", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{"web", "db"}},
		{Project: "p", Network: "blue", Subnets: []string{"s2", "s1"}, SecurityGroups: []string{"web", "db"}},
		{Project: "p", Network: "blue", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{"web"}},
		{Project: "p", Network: "blue", Subnets: []string{"s1", "s2"}, SecurityGroups: []string{}},
		{Project: "p", Network: "blue", Subnets: []string{"s1", "s2"}},
	}
	seen := map[string]Class{}
	for _, c := range other {
		if twin, ok := seen[c.Key()]; ok {
			t.Errorf("%v and %v have the same key", c, twin)
		}
		seen[c.Key()] = c
	}
	if base.SecurityGroups[0] != "web" {
		t.Error("asking for the key changed the class")
	}
}

func TestAFamilyIsWhatAChangeOfGroupsKeeps(t *testing.T) {
	web := Class{Network: "blue", SecurityGroups: []string{"web"}}
	for _, c := range []Class{{Network: "blue"}, {Network: "blue", SecurityGroups: []string{}}} {
		if c.Family() != web.Family() {
			t.Errorf("%v is of another family than %v", c, web)
		}
	}
	if (Class{Network: "red", SecurityGroups: []string{"web"}}).Family() == web.Family() {
		t.Error("another network is of the same family")
	}
}
