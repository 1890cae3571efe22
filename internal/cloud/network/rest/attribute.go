// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// Attribute is one field of a resource, as Neutron's API definition has it
// (neutron-lib, api/definitions).
type Attribute struct {
	Name string
	// Post and Put tell in which requests it may be given.
	Post, Put bool
	// Required has a create request name it. Else it has a Default, unless
	// that is to be made by the resource (Unset).
	Required, Unset bool
	Default         any
	// Filter and Sort tell what a list may be chosen and ordered by.
	Filter, Sort bool
	// Policy makes the rule "create_port:NAME" count where it is given. Where it
	// is shown, "get_port:NAME" counts always, if there is such a rule.
	Policy bool
	// Hidden is never shown.
	Hidden bool
	// Convert makes of a value what is meant by it, also of a filter's. Check
	// does that too, and tells what is wrong with it.
	Convert, Check Check
}

// Attributes are those of one resource, in the order of the table.
type Attributes struct {
	list []*Attribute
	by   map[string]*Attribute
}

// Get gives an attribute by its name, or nil.
func (a *Attributes) Get(name string) *Attribute { return a.by[name] }

// ParseAttributes reads a table of resources. A line without indent names a
// resource by its plural; the lines below it are attributes: name, verbs ("c"
// create, "u" update, "-" none), default (JSON, or required, unset, none), checks
// joined by commas, and flags. "#" begins a comment.
func ParseAttributes(table string, checks Checks) (map[string]*Attributes, error) {
	all := map[string]*Attributes{}
	current := &Attributes{by: map[string]*Attribute{}}
	for line := range strings.Lines(table) {
		words := strings.Fields(strings.SplitN(line, "#", 2)[0])
		switch {
		case len(words) == 0:
		case line[0] != ' ':
			current.own()
			current = &Attributes{by: map[string]*Attribute{}}
			all[words[0]] = current
		default:
			a, err := parseAttribute(words, checks)
			if err != nil {
				return nil, err
			}
			current.add(a)
		}
	}
	current.own()
	return all, nil
}

// own has the owner under both of its names, once the table has one of them.
func (a *Attributes) own() {
	for have, want := range map[string]string{"project_id": "tenant_id", "tenant_id": "project_id"} {
		if a.by[have] != nil && a.by[want] == nil {
			twin := *a.by[have]
			twin.Name = want
			a.add(&twin)
		}
	}
}

// add lets a later line win.
func (a *Attributes) add(attr *Attribute) {
	if a.by[attr.Name] == nil {
		a.list = append(a.list, attr)
		a.by[attr.Name] = attr
		return
	}
	*a.by[attr.Name] = *attr
}

func parseAttribute(words []string, checks Checks) (*Attribute, error) {
	if len(words) < 4 {
		return nil, fmt.Errorf("rest: attribute %v: too few words", words)
	}
	a := &Attribute{Name: words[0], Post: strings.Contains(words[1], "c"), Put: strings.Contains(words[1], "u")}
	switch words[2] {
	case "required":
		a.Required = true
	case "unset", "none":
		a.Unset = true
	default:
		d := json.NewDecoder(strings.NewReader(words[2]))
		d.UseNumber()
		if err := d.Decode(&a.Default); err != nil {
			return nil, fmt.Errorf("rest: attribute %s: default: %w", a.Name, err)
		}
		a.Default = plain(a.Default)
	}
	var err error
	if a.Convert, a.Check, err = checks.named(words[3]); err != nil {
		return nil, fmt.Errorf("rest: attribute %s: %w", a.Name, err)
	}
	for _, flag := range words[4:] {
		switch flag {
		case "filter":
			a.Filter = true
		case "sort":
			a.Sort = true
		case "policy":
			a.Policy = true
		case "hidden":
			a.Hidden = true
		default:
			return nil, fmt.Errorf("rest: attribute %s: flag %q", a.Name, flag)
		}
	}
	return a, nil
}

// verify refuses what is no attribute.
func (a *Attributes) verify(given map[string]any) error {
	var unknown []string
	for _, name := range sortedKeys(given) {
		if a.by[name] == nil {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		return BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
	}
	return nil
}

// complete checks a create request's attributes and adds the defaults.
func (a *Attributes) complete(given map[string]any) (Values, error) {
	v := Values{}
	for _, attr := range a.list {
		value, isGiven := given[attr.Name]
		switch {
		case !attr.Post && isGiven:
			return nil, BadRequest("Attribute '%s' not allowed in POST", attr.Name)
		case !attr.Post:
		case isGiven:
			v[attr.Name] = value
		case attr.Required:
			return nil, BadRequest("Failed to parse request. Required attribute '%s' not specified", attr.Name)
		case !attr.Unset:
			v[attr.Name] = attr.Default
		}
	}
	return v, a.convert(v)
}

// changes checks an update request's attributes.
func (a *Attributes) changes(given map[string]any) (Values, error) {
	v := Values{}
	for _, attr := range a.list {
		if value, isGiven := given[attr.Name]; isGiven {
			if !attr.Put {
				return nil, BadRequest("Cannot update read-only attribute %s", attr.Name)
			}
			v[attr.Name] = value
		}
	}
	return v, a.convert(v)
}

func (a *Attributes) convert(v Values) error {
	for _, attr := range a.list {
		value, ok := v[attr.Name]
		if !ok {
			continue
		}
		converted, err := attr.Check(value)
		if err != nil {
			if reason, plain := err.(Reason); plain {
				return BadRequest("Invalid input for %s. Reason: %s.", attr.Name, string(reason))
			}
			return err
		}
		v[attr.Name] = converted
	}
	return nil
}

// read takes the object, or with bulk the list of objects, out of a request's body.
func read(r *api.Request, name, plural string, bulk bool) (objects []map[string]any, isBulk bool, err error) {
	if len(r.Body) == 0 {
		return nil, false, BadRequest("Unable to find '%s' in request body", name)
	}
	body, err := r.JSON()
	if err != nil || body == nil {
		return nil, false, BadRequest("Body contains invalid data")
	}
	if len(body) == 0 && r.Method != http.MethodPut {
		return nil, false, BadRequest("Resource body required")
	}
	// Neutron finds a list by the name and an "s" alone: what has another plural has no bulk.
	list, isList := body[plural]
	if !isList || plural != name+"s" {
		one, err := object(body, name)
		return []map[string]any{one}, false, err
	}
	if !bulk {
		return nil, true, BadRequest("Bulk operation not supported")
	}
	items, err := itemsOf(list, name)
	if err != nil {
		return nil, true, err
	}
	for _, item := range items {
		wrapped, ok := item.(map[string]any)
		if _, text := item.(string); text {
			return nil, true, BadRequest("Object '%s' contains invalid data", name)
		}
		if !ok {
			return nil, true, BadRequest("Body contains invalid data")
		}
		if _, named := wrapped[name]; !named {
			wrapped = map[string]any{name: wrapped}
		}
		one, err := object(wrapped, name)
		if err != nil {
			return nil, true, err
		}
		objects = append(objects, one)
	}
	return objects, true, nil
}

// itemsOf gives the items of what stands for a list.
func itemsOf(list any, name string) ([]any, error) {
	invalid := BadRequest("Body contains invalid data")
	switch x := list.(type) {
	case []any:
		if len(x) > 0 {
			return x, nil
		}
	case string:
		if x != "" {
			return nil, BadRequest("Object '%s' contains invalid data", name)
		}
	case map[string]any:
		if len(x) > 0 {
			return nil, BadRequest("Object '%s' contains invalid data", name)
		}
	case json.Number:
		if f, err := x.Float64(); err != nil || f != 0 {
			return nil, invalid
		}
	case bool:
		if x {
			return nil, invalid
		}
	}
	return nil, BadRequest("Resources required")
}

func object(body map[string]any, name string) (map[string]any, error) {
	value := body[name]
	if value == nil {
		return nil, BadRequest("Unable to find '%s' in request body", name)
	}
	one, ok := value.(map[string]any)
	if !ok {
		return nil, BadRequest("Object '%s' contains invalid data", name)
	}
	return one, nil
}
