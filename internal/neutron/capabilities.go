// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// capabilityAge is how long a table of extensions is believed. They change
// when the cloud is upgraded.
const capabilityAge = 10 * time.Minute

// Capabilities are the extensions of a cloud's Neutron, by alias. The zero
// value has none.
type Capabilities struct {
	aliases []string // sorted
}

// Has tells whether Neutron has an extension, by its alias ("qos").
func (t Capabilities) Has(alias string) bool {
	_, found := slices.BinarySearch(t.aliases, alias)
	return found
}

// Aliases lists the extensions in alphabetical order.
func (t Capabilities) Aliases() []string { return slices.Clone(t.aliases) }

// capabilityTable caches what was discovered last.
type capabilityTable struct {
	mu    sync.Mutex // guards what follows
	table Capabilities
	at    time.Time // zero: never discovered
}

// Capabilities gives the table of extensions. It is discovered with the first
// call and again after ten minutes; when that fails, the old one is given.
func (c *Client) Capabilities(ctx context.Context) (Capabilities, error) {
	c.capabilities.mu.Lock()
	table, at := c.capabilities.table, c.capabilities.at
	c.capabilities.mu.Unlock()
	if !at.IsZero() && time.Since(at) < capabilityAge {
		return table, nil
	}
	fresh, err := c.DiscoverCapabilities(ctx)
	if err != nil && !at.IsZero() {
		return table, nil
	}
	return fresh, err
}

// DiscoverCapabilities asks Neutron for its extensions now.
func (c *Client) DiscoverCapabilities(ctx context.Context) (Capabilities, error) {
	var extensions []struct {
		Alias string `json:"alias"`
	}
	err := c.do(ctx, call{
		operation: "list extensions", method: http.MethodGet, path: "extensions",
		out: &envelope{"extensions": &extensions}, ok: []int{http.StatusOK},
	})
	if err != nil {
		return Capabilities{}, err
	}
	var table Capabilities
	for _, e := range extensions {
		table.aliases = append(table.aliases, e.Alias)
	}
	slices.Sort(table.aliases)
	c.capabilities.mu.Lock()
	defer c.capabilities.mu.Unlock()
	c.capabilities.table, c.capabilities.at = table, time.Now()
	return table, nil
}
