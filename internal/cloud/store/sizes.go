// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package store

// Sizes gives the number of rows of each table by its name.
func (s *Store) Sizes() map[string]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sizes := make(map[string]int, len(s.tables))
	for _, t := range s.tables {
		sizes[t.called()] = t.size()
	}
	return sizes
}
