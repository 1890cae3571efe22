// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"fmt"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// query finds the one object that a word of the network configuration means.
type query[T any] struct {
	// kind is what the object is called ("security group"), field the key.
	kind, field string
	// word is the name or id.
	word string
	// project is the id of the project in which names are looked for first.
	project string
	list    func(context.Context, neutron.Filter) ([]T, error)
	about   func(T) candidate
}

// candidate is what of an object decides whether a name means it.
type candidate struct {
	id, project string
	// shared: usable in every project.
	shared bool
}

// find asks by id when the word can be one, then by name in the project, then
// among what other projects share.
func (q query[T]) find(ctx context.Context) (T, error) {
	var none T
	if isUUID(q.word) {
		found, err := q.list(ctx, neutron.Filter{IDs: []string{q.word}})
		if err != nil {
			return none, err
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	own, err := q.list(ctx, neutron.Filter{Name: q.word, ProjectID: q.project})
	if err != nil {
		return none, err
	}
	if len(own) > 0 {
		return q.only(own)
	}
	visible, err := q.list(ctx, neutron.Filter{Name: q.word})
	if err != nil {
		return none, err
	}
	if shared := matching(visible, func(x T) bool { return q.about(x).shared }); len(shared) > 0 {
		return q.only(shared)
	}
	return none, q.missing(visible)
}

// only is the one object found; several are an error that lists them.
func (q query[T]) only(found []T) (T, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	e := fault.InvalidField(q.field, "%d %s are called %q: %s", len(found), plural(q.kind), q.word, q.listed(found))
	e.Hint = "use the id"
	var none T
	return none, e
}

// missing is the error of a word that means nothing. elsewhere are objects of
// that name which another project has for itself.
func (q query[T]) missing(elsewhere []T) error {
	e := fault.New(fault.NotFound, "there is no %s %q in project %s", q.kind, q.word, q.project)
	e.Field = q.field
	if len(elsewhere) > 0 {
		e.Message += ", but elsewhere: " + q.listed(elsewhere)
		e.Hint = "use the id, or name the project"
	}
	return e
}

// maxListed is how many candidates a message names.
const maxListed = 5

func (q query[T]) listed(found []T) string {
	var parts []string
	for i, x := range found {
		if i == maxListed {
			parts = append(parts, fmt.Sprintf("and %d more", len(found)-i))
			break
		}
		c := q.about(x)
		parts = append(parts, fmt.Sprintf("%s (project %s)", c.id, c.project))
	}
	return strings.Join(parts, ", ")
}

func plural(kind string) string {
	if before, ok := strings.CutSuffix(kind, "y"); ok {
		return before + "ies"
	}
	return kind + "s"
}

// isUUID tells whether a word has the form of Neutron's ids.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}
