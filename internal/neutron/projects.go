// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Project is a Keystone project.
type Project struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	DomainID string `json:"domain_id"`
}

// FindProjects lists the projects with a name or id. The project of the
// credentials is found without a request; others by the right to list
// projects or, without that right, among those the user has a role in. When
// that right is missing and the user has no such role either, an id is
// believed, and a name is an error of class Unauthorized.
func (c *Client) FindProjects(ctx context.Context, nameOrID string) ([]Project, error) {
	scope, err := c.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if nameOrID == scope.ProjectID || nameOrID == scope.ProjectName {
		return []Project{{ID: scope.ProjectID, Name: scope.ProjectName}}, nil
	}
	found, err := c.listProjects(ctx, nameOrID)
	if err == nil || !fault.Is(err, fault.Unauthorized) {
		return found, err
	}
	mine, mineErr := c.ownProjects(ctx, nameOrID)
	switch {
	case mineErr == nil && len(mine) > 0:
		return mine, nil
	case looksLikeProjectID(nameOrID):
		return []Project{{ID: nameOrID}}, nil
	default:
		e := fault.New(fault.Unauthorized, "keystone: find project %q: these credentials may not list projects, and their user has no role in one of that name: %w", nameOrID, err)
		e.Hint = "use the project's id, or leave it out to use the project of the credentials"
		return nil, e
	}
}

// listProjects asks for the projects by name and, when the word can be one,
// by id.
func (c *Client) listProjects(ctx context.Context, nameOrID string) ([]Project, error) {
	if looksLikeProjectID(nameOrID) {
		var one Project
		err := c.do(ctx, call{
			service: keystone, operation: "show project", method: http.MethodGet, path: "projects/" + url.PathEscape(nameOrID),
			out: &envelope{"project": &one}, ok: []int{http.StatusOK},
		})
		if err == nil {
			return []Project{one}, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	return c.getProjects(ctx, "list projects", "projects", url.Values{"name": {nameOrID}})
}

// ownProjects are those the user has a role in.
func (c *Client) ownProjects(ctx context.Context, nameOrID string) ([]Project, error) {
	all, err := c.getProjects(ctx, "list own projects", "auth/projects", nil)
	var matching []Project
	for _, p := range all {
		if p.ID == nameOrID || p.Name == nameOrID {
			matching = append(matching, p)
		}
	}
	return matching, err
}

func (c *Client) getProjects(ctx context.Context, operation, path string, query url.Values) ([]Project, error) {
	var projects []Project
	err := c.do(ctx, call{
		service: keystone, operation: operation, method: http.MethodGet, path: path, query: query,
		out: &envelope{"projects": &projects}, ok: []int{http.StatusOK},
	})
	return projects, err
}

// looksLikeProjectID: Keystone's ids are 32 hexadecimal digits, with or
// without the dashes of a UUID.
func looksLikeProjectID(s string) bool {
	s = strings.ReplaceAll(s, "-", "")
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}
