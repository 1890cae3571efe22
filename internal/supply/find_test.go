// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// inCloud is a list function over networks that are given.
func inCloud(all ...neutron.Network) func(context.Context, neutron.Filter) ([]neutron.Network, error) {
	return func(_ context.Context, f neutron.Filter) ([]neutron.Network, error) {
		return matching(all, func(n neutron.Network) bool {
			return (len(f.IDs) == 0 || f.IDs[0] == n.ID) && (f.Name == "" || f.Name == n.Name) && (f.ProjectID == "" || f.ProjectID == n.ProjectID)
		}), nil
	}
}

func TestANameMeansTheProjectsOwnThenASharedOne(t *testing.T) {
	const id1, id2, id3 = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"
	cloud := inCloud(
		neutron.Network{ID: id1, Name: "net", ProjectID: "mine"}, neutron.Network{ID: id2, Name: "net", ProjectID: "other", Shared: true},
		neutron.Network{ID: "d1", Name: "double", ProjectID: "mine"}, neutron.Network{ID: "d2", Name: "double", ProjectID: "mine"},
		neutron.Network{ID: "p", Name: "private", ProjectID: "other"}, neutron.Network{ID: "s", Name: "shared", ProjectID: "other", Shared: true},
		neutron.Network{ID: id3, Name: id1, ProjectID: "mine"},
	)
	tests := []struct {
		word  string
		want  string
		class fault.Class
		says  []string
	}{
		{word: "net", want: id1},
		{word: id2, want: id2},
		{word: id1, want: id1},
		{word: "shared", want: "s"},
		{word: "double", class: fault.Invalid, says: []string{"2 networks are called", "d1 (project mine)", "d2", "use the id"}},
		{word: "private", class: fault.NotFound, says: []string{"no network \"private\" in project mine", "p (project other)", "name the project"}},
		{word: "absent", class: fault.NotFound, says: []string{"no network \"absent\""}},
	}
	for _, tt := range tests {
		t.Run(tt.word, func(t *testing.T) {
			got, err := query[neutron.Network]{
				kind: "network", field: "network", word: tt.word, project: "mine", list: cloud,
				about: func(n neutron.Network) candidate { return candidate{n.ID, n.ProjectID, n.Shared} },
			}.find(t.Context())
			if fault.ClassOf(err) != tt.class || got.ID != tt.want {
				t.Fatalf("got %q, %v", got.ID, err)
			}
			if f, ok := fault.As(err); ok && f.Field != "network" {
				t.Errorf("field %q", f.Field)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func TestALongListOfCandidatesIsCut(t *testing.T) {
	var many []neutron.Network
	for i := range 9 {
		many = append(many, neutron.Network{ID: fmt.Sprint("id", i), Name: "x"})
	}
	_, err := query[neutron.Network]{kind: "network", about: func(n neutron.Network) candidate { return candidate{id: n.ID} }}.only(many)
	if !strings.Contains(err.Error(), "and 4 more") {
		t.Error(err)
	}
}

func TestUUIDsAreRecognized(t *testing.T) {
	for word, want := range map[string]bool{
		"6ffac00e-5049-4987-90de-2bbd95494c48": true, "6FFAC00E-5049-4987-90DE-2BBD95494C48": true,
		"": false, "web": false, "6ffac00e-5049-4987-90de-2bbd95494c4": false, "6ffac00e-5049-4987-90de-2bbd95494c4g": false,
		"6ffac00e050490498709 0de02bbd95494c48": false,
	} {
		if isUUID(word) != want {
			t.Errorf("%q", word)
		}
	}
}

func TestACacheRemembersSharesAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache[int]{ttl: time.Minute}
		var fetches atomic.Int32
		fetch := func(context.Context) (int, error) { return int(fetches.Add(1)), nil }
		expect := func(want int, wantRemembered bool) {
			t.Helper()
			if v, remembered, err := c.get(t.Context(), "k", fetch); v != want || remembered != wantRemembered || err != nil {
				t.Errorf("got %d, %t, %v; want %d, %t", v, remembered, err, want, wantRemembered)
			}
		}
		expect(1, false)
		expect(1, true)
		c.forget()
		expect(2, false)
		<-time.After(time.Minute + 1)
		expect(3, false)

		// Ten at once share a fetch that the first of them gives up.
		c.forget()
		start := make(chan struct{})
		slow := func(ctx context.Context) (int, error) { <-start; return fetch(ctx) }
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 10)
		go func() { _, _, err := c.get(ctx, "k", slow); results <- err }()
		synctest.Wait()
		for range 9 {
			go func() { _, _, err := c.get(t.Context(), "k", slow); results <- err }()
		}
		synctest.Wait()
		cancel()
		if err := <-results; !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("the one that gave up: %v", err)
		}
		close(start)
		for range 9 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		expect(4, true)
	})
}

func TestAFetchFromBeforeForgettingIsNotRemembered(t *testing.T) {
	c := cache[int]{ttl: time.Hour}
	_, _, err := c.get(t.Context(), "k", func(context.Context) (int, error) { c.forget(); return 1, nil })
	if _, ok := c.peek("k"); ok || err != nil {
		t.Errorf("remembered, %v", err)
	}
}

func TestFailuresAndATTLOfZeroAreNotRemembered(t *testing.T) {
	c := cache[int]{ttl: time.Hour}
	_, _, err := c.get(t.Context(), "k", func(context.Context) (int, error) { return 0, errors.New("no") })
	if _, ok := c.peek("k"); ok || err == nil {
		t.Errorf("failure remembered: %v", err)
	}
	var none cache[int]
	_, _, err = none.get(t.Context(), "k", func(context.Context) (int, error) { return 1, nil })
	if _, ok := none.peek("k"); ok || err != nil {
		t.Errorf("remembered without a TTL: %v", err)
	}
}
