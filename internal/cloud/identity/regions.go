// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Regions are there for whoever has a token.

func (s *Service) listRegions(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		return regionKind.list(c, s.tables.Identity.Regions.All(r), c.filters("parent_region_id"), regionKind.ref), nil
	})
}

func (s *Service) region(c *call, r store.Reader) (*model.Region, error) {
	return regionKind.find(r, s.tables.Identity.Regions, c.PathValue("region"))
}

func (s *Service) showRegion(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		region, err := s.region(c, r)
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"region": regionKind.ref(c, region)}}, nil
	})
}

func (s *Service) createRegion(c *call) (api.Reply, error) {
	if err := c.may("create_region", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.objectOrNull("region", regionCreate)
	if err != nil {
		return api.Reply{}, err
	}
	region := &model.Region{ID: text(values, "id")}
	if id := c.PathValue("region"); id != "" {
		if _, given := values["id"]; given && region.ID != id {
			return api.Reply{}, badRequest(`Conflicting region IDs specified: "%s" != "%s"`, id, region.ID)
		}
		region.ID = id
	}
	if region.ID == "" {
		region.ID = newID()
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		if s.tables.Identity.Regions.Get(tx, region.ID) != nil {
			return api.Reply{}, conflict("region", "Duplicate ID, %s.", region.ID)
		}
		if err := s.putRegion(tx, region, values); err != nil {
			return api.Reply{}, err
		}
		return created("region", regionKind.ref(c, region)), nil
	})
}

func (s *Service) updateRegion(c *call) (api.Reply, error) {
	if err := c.may("update_region", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.objectOrNull("region", regionUpdate)
	if err == nil {
		err = sameID(c.PathValue("region"), values)
	}
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := s.region(c, tx)
		if err != nil {
			return api.Reply{}, err
		}
		region := *old
		if err := s.putRegion(tx, &region, values); err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"region": regionKind.ref(c, &region)}}, nil
	})
}

// putRegion fills and stores a region whose parents exist and are not it.
func (s *Service) putRegion(tx *store.Tx, region *model.Region, values ref) error {
	if description, given := values["description"]; given && description == nil {
		values["description"] = ""
	}
	if err := regionKind.fill(region, values); err != nil {
		return err
	}
	for parent := region.ParentRegionID; parent != nil; {
		if *parent == region.ID {
			return badRequest("The specified parent region %s would create a circular region hierarchy.", *parent)
		}
		above, err := regionKind.find(tx, s.tables.Identity.Regions, *parent)
		if err != nil {
			return err
		}
		parent = above.ParentRegionID
	}
	s.tables.Identity.Regions.Put(tx, region)
	return nil
}

func (s *Service) deleteRegion(c *call) (api.Reply, error) {
	if err := c.may("delete_region", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		region, err := s.region(c, tx)
		if err != nil {
			return api.Reply{}, err
		}
		t := &s.tables.Identity
		tree := s.regionTree(tx, region.ID)
		for _, id := range tree {
			if t.Endpoints.First(tx, t.EndpointByRegion, id) != nil {
				return api.Reply{}, forbiddenf("Unable to delete region %s because it or its child regions have associated endpoints.", region.ID)
			}
		}
		for _, id := range tree {
			t.Regions.Delete(tx, id)
		}
		return noContent, nil
	})
}

// regionTree gives a region and all below it.
func (s *Service) regionTree(r store.Reader, id string) []string {
	tree := []string{id}
	for child := range s.tables.Identity.Regions.By(r, s.tables.Identity.RegionByParent, id) {
		tree = append(tree, s.regionTree(r, child.ID)...)
	}
	return tree
}
