// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"encoding/json"
	"iter"
	"reflect"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// kind is a kind of resource: how its rows are shown, and filled with what a
// client sends.
type kind[T any] struct {
	one, many string
	columns   *api.Columns[T]
	extra     func(*T) *ref
}

func kindOf[T any](one, many string, extra func(*T) *ref) kind[T] {
	return kind[T]{one, many, api.ColumnsOf[T](""), extra}
}

// The kinds that keep whatever a client sends.
var (
	projectKind  = kindOf("project", "projects", func(r *model.Project) *ref { return &r.Extra })
	userKind     = kindOf("user", "users", func(r *model.User) *ref { return &r.Extra })
	groupKind    = kindOf("group", "groups", func(r *model.Group) *ref { return &r.Extra })
	roleKind     = kindOf("role", "roles", func(r *model.Role) *ref { return &r.Extra })
	regionKind   = kindOf("region", "regions", func(r *model.Region) *ref { return &r.Extra })
	serviceKind  = kindOf("service", "services", func(r *model.Service) *ref { return &r.Extra })
	endpointKind = kindOf("endpoint", "endpoints", func(r *model.Endpoint) *ref { return &r.Extra })
)

// show gives a row without links.
func (k kind[T]) show(row *T) ref {
	shown := k.columns.Map(row)
	for name, value := range *k.extra(row) {
		if _, column := shown[name]; !column {
			shown[name] = value
		}
	}
	return shown
}

// ref gives a row with the link to itself.
func (k kind[T]) ref(c *call, row *T) ref {
	shown := k.show(row)
	shown["links"] = ref{"self": c.url("/" + k.many + "/" + shown["id"].(string))}
	return shown
}

// field gives the fields of a row by their names.
func (k kind[T]) field(row *T) func(name string) any {
	return func(name string) any {
		if k.columns.Has(name) {
			return k.columns.Value(row, name)
		}
		return (*k.extra(row))[name]
	}
}

// list answers with the rows that pass the filters, each as show gives it.
func (k kind[T]) list(c *call, rows iter.Seq[*T], f filters, show func(*call, *T) ref) api.Reply {
	var refs []ref
	for row := range rows {
		if f.match(k.field(row)) {
			refs = append(refs, show(c, row))
		}
	}
	return c.collection(k.many, refs)
}

// find gives the row of an id.
func (k kind[T]) find(r store.Reader, t *store.Table[T], id string) (*T, error) {
	if row := t.Get(r, id); row != nil {
		return row, nil
	}
	return nil, notFound(k.one, id)
}

// fill sets the columns of a row, which is not stored yet, to a client's
// values, and keeps what is no column. Options are added to those there are.
func (k kind[T]) fill(row *T, values ref) error {
	extra := ref{}
	for name, value := range *k.extra(row) {
		extra[name] = value
	}
	for name, value := range values {
		switch {
		case name == "id":
		case !k.columns.Has(name):
			extra[name] = value
		default:
			if err := setColumn(row, name, value); err != nil {
				return err
			}
		}
	}
	*k.extra(row) = extra
	return nil
}

func setColumn(row any, name string, value any) error {
	fields := reflect.ValueOf(row).Elem()
	for i := range fields.NumField() {
		if column, _, _ := strings.Cut(fields.Type().Field(i).Tag.Get("json"), ","); column != name {
			continue
		}
		field := fields.Field(i)
		if options, ok := field.Interface().(ref); ok {
			field.Set(reflect.ValueOf(mergedOptions(options, value)))
			return nil
		}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		// A new value: the old one is another row's too.
		fresh := reflect.New(field.Type())
		if err := json.Unmarshal(text, fresh.Interface()); err != nil {
			return badRequest("Invalid input for field '%s'", name)
		}
		field.Set(fresh.Elem())
	}
	return nil
}

// mergedOptions adds options to others; null takes one away.
func mergedOptions(options ref, value any) ref {
	merged := ref{}
	for name, v := range options {
		merged[name] = v
	}
	given, _ := value.(ref)
	for name, v := range given {
		if merged[name] = v; v == nil {
			delete(merged, name)
		}
	}
	return merged
}

// immutable tells whether somebody protected a row by its options.
func immutable(options ref) bool { return options["immutable"] == true }

// mayChange is the error of a change to a protected row, if it does more than
// end the protection.
func mayChange(what, id string, options, values ref) error {
	if !immutable(options) {
		return nil
	}
	if value, given := object(values, "options")["immutable"]; given && value != true && len(values) == 1 {
		return nil
	}
	return forbiddenf("Unable to update immutable %s resource: `%s. Set resource option \"immutable\" to false first.", what, id)
}

func mayDelete(what, id string, options ref) error {
	if !immutable(options) {
		return nil
	}
	return forbiddenf("Unable to delete immutable %s resource: `%s. Set resource option \"immutable\" to false first.", what, id)
}

// sameID is the error of a change that would give a resource another id.
func sameID(id string, values ref) error {
	if other, given := values["id"]; given && other != nil && other != id {
		return badRequest("Cannot change ID")
	}
	return nil
}

func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
