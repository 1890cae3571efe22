// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func addressGroupNotFound(id string) error {
	return rest.NotFound("AddressGroupNotFound", "Address group %s could not be found.", id)
}

func (s *Service) serveAddressGroups() {
	res := &rest.Resource[model.AddressGroup]{
		Name: "address_group", Plural: "address_groups", Kind: "AddressGroup",
		Attributes: s.attributes["address_groups"], Table: s.AddressGroups,
		Meta:     func(g *model.AddressGroup) *model.Meta { return &g.Meta },
		NotFound: func(_ *rest.Call, id string) error { return addressGroupNotFound(id) },
		Sees: func(c *rest.Call, r store.Reader, g *model.AddressGroup) bool {
			return s.sharedWith(r, g.ID, accessAsShared, c.Caller.ProjectID)
		},
		Target: func(_ *rest.Call, r store.Reader, g *model.AddressGroup) rest.Target {
			return rest.Target{ProjectID: g.ProjectID, Shared: s.RBACPolicies.First(r, s.Index.RBACByObject, g.ID) != nil}
		},
		Create: func(_ *rest.Call, _ *store.Tx, v rest.Values, g *model.AddressGroup) (err error) {
			g.Addresses, err = prefixes(v.Strings("addresses"))
			g.RevisionNumber = int64(len(g.Addresses))
			return err
		},
		Delete: func(_ *rest.Call, tx *store.Tx, g *model.AddressGroup) error {
			if s.SecurityGroupRules.First(tx, s.Index.RuleByAddressGroup, g.ID) != nil {
				return rest.Conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", g.ID)
			}
			s.unshare(tx, g.ID)
			return nil
		},
	}
	rest.Add(s.engine, res)
	rest.Act(s.engine, res, "add_addresses", s.addAddresses)
	rest.Act(s.engine, res, "remove_addresses", s.removeAddresses)
}

// prefixes gives the networks that texts stand for, each once and in order.
func prefixes(texts []string) ([]string, error) {
	list := []string{}
	for _, text := range texts {
		prefix, ok := parseCIDR(text)
		if !ok {
			return nil, badRequest("AddrFormatError", "invalid IPNetwork %s", text)
		}
		list = append(list, prefix.Masked().String())
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// addressesOf reads the body of an action: its networks, and which of them the group has.
func addressesOf(body map[string]any, g *model.AddressGroup) (there, absent []string, err error) {
	if _, ok := body["addresses"].([]any); !ok {
		return nil, nil, rest.BadRequest("Invalid input for addresses. Reason: '%s' is not a list.", rest.Str(body["addresses"]))
	}
	list, err := prefixes(rest.Values(body).Strings("addresses"))
	for _, prefix := range list {
		if slices.Contains(g.Addresses, prefix) {
			there = append(there, prefix)
		} else {
			absent = append(absent, prefix)
		}
	}
	return there, absent, err
}

func (s *Service) addAddresses(c *rest.Call, tx *store.Tx, body map[string]any, g *model.AddressGroup) (any, error) {
	there, absent, err := addressesOf(body, g)
	if err != nil {
		return nil, err
	}
	if there != nil {
		return nil, badRequest("AddressesAlreadyExist", "Addresses %s already exist in the address group %s.", rest.Repr(there), g.ID)
	}
	return s.setAddresses(c, tx, g, slices.Concat(g.Addresses, absent)), nil
}

func (s *Service) removeAddresses(c *rest.Call, tx *store.Tx, body map[string]any, g *model.AddressGroup) (any, error) {
	there, absent, err := addressesOf(body, g)
	if err != nil {
		return nil, err
	}
	if absent != nil {
		return nil, rest.NotFound("AddressesNotFound", "Addresses %s not found in the address group %s.", rest.Repr(absent), g.ID)
	}
	left := slices.DeleteFunc(slices.Clone(g.Addresses), func(a string) bool { return slices.Contains(there, a) })
	return s.setAddresses(c, tx, g, left), nil
}

var addressGroupColumns = api.ColumnsOf[model.AddressGroup](rest.TimeLayout)

// setAddresses stores a group with other addresses, and gives the answer,
// which shows more than the group itself does.
func (s *Service) setAddresses(c *rest.Call, tx *store.Tx, old *model.AddressGroup, addresses []string) any {
	g := *old
	g.Addresses = addresses
	slices.Sort(g.Addresses)
	if n := len(addresses) - len(old.Addresses); n != 0 {
		s.engine.Touch(&g.Meta)
		g.RevisionNumber += int64(max(n, -n) - 1) // each address counts
		s.AddressGroups.Put(tx, &g)
	}
	shown := addressGroupColumns.Map(&g)
	shown["tenant_id"] = g.ProjectID
	shown["shared"] = s.sharedWith(tx, g.ID, accessAsShared, c.Caller.ProjectID)
	delete(shown, "tags")
	return map[string]any{"address_group": shown}
}
