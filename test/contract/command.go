// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"context"
	"fmt"
	"strings"
)

// command runs a command of a script as one of its people. Its answer is what
// it printed, as JSON where it is, and for a failure its last complaint.
func (r *runner) command(ctx context.Context, s Step) (Record, error) {
	rec := Record{Text: s.As + "> " + s.Text}
	line, err := r.expand(s.Command)
	if err != nil {
		rec.Status, rec.Body = -1, Text(err.Error())
		return rec, nil
	}
	args, err := words(line)
	if err != nil {
		return rec, err
	}
	env, err := r.environment(s.As)
	if err != nil {
		return rec, err
	}
	out, err := r.cloud.Run(ctx, env, args[0], args[1:]...)
	if err != nil {
		return rec, err
	}
	body := decode([]byte(out.Stdout))
	r.mask.arrange(body, strings.Contains(line, "--sort"))
	if out.Status == 0 {
		r.undo.ran(line, body)
		if s.Var != "" {
			r.vars[s.Var] = body
			r.mask.capture(body, s.Var)
		}
	}
	rec.Status, rec.Body = out.Status, r.mask.body(body)
	if out.Status != 0 {
		lines := strings.Split(strings.TrimSpace(out.Stderr), "\n")
		rec.Body = r.mask.body(Text(lines[len(lines)-1]))
	}
	return rec, nil
}

// environment is how the openstack command logs in.
func (r *runner) environment(who string) ([]string, error) {
	l := login{user: "admin", password: r.cloud.Password, project: "admin"}
	if who != "admin" {
		p, ok := people[who]
		if !ok {
			return nil, fmt.Errorf("nobody is called %q", who)
		}
		n := r.vars["n"].(string)
		l = login{user: n + "-" + who, password: "secret", project: n + "-" + p.project}
	}
	return []string{
		"OS_AUTH_URL=" + r.cloud.Identity + "/v3", "OS_IDENTITY_API_VERSION=3", "OS_REGION_NAME=RegionOne",
		"OS_USERNAME=" + l.user, "OS_PASSWORD=" + l.password, "OS_PROJECT_NAME=" + l.project,
		"OS_USER_DOMAIN_ID=default", "OS_PROJECT_DOMAIN_ID=default",
	}, nil
}
