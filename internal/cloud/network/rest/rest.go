// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// TimeLayout is how Neutron writes times, in UTC.
const TimeLayout = "2006-01-02T15:04:05Z"

// Engine serves resources.
type Engine struct {
	Mux    *api.Mux
	Store  *store.Store
	Policy *Policy
	// Settle returns when the network has a commit. A failure is no failure of
	// the request: the network follows when it can.
	Settle func(ctx context.Context, seq uint64) error
	// Quota refuses more of a resource than a project may have. tx holds what is there.
	Quota func(tx *store.Tx, project, resource string, more int) error
	Now   func() time.Time
}

// Call is one request, as a resource's functions see it.
type Call struct {
	*api.Request
	Engine *Engine
	// Parent is the id of the thing that the resource is a part of, of the path.
	Parent string
	// Memo is what Create or Update leaves for View, which shows the answer.
	Memo any
	// sights are what the caller sees of rows that are alike to the policy.
	sights map[Target]*sight
	// shown is what a View says of a row.
	shown map[string]any
}

// Sees tells whether the caller sees what belongs to any project.
func (c *Call) Sees() bool { return c.Caller.Admin() || c.Engine.Policy.Serves(c.Caller) }

// Allows tells whether a rule lets the caller.
func (c *Call) Allows(rule string, t Target) bool {
	return c.Engine.Policy.Allows(rule, c.Caller, t)
}

// Resource says what is particular about one. Functions may be nil where it is said so.
type Resource[T any] struct {
	// Name and Plural are the keys in bodies ("port", "ports").
	Name, Plural string
	// Path is the collection's; empty: "/v2.0/" and Plural with hyphens for
	// underscores. "{parent}" in it makes it a part of something.
	Path string
	// Kind is the name in "KindNotFound".
	Kind       string
	Attributes *Attributes
	Table      *store.Table[T]
	// Columns default to those of T's tags.
	Columns *api.Columns[T]
	Meta    func(*T) *model.Meta
	// Tagged resources have the tags API.
	Tagged bool
	// Quota is the resource's name among the quotas; empty: none.
	Quota string
	// Core is true of the resources that are older than Neutron's extensions. To
	// them an empty object is one without them, and they look for a row first.
	Core bool
	// NoPost, NoPut and NoDelete are methods that it does not have; with NoBulk
	// a create request makes one.
	NoPost, NoPut, NoDelete, NoBulk bool
	// EmptyCounts tells that a PUT without values counts the revision up too.
	EmptyCounts bool
	// StrictMarker makes a page behind what is not there an error; else it is the first.
	StrictMarker bool

	// View says what is shown beside the columns and instead of them; Absent takes
	// one away. May be nil.
	View func(c *Call, r store.Reader, row *T, shown map[string]any)
	// Sees tells whether a caller who does not own a row sees it all the same. May be nil.
	Sees func(c *Call, r store.Reader, row *T) bool
	// Target is what rules look at; nil: the owner alone.
	Target func(c *Call, r store.Reader, row *T) Target
	// Filters are those that are no plain comparison with a column. May be nil.
	Filters map[string]func(c *Call, r store.Reader, row *T, values []string) bool
	// CheckFilters tells what is wrong with them. May be nil.
	CheckFilters func(filters map[string][]string) error
	// Indexes serve filters; the first that is asked for is used.
	Indexes []By[T]
	// In tells whether a row is a part of the parent of the path, Of finds the rows that are.
	// Nil where there is no parent.
	In func(parent string, row *T) bool
	Of *store.Index[T]
	// BeforeList makes, before a list is read, what is there from its first use. May be nil.
	BeforeList func(c *Call) error
	// Concealed is what a caller is told about a row that he does not see; nil: that there is none.
	Concealed error
	// NotFound is the error about an id; nil: "Kind ID could not be found."
	NotFound func(c *Call, id string) error
	// Parent checks that the parent of the path is there. Nil where there is none.
	Parent func(c *Call, r store.Reader) error

	// Before checks each object of a create request, before quotas and policy. May be nil.
	Before func(c *Call, r store.Reader, v Values, project string) error
	// Creates checks all rows of a create request, before the first is completed. May be nil.
	Creates func(c *Call, tx *store.Tx, rows []*T) error
	// Create completes a row that has its id, owner, times and the columns of the
	// request, and makes what belongs to it.
	Create func(c *Call, tx *store.Tx, v Values, row *T) error
	// Update completes a row to which the request's columns are set; old is as it was.
	Update func(c *Call, tx *store.Tx, v Values, old, row *T) error
	// Delete checks that the row may go, and removes what belongs to it. May be nil.
	Delete func(c *Call, tx *store.Tx, row *T) error
}

// By is an index that serves a filter.
type By[T any] struct {
	Filter string
	Index  *store.Index[T]
	// Key gives the index's key under which all is that the filter's values
	// choose; not ok: there is none. Nil: the value, where it is one.
	Key func(values []string) (key string, ok bool)
}

// Add has the engine serve a resource.
func Add[T any](e *Engine, res *Resource[T]) {
	if res.Columns == nil {
		res.Columns = api.ColumnsOf[T](TimeLayout)
	}
	if res.Path == "" {
		res.Path = "/v2.0/" + strings.ReplaceAll(res.Plural, "_", "-")
	}
	s := &server[T]{Resource: res, engine: e}
	e.Mux.Handle("GET "+res.Path, s.list)
	e.Mux.Handle("GET "+res.Path+"/{id}", s.show)
	if !res.NoPost {
		e.Mux.Handle("POST "+res.Path, s.create)
	}
	if !res.NoPut {
		e.Mux.Handle("PUT "+res.Path+"/{id}", s.update)
	}
	if !res.NoDelete {
		e.Mux.Handle("DELETE "+res.Path+"/{id}", s.delete)
	}
	if res.Tagged {
		s.serveTags(s.Path)
	}
}

type server[T any] struct {
	*Resource[T]
	engine *Engine
}

func (s *server[T]) call(r *api.Request) *Call {
	return s.engine.NewCall(r)
}

func (s *server[T]) target(c *Call, r store.Reader, row *T) Target {
	if s.Target != nil {
		return s.Target(c, r, row)
	}
	return Target{ProjectID: s.Meta(row).ProjectID}
}

// visible tells whether the caller sees a row at all.
func (s *server[T]) visible(c *Call, r store.Reader, row *T) bool {
	if s.In != nil && !s.In(c.Parent, row) {
		return false
	}
	if !c.Sees() && s.Meta(row).ProjectID != c.Caller.ProjectID && (s.Sees == nil || !s.Sees(c, r, row)) {
		return false
	}
	return s.sight(c, s.target(c, r, row)).row
}

// sight is what the caller sees of rows with one Target.
type sight struct {
	row, tenant bool
	parts       []part
}

// part is an attribute of an answer.
type part struct {
	name string
	// key is the name as JSON text, up to the value.
	key []byte
	// column is true of what rows have; else only a View gives a value.
	column bool
}

func (s *server[T]) sight(c *Call, t Target) *sight {
	if known := c.sights[t]; known != nil {
		return known
	}
	rule := "get_" + s.Name
	seen := &sight{row: !s.engine.Policy.Known(rule) || c.Allows(rule, t)}
	for _, attr := range s.Attributes.list {
		name := rule + ":" + attr.Name
		if attr.Hidden || s.engine.Policy.Known(name) && !c.Allows(name, t) {
			continue
		}
		seen.tenant = seen.tenant || attr.Name == "tenant_id"
		seen.parts = append(seen.parts, part{attr.Name, append(api.AppendJSON(nil, attr.Name), ':'), s.Columns.Has(attr.Name)})
	}
	c.sights[t] = seen
	return seen
}

// find gives the row of the path's id, or the error that there is none that
// the caller sees.
func (s *server[T]) find(c *Call, r store.Reader) (*T, error) {
	if s.Parent != nil {
		if err := s.Parent(c, r); err != nil {
			return nil, err
		}
	}
	id := c.PathValue("id")
	if row := s.Table.Get(r, id); row != nil {
		if s.visible(c, r, row) {
			return row, nil
		}
		if s.Concealed != nil {
			return nil, s.Concealed
		}
	}
	return nil, s.notFound(c, id)
}

func (s *server[T]) notFound(c *Call, id string) error {
	if s.NotFound != nil {
		return s.NotFound(c, id)
	}
	return NotFound(s.Kind+"NotFound", "%s %s could not be found.", s.Kind, id)
}

// permit checks a change of a row that the caller sees.
func (s *server[T]) permit(c *Call, r store.Reader, action string, v Values, row *T) error {
	return s.engine.Policy.demand(action+"_"+s.Name, s.Attributes, v, false, c.Caller, s.target(c, r, row))
}

// match enforces the request's If-Match. Tags of another kind are no concern of Neutron's.
func (s *server[T]) match(c *Call, row *T) error {
	for tag := range strings.SplitSeq(c.Header.Get("If-Match"), ",") {
		text, ok := strings.CutPrefix(strings.Trim(strings.TrimSpace(tag), `"`), "revision_number=")
		if !ok {
			continue
		}
		want, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return api.Errorf(http.StatusBadRequest, "BadRequest", "Bad if-match request: Revision number etag must be in the format of revision_number=<int>.")
		}
		if have := s.Meta(row).RevisionNumber; want != have {
			return api.Errorf(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed", "Constrained to %d, but current revision is %d", want, have)
		}
	}
	return nil
}

// owner gives the project that a request names, or else the caller's, under both of its names.
func owner(c *Call, given map[string]any, create bool) error {
	project, named := given["project_id"]
	tenant, old := given["tenant_id"]
	switch {
	case named && old && project != tenant:
		return BadRequest("'project_id' and 'tenant_id' do not match")
	case old:
		project = tenant
	case !named && !create:
		return nil
	case !named:
		project = c.Caller.ProjectID
	}
	if project != c.Caller.ProjectID && !c.Sees() {
		return BadRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin or advsvc privileges")
	}
	given["project_id"], given["tenant_id"] = project, project
	return nil
}

// settle waits until the network has a commit.
func (e *Engine) settle(ctx context.Context, seq uint64) {
	if e.Settle != nil {
		_ = e.Settle(ctx, seq) // who makes the network says it in its own health
	}
}

// NewMeta gives what a new row has.
func (e *Engine) NewMeta(project string) model.Meta {
	now := e.Now().UTC().Truncate(time.Second)
	return model.Meta{ID: uuid.NewString(), ProjectID: project, CreatedAt: now, UpdatedAt: now, Tags: []string{}}
}

// Touch counts a row's revision up.
func (e *Engine) Touch(m *model.Meta) {
	m.RevisionNumber++
	m.UpdatedAt = e.Now().UTC().Truncate(time.Second)
}
