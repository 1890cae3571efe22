// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

func TestTheOperatorIsToldOfTheQueueByTheNamesOfThePriorities(t *testing.T) {
	until := time.Unix(1000, 0)
	got := requests(neutron.Load{
		Running: 3, Limit: 8, BulkPorts: 20,
		Queued:      map[neutron.Priority]int{neutron.Waiting: 0, neutron.Collection: 2},
		PausedUntil: map[string]time.Time{"creates": until},
	})
	want := &agentapi.Requests{
		Running: 3, Limit: 8,
		Queued: map[string]int{neutron.Collection.String(): 2},
		Paused: map[string]time.Time{"creates": until},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
