// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The actions of RBAC policies.
const (
	accessAsShared   = "access_as_shared"
	accessAsExternal = "access_as_external"
)

// everybody is the project of a policy for all projects.
const everybody = "*"

// shareable is a type of object that RBAC policies are about.
type shareable struct {
	// find gives the object of an id, or nil.
	find func(s *Service, r store.Reader, id string) *model.Meta
	// users gives the projects that use an object.
	users func(s *Service, r store.Reader, id string) []string
}

var shareables = map[string]shareable{
	"network": {
		find: func(s *Service, r store.Reader, id string) *model.Meta { return metaOf(s.Networks.Get(r, id)) },
	},
	"subnetpool": {
		find: func(s *Service, r store.Reader, id string) *model.Meta { return metaOf(s.SubnetPools.Get(r, id)) },
		users: func(s *Service, r store.Reader, id string) []string {
			return owners(s.Subnets, r, s.Index.SubnetByPool, id)
		},
	},
	"address_scope": {
		find: func(s *Service, r store.Reader, id string) *model.Meta { return metaOf(s.AddressScopes.Get(r, id)) },
		users: func(s *Service, r store.Reader, id string) []string {
			return owners(s.SubnetPools, r, s.Index.SubnetPoolByScope, id)
		},
	},
	"security_group": {
		find: func(s *Service, r store.Reader, id string) *model.Meta { return metaOf(s.SecurityGroups.Get(r, id)) },
		users: func(s *Service, r store.Reader, id string) []string {
			return owners(s.Ports, r, s.Index.PortBySecurityGroup, id)
		},
	},
	"qos_policy": {
		find: func(s *Service, r store.Reader, id string) *model.Meta { return metaOf(s.QoSPolicies.Get(r, id)) },
		users: func(s *Service, r store.Reader, id string) []string {
			return slices.Concat(owners(s.Networks, r, s.Index.NetworkByQoSPolicy, id), owners(s.Ports, r, s.Index.PortByQoSPolicy, id),
				owners(s.FloatingIPs, r, s.Index.FloatingIPByQoSPolicy, id), owners(s.Routers, r, s.Index.RouterByQoSPolicy, id))
		},
	},
	"address_group": {
		find: func(s *Service, r store.Reader, id string) *model.Meta { return metaOf(s.AddressGroups.Get(r, id)) },
		users: func(s *Service, r store.Reader, id string) []string {
			return owners(s.SecurityGroupRules, r, s.Index.RuleByAddressGroup, id)
		},
	},
}

// row is a row with a Meta.
type row[T any] interface {
	*T
	model.Resource
}

func metaOf[T any, P row[T]](r P) *model.Meta {
	if r == nil {
		return nil
	}
	return r.Of()
}

func owners[T any, P row[T]](t *store.Table[T], r store.Reader, ix *store.Index[T], key string) (projects []string) {
	for one := range t.By(r, ix, key) {
		projects = append(projects, P(one).Of().ProjectID)
	}
	slices.Sort(projects)
	return slices.Compact(projects)
}

// sharedWith tells whether an RBAC policy lets a project use an object.
func (s *Service) sharedWith(r store.Reader, id, action, project string) bool {
	for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, id) {
		if p.Action == action && (p.TargetTenant == everybody || p.TargetTenant == project) {
			return true
		}
	}
	return false
}

func checkObjectType(v any) (any, error) {
	text, ok := v.(string)
	kind := strings.ToLower(strings.TrimSpace(text))
	if _, known := shareables[kind]; !ok || !known {
		return nil, rest.InvalidInput("'%s' is not a valid RBAC object type", rest.Str(v))
	}
	return kind, nil
}

func (s *Service) rbacResource() *rest.Resource[model.RBACPolicy] {
	return &rest.Resource[model.RBACPolicy]{
		Name: "rbac_policy", Plural: "rbac_policies", Attributes: s.attributes["rbac_policies"], Table: s.RBACPolicies,
		Meta: (*model.RBACPolicy).Of, Quota: "rbac_policy",
		NotFound: func(_ *rest.Call, id string) error {
			kind := "unknown"
			// Who asks has the store open.
			if p := s.RBACPolicies.Get(nil, id); p != nil {
				kind = p.ObjectType
			}
			return rest.NotFound("RbacPolicyNotFound", "RBAC policy of type %s with ID %s not found", kind, id)
		},
		Target: func(_ *rest.Call, _ store.Reader, p *model.RBACPolicy) rest.Target {
			return rest.Target{ProjectID: p.ProjectID, Wildcard: p.TargetTenant == everybody}
		},
		Indexes: []rest.By[model.RBACPolicy]{{Filter: "object_id", Index: s.Index.RBACByObject}},
		Create:  s.createRBAC, Update: s.updateRBAC, Delete: s.deleteRBAC,
	}
}

// mayShare checks that an object is there and may be shared by the caller.
func (s *Service) mayShare(c *rest.Call, r store.Reader, p *model.RBACPolicy) error {
	object := shareables[p.ObjectType].find(s, r, p.ObjectID)
	what := "objects"
	if p.ObjectType == "network" {
		what = "networks"
		if n := s.Networks.Get(r, p.ObjectID); n == nil || !s.sees(c, r, n) {
			return rest.InvalidInput("Network %s could not be found.", p.ObjectID)
		}
	}
	if object == nil {
		return rest.InvalidInput("The object %s could not be found", p.ObjectID)
	}
	if !c.Caller.Admin() && object.ProjectID != c.Caller.ProjectID {
		return rest.InvalidInput("Only admins can manipulate policies on %s they do not own", what)
	}
	return nil
}

func (s *Service) createRBAC(c *rest.Call, tx *store.Tx, _ rest.Values, p *model.RBACPolicy) error {
	if err := s.mayShare(c, tx, p); err != nil {
		return err
	}
	if pool := s.SubnetPools.Get(tx, p.ObjectID); pool != nil && pool.AddressScopeID != nil && !s.sharedWith(tx, *pool.AddressScopeID, accessAsShared, p.TargetTenant) {
		return rest.InvalidInput("Failed to create RBAC policy on object %s because target project doesn't have access to associated address scope..", p.ObjectID)
	}
	switch {
	case p.ObjectType == "network" && p.Action != accessAsShared && p.Action != accessAsExternal:
		return badRequest("InvalidActionForType", "Invalid action '%s' for object type '%s'. Valid actions: ('access_as_shared', 'access_as_external')", p.Action, p.ObjectType)
	case p.ObjectType != "network" && p.Action != accessAsShared:
		return badRequest("InvalidActionForType", "Invalid action '%s' for object type '%s'. Valid actions: ('access_as_shared',)", p.Action, p.ObjectType)
	}
	if err := s.uniqueRBAC(tx, p); err != nil {
		return err
	}
	s.networkOpened(tx, p)
	return nil
}

func (s *Service) uniqueRBAC(r store.Reader, p *model.RBACPolicy) error {
	for other := range s.RBACPolicies.By(r, s.Index.RBACByObject, p.ObjectID) {
		if other.ID != p.ID && other.Action == p.Action && other.TargetTenant == p.TargetTenant {
			return rest.Conflict("DuplicateRbacPolicy", "An RBAC policy already exists with those values.")
		}
	}
	return nil
}

// networkOpened makes a network external that is opened as such, and counts its revision up.
func (s *Service) networkOpened(tx *store.Tx, p *model.RBACPolicy) {
	n := s.Networks.Get(tx, p.ObjectID)
	if p.ObjectType != "network" || n == nil {
		return
	}
	changed := *n
	if !n.External && p.Action == accessAsExternal {
		changed.External = true
		s.engine.Touch(&changed.Meta) // as Neutron does it, for each of the two
	}
	s.engine.Touch(&changed.Meta)
	s.Networks.Put(tx, &changed)
}

func (s *Service) updateRBAC(c *rest.Call, tx *store.Tx, _ rest.Values, old, p *model.RBACPolicy) error {
	if err := s.mayShare(c, tx, p); err != nil {
		return err
	}
	if old.TargetTenant == p.TargetTenant {
		return nil
	}
	if p.TargetTenant != everybody || p.ObjectType == "network" {
		if err := s.mayClose(tx, old, p.TargetTenant); err != nil {
			return err
		}
	}
	return s.uniqueRBAC(tx, p)
}

func (s *Service) deleteRBAC(_ *rest.Call, tx *store.Tx, p *model.RBACPolicy) error {
	if err := s.mayClose(tx, p, ""); err != nil {
		return err
	}
	n := s.Networks.Get(tx, p.ObjectID)
	if p.ObjectType != "network" || n == nil {
		return nil
	}
	changed := *n
	if p.Action == accessAsExternal {
		others := 0
		for other := range s.RBACPolicies.By(tx, s.Index.RBACByObject, n.ID) {
			if other.Action == accessAsExternal && other.ID != p.ID {
				others++
			}
		}
		if others == 0 {
			changed.External, changed.IsDefault = false, false
			if err := s.networkChanges(tx, nil, n, &changed); err != nil {
				return err
			}
		}
	}
	s.engine.Touch(&changed.Meta)
	s.Networks.Put(tx, &changed)
	return nil
}

func policyInUse(p *model.RBACPolicy, details string) error {
	return rest.Conflict("RbacPolicyInUse", "RBAC policy on object %s cannot be removed because other objects depend on it.\nDetails: %s", p.ObjectID, details)
}

// mayClose refuses to take an object away from a project that uses it. instead
// is the project that gets it in exchange; may be empty.
func (s *Service) mayClose(r store.Reader, p *model.RBACPolicy, instead string) error {
	object := shareables[p.ObjectType].find(s, r, p.ObjectID)
	if object == nil || object.ProjectID == p.TargetTenant {
		return nil
	}
	var open []string
	for other := range s.RBACPolicies.By(r, s.Index.RBACByObject, p.ObjectID) {
		if other.Action == p.Action && other.ID != p.ID {
			open = append(open, other.TargetTenant)
		}
	}
	if instead != "" {
		open = append(open, instead)
	}
	var users []string
	details := "project_id=" + p.TargetTenant
	switch {
	case p.Action == accessAsExternal:
		if n := s.Networks.Get(r, p.ObjectID); n != nil && n.IsDefault && p.TargetTenant == everybody {
			return policyInUse(p, "Default external networks must be shared to everyone.")
		}
		users = owners(s.Routers, r, s.Index.RouterByGateway, p.ObjectID)
		details = "There are routers attached to this network that depend on this policy for access."
	case p.ObjectType == "network":
		users = owners(s.Ports, r, s.Index.PortByNetwork, p.ObjectID)
		details = "Unable to reconfigure sharing settings for network " + p.ObjectID + ". Multiple tenants are using it."
	default:
		users = shareables[p.ObjectType].users(s, r, p.ObjectID)
	}
	for _, user := range users {
		concerned := p.TargetTenant == everybody || p.TargetTenant == user
		if concerned && user != "" && user != object.ProjectID && !slices.Contains(open, user) && !slices.Contains(open, everybody) {
			return policyInUse(p, details)
		}
	}
	return nil
}

// mayUnshare refuses to take a network away from everybody when a project uses it that has no policy of its own.
func (s *Service) mayUnshare(r store.Reader, n *model.Network) error {
	allowed := []string{n.ProjectID}
	for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, n.ID) {
		if p.Action == accessAsShared && p.TargetTenant != everybody {
			allowed = append(allowed, p.TargetTenant)
		}
	}
	users := owners(s.Subnets, r, s.Index.SubnetByNetwork, n.ID)
	for p := range s.Ports.By(r, s.Index.PortByNetwork, n.ID) {
		if !trusted(p.DeviceOwner) {
			users = append(users, p.ProjectID)
		}
	}
	if slices.ContainsFunc(users, func(user string) bool { return !slices.Contains(allowed, user) }) {
		return rest.Conflict("InvalidSharedSetting", "Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.Name)
	}
	return nil
}

// sharedFilter is the filter "shared" of a resource that RBAC policies are about.
func sharedFilter[T any](s *Service, id func(*T) string) func(*rest.Call, store.Reader, *T, []string) bool {
	return func(c *rest.Call, r store.Reader, row *T, values []string) bool {
		return slices.Contains(values, api.Text(s.sharedWith(r, id(row), accessAsShared, c.Caller.ProjectID)))
	}
}
