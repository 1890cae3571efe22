// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Run runs a scenario on a cloud, and removes what it has made. The transcript
// is whole when the error is nil: a step that cannot be run is in it as such.
func Run(ctx context.Context, c *Cloud, s *Script) (t Transcript, err error) {
	r := &runner{cloud: c, script: s, mask: newMask(s.source), vars: map[string]any{}, accounts: map[string]account{}}
	r.prepare()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Patience)
		defer cancel()
		err = errors.Join(err, r.undo.all(ctx, c))
	}()
	for _, step := range s.Steps {
		if step.Method == "" && step.Command == "" {
			t = append(t, Record{Text: step.Text})
			continue
		}
		rec, err := r.step(ctx, step)
		if err != nil {
			return t, fmt.Errorf("contract: %s: %s: %w", s.Name, step.Text, err)
		}
		t = append(t, rec)
	}
	return t, nil
}

type runner struct {
	cloud  *Cloud
	script *Script
	mask   *mask
	// vars are the variables' values, as decode reads them.
	vars     map[string]any
	accounts map[string]account
	undo     undo
}

// prepare sets the variables that need no request.
func (r *runner) prepare() {
	for k, v := range r.cloud.known {
		r.vars[k] = v
	}
	n := "c" + strings.ToLower(rand.Text()[:8])
	r.vars["n"] = n
	r.mask.replace(n, "n")
	r.mask.replace(r.cloud.Identity, "identity")
	r.mask.replace(r.cloud.Network, "network")
	r.mask.replace(r.cloud.LoadBalancer, "loadbalancer")
	for _, k := range []string{"admin_project", "admin_user", "public", "public_subnet"} {
		r.mask.name(r.vars[k].(string), k)
	}
	for id, name := range r.cloud.catalog {
		r.mask.name(id, name)
	}
	for name, id := range r.cloud.roles {
		r.vars["role_"+strings.ReplaceAll(name, "-", "_")] = id
		r.mask.name(id, "role "+name)
	}
}

// people are who may ask: their project and roles. Beside them there are admin
// and nobody.
var people = map[string]struct {
	project string
	roles   []string
}{
	"member": {"project", []string{"member", "load-balancer_member"}},
	"reader": {"project", []string{"reader"}},
	"kuryr":  {"project", []string{"member", "kuryr"}},
	"other":  {"other", []string{"member", "load-balancer_member"}},
}

// as gives somebody's token; who has no account yet gets one.
func (r *runner) as(ctx context.Context, who string) (string, error) {
	switch {
	case who == "admin":
		return r.cloud.admin, nil
	case who == "nobody":
		return "", nil
	case strings.HasPrefix(who, "$"):
		return r.expand(who)
	}
	a, err := r.account(ctx, who)
	return a.id, err
}

func (r *runner) account(ctx context.Context, who string) (account, error) {
	if a, ok := r.accounts[who]; ok {
		return a, nil
	}
	p, ok := people[who]
	if !ok {
		return account{}, fmt.Errorf("nobody is called %q", who)
	}
	project, err := r.project(ctx, p.project)
	if err != nil {
		return account{}, err
	}
	n := r.vars["n"].(string)
	user, err := r.make(ctx, "/v3/users", map[string]any{"user": map[string]any{"name": n + "-" + who, "password": "secret", "default_project_id": project}})
	if err != nil {
		return account{}, err
	}
	for _, role := range p.roles {
		a, err := r.cloud.do(ctx, request{
			method: http.MethodPut, token: r.cloud.admin,
			path: "/v3/projects/" + project + "/users/" + user + "/roles/" + r.cloud.roles[role],
		})
		if err != nil || a.status != http.StatusNoContent {
			return account{}, fmt.Errorf("grant %s: %w (%d: %s)", role, err, a.status, a.raw)
		}
	}
	a, err := r.cloud.login(ctx, login{user: n + "-" + who, password: "secret", project: n + "-" + p.project})
	if err != nil {
		return account{}, err
	}
	r.accounts[who] = a
	r.vars[who+"_user"] = user
	r.mask.name(user, who+"_user")
	return a, nil
}

// project makes one of the scenario's projects, unless it is there.
func (r *runner) project(ctx context.Context, name string) (string, error) {
	if id, ok := r.vars[name].(string); ok {
		return id, nil
	}
	id, err := r.make(ctx, "/v3/projects", map[string]any{"project": map[string]any{"name": r.vars["n"].(string) + "-" + name}})
	if err == nil {
		r.vars[name] = id
		r.mask.name(id, name)
	}
	return id, err
}

func (r *runner) make(ctx context.Context, path string, body any) (string, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("make %s: %w", path, err)
	}
	q := request{method: http.MethodPost, path: path, token: r.cloud.admin, body: b}
	a, err := r.cloud.do(ctx, q)
	if err != nil || a.status != http.StatusCreated {
		return "", fmt.Errorf("make %s: %w (%d: %s)", path, err, a.status, a.raw)
	}
	r.undo.note(q, a.status, decode(a.raw))
	id, _ := unwrap(decode(a.raw)).(map[string]any)["id"].(string)
	return id, nil
}

// step runs one step. An error is for what is wrong with the cloud as a
// whole or with the script; what the cloud says is in the record.
func (r *runner) step(ctx context.Context, s Step) (Record, error) {
	rec := Record{Text: s.As + "> " + s.Text}
	if err := r.members(ctx, s); err != nil {
		return rec, err
	}
	if s.Command != "" {
		return r.command(ctx, s)
	}
	q, err := r.request(ctx, s)
	if missing := (missingError{}); errors.As(err, &missing) {
		rec.Status, rec.Body = -1, Text(missing.Error())
		return rec, nil
	}
	if err != nil {
		return rec, err
	}
	a, err := r.ask(ctx, s, q)
	if err != nil {
		return rec, err
	}
	body := decode(a.raw)
	r.undo.note(q, a.status, body)
	r.mask.arrange(body, strings.Contains(s.Path, "sort_key=") || strings.Contains(s.Path, "sort=") || q.method == http.MethodPost)
	r.keep(s, q, a, body)
	rec.Status, rec.Header = a.status, a.headers(r.mask)
	rec.Body = r.mask.body(body)
	return rec, nil
}

// members makes the accounts and projects that a step speaks of.
func (r *runner) members(ctx context.Context, s Step) error {
	if _, err := r.as(ctx, s.As); err != nil && !errors.As(err, new(missingError)) {
		return err
	}
	for _, m := range variable.FindAllStringSubmatch(s.Text, -1) {
		name := m[1] + m[2]
		if who, ok := strings.CutSuffix(name, "_user"); ok {
			if _, known := people[who]; known {
				if _, err := r.account(ctx, who); err != nil {
					return err
				}
			}
		}
		if name == "project" || name == "other" {
			if _, err := r.project(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) request(ctx context.Context, s Step) (q request, err error) {
	q.method = s.Method
	if q.token, err = r.as(ctx, s.As); err != nil {
		return q, err
	}
	if q.path, err = r.expand(s.Path); err != nil {
		return q, err
	}
	for _, h := range s.Header {
		if h, err = r.expand(h); err != nil {
			return q, err
		}
		q.header = append(q.header, h)
	}
	body, err := r.expand(s.Body)
	if err != nil || body == "" {
		return q, err
	}
	if s.Raw {
		q.body = []byte(body)
		return q, nil
	}
	var v yaml.Node
	if err := yaml.Unmarshal([]byte(body), &v); err != nil {
		return q, fmt.Errorf("read the body %s: %w", body, err)
	}
	q.body, err = appendJSON(nil, &v)
	return q, err
}

// appendJSON writes YAML as JSON, in the same order.
func appendJSON(b []byte, n *yaml.Node) (_ []byte, err error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return appendJSON(b, n.Content[0])
	case yaml.MappingNode, yaml.SequenceNode:
		open, end := byte('{'), byte('}')
		if n.Kind == yaml.SequenceNode {
			open, end = '[', ']'
		}
		b = append(b, open)
		for i, c := range n.Content {
			switch {
			case n.Kind == yaml.MappingNode && i%2 == 1:
				b = append(b, ':')
			case i > 0:
				b = append(b, ',')
			}
			if b, err = appendJSON(b, c); err != nil {
				return nil, err
			}
		}
		return append(b, end), nil
	}
	var scalar any
	if err := n.Decode(&scalar); err != nil {
		return nil, err
	}
	return append(b, compact(scalar)...), nil
}

// ask sends the request; with conditions, until they are met or it has taken too long.
func (r *runner) ask(ctx context.Context, s Step, q request) (answer, error) {
	if len(s.Until) == 0 {
		return r.cloud.do(ctx, q)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cloud.Patience)
	defer cancel()
	pause := 5 * time.Millisecond
	for {
		a, err := r.cloud.do(ctx, q)
		if err != nil {
			return a, err
		}
		if met(s.Until, a) {
			return a, nil
		}
		pause = min(2*pause, 200*time.Millisecond)
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("wait: %w; the last answer is %d: %s", ctx.Err(), a.status, a.raw)
		case <-time.After(pause):
		}
	}
}

// met tells whether an answer meets all conditions.
func met(conditions []string, a answer) bool {
	body := unwrap(decode(a.raw))
	return !slices.ContainsFunc(conditions, func(c string) bool {
		if c == "gone" {
			return a.status != http.StatusNotFound
		}
		path, want, _ := strings.Cut(c, "=")
		v, ok := at(body, strings.Split(path, "."))
		return !ok || fmt.Sprint(v) != want
	})
}

// keep stores an answer in the step's variable.
func (r *runner) keep(s Step, q request, a answer, body any) {
	if s.Var == "" || a.status >= 400 {
		return
	}
	v := unwrap(body)
	if token := a.header.Get("X-Subject-Token"); token != "" {
		if object, ok := v.(map[string]any); ok {
			object["subject"] = token
			defer delete(object, "subject")
			copied := map[string]any{}
			for k, value := range object {
				copied[k] = value
			}
			v = copied
		}
	}
	r.vars[s.Var] = v
	if q.method != http.MethodGet {
		r.mask.capture(v, s.Var)
	}
}

// missingError is a variable that has no value, because the step that should
// have set it was refused.
type missingError struct{ name string }

func (e missingError) Error() string { return "not run: there is no $" + e.name }

// expand puts the variables' values into a text.
func (r *runner) expand(text string) (string, error) {
	var missing error
	text = variable.ReplaceAllStringFunc(text, func(ref string) string {
		name := strings.Trim(ref, "${}")
		v, ok := at(r.vars, strings.Split(name, "."))
		if !ok {
			missing = missingError{name}
			return ""
		}
		if s, ok := v.(string); ok {
			return s
		}
		return compact(v)
	})
	return text, missing
}

// at finds a value in another by a path of names and numbers.
func at(v any, path []string) (any, bool) {
	for _, name := range path {
		switch in := v.(type) {
		case map[string]any:
			value, ok := in[name]
			if !ok {
				return nil, false
			}
			v = value
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// unwrap gives the resource or the list of an answer, without its envelope.
func unwrap(body any) any {
	object, ok := body.(map[string]any)
	if !ok {
		return body
	}
	var inner any
	for k, v := range object {
		switch {
		case k == "links" || strings.HasSuffix(k, "_links"):
		case inner != nil:
			return body
		default:
			inner = v
		}
	}
	switch inner.(type) {
	case map[string]any, []any:
		return inner
	}
	return body
}
