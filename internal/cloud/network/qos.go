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

// objectQoSPolicy is the object_type of RBAC policies that share QoS policies.
const objectQoSPolicy = "qos_policy"

func qosPolicyNotFound(id string) error {
	return rest.NotFound("QosPolicyNotFound", "QoS policy %s could not be found.", id)
}

func (s *Service) serveQoS() {
	res := &rest.Resource[model.QoSPolicy]{
		Name: "policy", Plural: "policies", Path: "/v2.0/qos/policies", Kind: "QosPolicy",
		Attributes: s.attributes["policies"], Table: s.QoSPolicies,
		Meta:   func(q *model.QoSPolicy) *model.Meta { return &q.Meta },
		Tagged: true, NoBulk: true,
		NotFound: func(_ *rest.Call, id string) error { return qosPolicyNotFound(id) },
		Sees: func(c *rest.Call, r store.Reader, q *model.QoSPolicy) bool {
			return s.sharedWith(r, q.ID, accessAsShared, c.Caller.ProjectID)
		},
		View: func(c *rest.Call, r store.Reader, q *model.QoSPolicy, shown map[string]any) {
			shown["shared"] = s.sharedWith(r, q.ID, accessAsShared, c.Caller.ProjectID)
			rules := []map[string]any{}
			for _, rule := range q.Rules {
				m := viewQoSRule(rule)
				m["type"], m["qos_policy_id"] = rule.Type, q.ID
				rules = append(rules, m)
			}
			shown["rules"] = rules
		},
		Filters: map[string]func(*rest.Call, store.Reader, *model.QoSPolicy, []string) bool{
			"shared": func(c *rest.Call, r store.Reader, q *model.QoSPolicy, values []string) bool {
				return slices.Contains(values, api.Text(s.sharedWith(r, q.ID, accessAsShared, c.Caller.ProjectID)))
			},
			// Neutron takes this filter and does not apply it.
			"is_default": func(*rest.Call, store.Reader, *model.QoSPolicy, []string) bool { return true },
		},
		Create: s.createQoSPolicy,
		Update: s.updateQoSPolicy,
		Delete: s.deleteQoSPolicy,
	}
	rest.Add(s.engine, res)
	// The tags of a policy have this path, too.
	rest.AddTags(s.engine, res, "/v2.0/policies")
	s.serveQoSRules()
	s.serveRuleTypes()
}

// seesQoSPolicy tells whether the caller sees a policy; c is nil where nobody asks.
func (s *Service) seesQoSPolicy(c *rest.Call, r store.Reader, q *model.QoSPolicy) bool {
	return c == nil || c.Sees() || q.ProjectID == c.Caller.ProjectID || s.sharedWith(r, q.ID, accessAsShared, c.Caller.ProjectID)
}

// qosPolicy gives a QoS policy that the caller may use. The error is the answer.
func (s *Service) qosPolicy(r store.Reader, c *rest.Call, id string) (*model.QoSPolicy, error) {
	if q := s.QoSPolicies.Get(r, id); q != nil && s.seesQoSPolicy(c, r, q) {
		return q, nil
	}
	return nil, qosPolicyNotFound(id)
}

// defaultQoSPolicy is what a project's new networks have where they name none; nil: none.
func (s *Service) defaultQoSPolicy(r store.Reader, project string) *string {
	for q := range s.QoSPolicies.All(r) {
		if q.IsDefault && q.ProjectID == project {
			return &q.ID
		}
	}
	return nil
}

func (s *Service) createQoSPolicy(_ *rest.Call, tx *store.Tx, v rest.Values, q *model.QoSPolicy) error {
	q.Rules = []model.QoSRule{}
	if err := s.checkOneDefault(tx, q); err != nil {
		return err
	}
	if v.Bool("shared") {
		s.share(tx, q.ProjectID, objectQoSPolicy, q.ID, accessAsShared)
	}
	return nil
}

// checkOneDefault refuses a second default policy of a project.
func (s *Service) checkOneDefault(r store.Reader, q *model.QoSPolicy) error {
	if !q.IsDefault {
		return nil
	}
	if id := s.defaultQoSPolicy(r, q.ProjectID); id != nil && *id != q.ID {
		return rest.Conflict("QoSPolicyDefaultAlreadyExists", "A default QoS policy exists for project %s.", q.ProjectID)
	}
	return nil
}

func (s *Service) updateQoSPolicy(_ *rest.Call, tx *store.Tx, v rest.Values, _, q *model.QoSPolicy) error {
	if err := s.checkOneDefault(tx, q); err != nil {
		return err
	}
	if !v.Has("shared") {
		return nil
	}
	for _, p := range slices.Collect(s.RBACPolicies.By(tx, s.Index.RBACByObject, q.ID)) {
		if p.TargetTenant == "*" {
			if v.Bool("shared") {
				return nil
			}
			if err := s.mayUnshareQoSPolicy(tx, q, p.ID); err != nil {
				return err
			}
			s.RBACPolicies.Delete(tx, p.ID)
		}
	}
	if v.Bool("shared") {
		s.share(tx, q.ProjectID, objectQoSPolicy, q.ID, accessAsShared)
	}
	return nil
}

func (s *Service) deleteQoSPolicy(_ *rest.Call, tx *store.Tx, q *model.QoSPolicy) error {
	for _, user := range s.qosUsers(tx, q.ID) {
		return rest.Conflict("QosPolicyInUse", "QoS Policy %s is used by %s %s.", q.ID, user.kind, user.id)
	}
	s.unshare(tx, q.ID)
	return nil
}

// user is something that names another thing.
type user struct{ kind, id, project string }

// qosUsers gives the first of each kind that uses a policy, for each project.
func (s *Service) qosUsers(r store.Reader, id string) (users []user) {
	seen := map[user]bool{}
	add := func(kind string, m *model.Meta) {
		if key := (user{kind: kind, project: m.ProjectID}); !seen[key] {
			seen[key] = true
			users = append(users, user{kind, m.ID, m.ProjectID})
		}
	}
	for p := range s.Ports.By(r, s.Index.PortByQoSPolicy, id) {
		if p.QoSPolicyID != nil && *p.QoSPolicyID == id {
			add("port", &p.Meta)
		}
	}
	for n := range s.Networks.By(r, s.Index.NetworkByQoSPolicy, id) {
		add("network", &n.Meta)
	}
	for f := range s.FloatingIPs.By(r, s.Index.FloatingIPByQoSPolicy, id) {
		add("fip", &f.Meta)
	}
	for row := range s.Routers.By(r, s.Index.RouterByQoSPolicy, id) {
		add("router", &row.Meta)
	}
	return users
}

// mayUnshareQoSPolicy refuses to take a policy from those that use it and
// would not see it without one of its RBAC policies.
func (s *Service) mayUnshareQoSPolicy(r store.Reader, q *model.QoSPolicy, without string) error {
	for _, u := range s.qosUsers(r, q.ID) {
		sees := u.project == q.ProjectID
		for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, q.ID) {
			sees = sees || p.ID != without && (p.TargetTenant == "*" || p.TargetTenant == u.project)
		}
		if !sees {
			return rest.Conflict("QosPolicySharedAndInUse",
				"RBAC policy on object %s cannot be removed because other objects depend on it.\nDetails: project_id=%s", q.ID, u.project)
		}
	}
	return nil
}

// networkQoS checks that OVN can do what a network's policy says.
func (s *Service) networkQoS(r store.Reader, n *model.Network) error {
	if n.QoSPolicyID == nil {
		return nil
	}
	if q := s.QoSPolicies.Get(r, *n.QoSPolicyID); q != nil {
		for _, rule := range q.Rules {
			if !supported(rule.Type) {
				return rest.Conflict("QosRuleNotSupportedByNetwork", "Rule %s is not supported by network %s", rule.Type, n.ID)
			}
		}
	}
	return nil
}

// portQoS checks that OVN can do what a port's policy says.
func (s *Service) portQoS(r store.Reader, id *string, p *model.Port) error {
	if id == nil {
		return nil
	}
	if q := s.QoSPolicies.Get(r, *id); q != nil {
		for _, rule := range q.Rules {
			if !ruleSuits(rule, p) {
				return ruleNotSupported(rule, p)
			}
		}
	}
	return nil
}

func ruleNotSupported(rule model.QoSRule, p *model.Port) error {
	return rest.Conflict("QosRuleNotSupported", "Rule %s is not supported by port %s", rule.Type, p.ID)
}

// ruleSuits tells whether OVN can do what a rule says for a port.
func ruleSuits(rule model.QoSRule, p *model.Port) bool {
	unbound := p.VIFType == "" || p.VIFType == vifUnbound || p.VIFType == vifFailed
	return supported(rule.Type) && (!unbound || p.VNICType == "" || p.VNICType == "normal")
}
