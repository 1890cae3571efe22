// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// longestTag is in characters.
const longestTag = 255

// tagsMatch tells whether tags pass one of the four filters about them, and
// whether it is one of those.
func tagsMatch(tags []string, filter string, values []string) (matched, isTags bool) {
	if filter != "tags" && filter != "tags-any" && filter != "not-tags" && filter != "not-tags-any" {
		return false, false
	}
	all, one := true, false
	for _, wanted := range values {
		for tag := range strings.SplitSeq(wanted, ",") {
			if slices.Contains(tags, tag) {
				one = true
			} else {
				all = false
			}
		}
	}
	switch filter {
	case "tags":
		return all, true
	case "tags-any":
		return one, true
	case "not-tags":
		return !all, true
	default:
		return !one, true
	}
}

// AddTags has the engine serve a resource's tags below another path than its own.
func AddTags[T any](e *Engine, res *Resource[T], path string) {
	s := &server[T]{Resource: res, engine: e}
	s.serveTags(path)
}

func (s *server[T]) serveTags(path string) {
	path += "/{id}/tags"
	s.engine.Mux.Handle("GET "+path, s.getTags)
	s.engine.Mux.Handle("PUT "+path, s.putTags)
	s.engine.Mux.Handle("POST "+path, func(*api.Request) (api.Reply, error) {
		return api.Reply{}, NotFound("HTTPNotFound", "not supported")
	})
	s.engine.Mux.Handle("DELETE "+path, s.deleteTags)
	s.engine.Mux.Handle("GET "+path+"/{tag}", s.getTag)
	s.engine.Mux.Handle("PUT "+path+"/{tag}", s.putTag)
	s.engine.Mux.Handle("DELETE "+path+"/{tag}", s.deleteTag)
}

func (s *server[T]) tagged(c *Call, r store.Reader) (*T, error) {
	row, err := s.find(c, r)
	if err != nil {
		return nil, NotFound("TagResourceNotFound", "Resource %s %s could not be found.", s.Plural, c.PathValue("id"))
	}
	return row, nil
}

func (s *server[T]) tagsOf(c *Call) (tags []string, err error) {
	s.engine.Store.View(func(r store.Reader) {
		var row *T
		if row, err = s.tagged(c, r); err == nil {
			tags = slices.Clone(s.Meta(row).Tags)
		}
	})
	return tags, err
}

// setTags changes a row's tags.
func (s *server[T]) setTags(c *Call, change func(tags []string) ([]string, error)) error {
	seq, err := s.engine.Store.Update(func(tx *store.Tx) error {
		old, err := s.tagged(c, tx)
		if err != nil {
			return err
		}
		tags, err := change(slices.Clone(s.Meta(old).Tags))
		if err != nil {
			return err
		}
		slices.Sort(tags)
		if slices.Equal(tags, s.Meta(old).Tags) {
			return nil
		}
		row := new(T)
		*row = *old
		s.Meta(row).Tags = tags
		s.engine.Touch(s.Meta(row))
		s.Table.Put(tx, row)
		return nil
	})
	if err == nil {
		s.engine.settle(c.Context(), seq)
	}
	return err
}

func (s *server[T]) getTags(r *api.Request) (api.Reply, error) {
	tags, err := s.tagsOf(s.call(r))
	return api.Reply{Body: map[string]any{"tags": tags}}, err
}

func (s *server[T]) getTag(r *api.Request) (api.Reply, error) {
	tag := r.PathValue("tag")
	tags, err := s.tagsOf(s.call(r))
	if err == nil && !slices.Contains(tags, tag) {
		err = NotFound("TagNotFound", "Tag %s could not be found.", tag)
	}
	return api.Reply{Status: http.StatusNoContent}, err
}

func (s *server[T]) putTags(r *api.Request) (api.Reply, error) {
	body, err := r.JSON()
	if err != nil || body["tags"] == nil {
		return api.Reply{}, InvalidInput("Invalid tags body")
	}
	tags, err := TagList(body["tags"])
	if err != nil {
		return api.Reply{}, InvalidInput("%s", err.Error())
	}
	if err := s.setTags(s.call(r), func([]string) ([]string, error) { return slices.Clone(tags), nil }); err != nil {
		return api.Reply{}, err
	}
	return api.Reply{Body: map[string]any{"tags": tags}}, nil
}

// TagList reads a list of tags. Its error is a Reason.
func TagList(value any) ([]string, error) {
	list, err := ListOf(value, stringCheck(longestTag))
	if err != nil {
		return nil, err
	}
	tags := make([]string, len(list))
	for i, tag := range list {
		tags[i], _ = tag.(string)
	}
	return tags, nil
}

func (s *server[T]) deleteTags(r *api.Request) (api.Reply, error) {
	err := s.setTags(s.call(r), func([]string) ([]string, error) { return []string{}, nil })
	return api.Reply{Status: http.StatusNoContent}, err
}

func (s *server[T]) putTag(r *api.Request) (api.Reply, error) {
	tag := r.PathValue("tag")
	if _, err := stringCheck(longestTag)(tag); err != nil {
		return api.Reply{}, InvalidInput("%s", err.Error())
	}
	err := s.setTags(s.call(r), func(tags []string) ([]string, error) {
		if slices.Contains(tags, tag) {
			return tags, nil
		}
		return append(tags, tag), nil
	})
	return api.Reply{Status: http.StatusCreated, Body: json.RawMessage("null")}, err
}

func (s *server[T]) deleteTag(r *api.Request) (api.Reply, error) {
	tag := r.PathValue("tag")
	err := s.setTags(s.call(r), func(tags []string) ([]string, error) {
		at := slices.Index(tags, tag)
		if at < 0 {
			return nil, NotFound("TagNotFound", "Tag %s could not be found.", tag)
		}
		return slices.Delete(tags, at, at+1), nil
	})
	return api.Reply{Status: http.StatusNoContent}, err
}
