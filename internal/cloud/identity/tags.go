// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// tagFilter reads the conditions on tags of a list's query.
func tagFilter(query url.Values) func(tags []string) bool {
	list := func(name string) []string {
		if !query.Has(name) {
			return nil
		}
		return strings.Split(query.Get(name), ",")
	}
	all, anyOf, notAll, notAny := list("tags"), list("tags-any"), list("not-tags"), list("not-tags-any")
	return func(tags []string) bool {
		has := func(tag string) bool { return slices.Contains(tags, tag) }
		hasNot := func(tag string) bool { return !has(tag) }
		return !slices.ContainsFunc(all, hasNot) && (anyOf == nil || slices.ContainsFunc(anyOf, has)) &&
			(notAll == nil || slices.ContainsFunc(notAll, hasNot)) && !slices.ContainsFunc(notAny, has)
	}
}

// tagsReply shows tags with the link that Keystone gives them.
func (c *call) tagsReply(tags []string) api.Reply {
	if tags == nil {
		tags = []string{}
	}
	return api.Reply{Body: ref{"tags": tags, "links": ref{"self": c.url("")}}}
}

func (s *Service) listTags(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		p, err := s.seenProject(c, r, "list_project_tags")
		if err != nil {
			return api.Reply{}, err
		}
		return c.tagsReply(p.Tags), nil
	})
}

func (s *Service) checkTag(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		p, err := s.seenProject(c, r, "get_project_tag")
		if err == nil && !slices.Contains(p.Tags, c.PathValue("tag")) {
			err = notFound("project tag", c.PathValue("tag"))
		}
		return noContent, err
	})
}

// changeTags sets a project's tags to what change makes of them. verb is what
// an immutable project does not let somebody do.
func (s *Service) changeTags(c *call, action, verb string, change func(tags []string) ([]string, error)) (tags []string, err error) {
	if err := c.may(action, c.access.admin()); err != nil {
		return nil, err
	}
	_, err = s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := projectKind.find(tx, s.tables.Identity.Projects, c.PathValue("project"))
		if err != nil {
			return api.Reply{}, err
		}
		if immutable(old.Options) {
			return api.Reply{}, forbiddenf(`Cannot %[1]se project tags for %[2]s, project is immutable. Set "immutable" option to false before %[1]sing project tags.`, verb, old.ID)
		}
		if tags, err = change(slices.Clone(old.Tags)); err != nil {
			return api.Reply{}, err
		}
		p := *old
		p.Tags = tags
		s.tables.Identity.Projects.Put(tx, &p)
		return api.Reply{}, nil
	})
	return tags, err
}

func (s *Service) replaceTags(c *call) (api.Reply, error) {
	tags, err := s.changeTags(c, "update_project_tags", "updat", func([]string) ([]string, error) {
		value, given := c.body["tags"]
		if !given {
			value = ref{}
		}
		return checkedTags(value)
	})
	return c.tagsReply(tags), err
}

// checkedTags gives a list of tags that fits the schema, sorted.
func checkedTags(value any) ([]string, error) {
	if err := tagsUpdate.Check(value); err != nil {
		return nil, badRequest("%s", err)
	}
	var tags []string
	for _, tag := range value.([]any) {
		tags = append(tags, strings.TrimSpace(tag.(string)))
	}
	slices.Sort(tags)
	return tags, nil
}

func (s *Service) deleteTags(c *call) (api.Reply, error) {
	_, err := s.changeTags(c, "delete_project_tags", "updat", func([]string) ([]string, error) { return nil, nil })
	return noContent, err
}

func (s *Service) addTag(c *call) (api.Reply, error) {
	tag := c.PathValue("tag")
	_, err := s.changeTags(c, "create_project_tag", "creat", func(tags []string) ([]string, error) {
		if err := tagCreate.Check(tag); err != nil {
			return nil, badRequest("%s", err)
		}
		list := []any{}
		for _, t := range append(tags, tag) {
			list = append(list, t)
		}
		return checkedTags(list)
	})
	location := c.url("/" + c.PathValue("project") + "/tags/" + tag)
	return api.Reply{Status: http.StatusCreated, Header: http.Header{"Location": {location}}}, err
}

func (s *Service) deleteTag(c *call) (api.Reply, error) {
	tag := c.PathValue("tag")
	_, err := s.changeTags(c, "delete_project_tag", "delet", func(tags []string) ([]string, error) {
		at := slices.Index(tags, tag)
		if at < 0 {
			return nil, notFound("project tag", tag)
		}
		return slices.Delete(tags, at, at+1), nil
	})
	return noContent, err
}
