// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) addressScopeResource() *rest.Resource[model.AddressScope] {
	return &rest.Resource[model.AddressScope]{
		Name: "address_scope", Plural: "address_scopes", Kind: "AddressScope", Attributes: s.attributes["address_scopes"], Table: s.AddressScopes,
		Meta:     (*model.AddressScope).Of,
		NotFound: func(_ *rest.Call, id string) error { return addressScopeNotFound(id) },
		Sees: func(c *rest.Call, r store.Reader, a *model.AddressScope) bool {
			return s.sharedWith(r, a.ID, accessAsShared, c.Caller.ProjectID)
		},
		Target: func(c *rest.Call, r store.Reader, a *model.AddressScope) rest.Target {
			return rest.Target{ProjectID: a.ProjectID, Shared: s.sharedWith(r, a.ID, accessAsShared, c.Caller.ProjectID)}
		},
		View: func(c *rest.Call, r store.Reader, a *model.AddressScope, shown map[string]any) {
			shown["shared"] = s.sharedWith(r, a.ID, accessAsShared, c.Caller.ProjectID)
		},
		Filters: map[string]func(*rest.Call, store.Reader, *model.AddressScope, []string) bool{
			"shared": sharedFilter(s, func(a *model.AddressScope) string { return a.ID }),
		},
		Create: func(_ *rest.Call, tx *store.Tx, v rest.Values, a *model.AddressScope) error {
			if v.Bool("shared") {
				s.share(tx, a.ProjectID, "address_scope", a.ID, accessAsShared)
			}
			return nil
		},
		Update: s.updateAddressScope,
		Delete: func(_ *rest.Call, tx *store.Tx, a *model.AddressScope) error {
			if s.SubnetPools.First(tx, s.Index.SubnetPoolByScope, a.ID) != nil {
				return rest.Conflict("AddressScopeInUse", "Unable to complete operation on address scope %s. There are one or more subnet pools in use on the address scope.", a.ID)
			}
			s.unshare(tx, a.ID)
			return nil
		},
	}
}

func (s *Service) updateAddressScope(c *rest.Call, tx *store.Tx, v rest.Values, old, a *model.AddressScope) error {
	if !v.Has("shared") {
		return nil
	}
	shared := s.sharedWith(tx, old.ID, accessAsShared, c.Caller.ProjectID)
	switch {
	case shared && !v.Bool("shared"):
		return badRequest("AddressScopeUpdateError", "Unable to update address scope %s : Shared address scope can't be unshared.", a.ID)
	case !shared && v.Bool("shared"):
		s.share(tx, a.ProjectID, "address_scope", a.ID, accessAsShared)
	}
	return nil
}

func addressScopeNotFound(id string) error {
	return rest.NotFound("AddressScopeNotFound", "Address scope %s could not be found.", id)
}
