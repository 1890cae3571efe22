// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

import "time"

// Meta is what every Neutron resource has.
type Meta struct {
	ID        string `json:"id"`
	ProjectID string `json:"project_id"`
	// RevisionNumber grows with each change; If-Match compares it.
	RevisionNumber int64     `json:"revision_number"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	// Tags are sorted.
	Tags []string `json:"tags"`
}

// Of gives the Meta of a row that embeds one.
func (m *Meta) Of() *Meta { return m }

// Resource is a row with a Meta.
type Resource interface{ Of() *Meta }
