// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The types of QoS rules.
const (
	qosBandwidthLimit    = "bandwidth_limit"
	qosDSCPMarking       = "dscp_marking"
	qosMinimumBandwidth  = "minimum_bandwidth"
	qosMinimumPacketRate = "minimum_packet_rate"
	qosPacketRateLimit   = "packet_rate_limit"
)

// qosTypes are in the order in which a policy shows its rules.
var qosTypes = []string{qosBandwidthLimit, qosDSCPMarking, qosMinimumBandwidth, qosMinimumPacketRate, qosPacketRateLimit}

// supported tells whether OVN can do what rules of a type say.
func supported(kind string) bool {
	return kind == qosBandwidthLimit || kind == qosDSCPMarking || kind == qosMinimumBandwidth
}

func viewQoSRule(rule model.QoSRule) map[string]any {
	m := map[string]any{"id": rule.ID, "direction": rule.Direction}
	switch rule.Type {
	case qosBandwidthLimit:
		m["max_kbps"], m["max_burst_kbps"] = rule.MaxKbps, rule.MaxBurstKbps
	case qosDSCPMarking:
		m["dscp_mark"] = rule.DSCPMark
		delete(m, "direction")
	case qosMinimumBandwidth:
		m["min_kbps"] = rule.MinKbps
	case qosMinimumPacketRate:
		m["min_kpps"] = rule.MinKpps
	case qosPacketRateLimit:
		m["max_kpps"], m["max_burst_kpps"] = rule.MaxKpps, rule.MaxBurstKpps
	}
	return m
}

// setQoSRule puts the values of a request into a rule.
func setQoSRule(rule *model.QoSRule, v rest.Values) {
	for name, field := range map[string]*int{
		"max_kbps": &rule.MaxKbps, "max_burst_kbps": &rule.MaxBurstKbps, "dscp_mark": &rule.DSCPMark, "min_kbps": &rule.MinKbps,
		"min_kpps": &rule.MinKpps, "max_kpps": &rule.MaxKpps, "max_burst_kpps": &rule.MaxBurstKpps,
	} {
		if n, ok := v.Int(name); ok {
			*field = n
		}
	}
	if v.Has("direction") {
		rule.Direction = v.String("direction")
	}
}

// qosRules serves the rules of one type: below their policy, and by the ids alone.
type qosRules struct {
	*Service
	kind string
	// name is the rule's in bodies and in the names of policy rules.
	name       string
	attributes *rest.Attributes
}

func (s *Service) serveQoSRules() {
	for _, kind := range qosTypes {
		q := &qosRules{s, kind, kind + "_rule", s.attributes[kind+"_rules"]}
		path := "/v2.0/qos/policies/{parent}/" + q.name + "s"
		s.mux.Handle("GET "+path, q.list)
		s.mux.Handle("POST "+path, q.create)
		s.mux.Handle("GET "+path+"/{id}", q.show)
		s.mux.Handle("PUT "+path+"/{id}", q.update)
		s.mux.Handle("DELETE "+path+"/{id}", q.delete)
		if kind == qosPacketRateLimit {
			continue
		}
		for _, alias := range []string{"/v2.0/qos/alias_" + q.name + "s", "/v2.0/qos/alias-" + strings.ReplaceAll(q.name, "_", "-") + "s"} {
			s.mux.Handle("GET "+alias+"/{id}", q.show)
			s.mux.Handle("PUT "+alias+"/{id}", q.update)
			s.mux.Handle("DELETE "+alias+"/{id}", q.delete)
		}
	}
}

// called is the rule's name in a request: its policy is in the path, or it is called an alias.
func (q *qosRules) called(c *rest.Call) string {
	if c.Parent == "" {
		return "alias_" + q.name
	}
	return q.name
}

// allowed checks whether the caller may do something with the rules.
func (q *qosRules) allowed(c *rest.Call, action string) error {
	name := q.called(c)
	if c.Parent != "" {
		name = "policy_" + name
	}
	if rule := action + "_" + name; !c.Allows(rule, rest.Target{}) {
		return api.Errorf(http.StatusForbidden, "PolicyNotAuthorized", "rule:%s is disallowed by policy", rule)
	}
	return nil
}

// policy gives the policy of the path.
func (q *qosRules) policy(c *rest.Call, r store.Reader) (*model.QoSPolicy, error) {
	return q.qosPolicy(r, c, c.Parent)
}

// find gives a rule, its place in its policy, and the policy.
func (q *qosRules) find(c *rest.Call, r store.Reader) (*model.QoSPolicy, int, error) {
	id := c.PathValue("id")
	if c.Parent != "" {
		if _, err := q.policy(c, r); err != nil {
			return nil, 0, err
		}
	}
	for policy := range q.QoSPolicies.All(r) {
		at := slices.IndexFunc(policy.Rules, func(rule model.QoSRule) bool { return rule.ID == id && rule.Type == q.kind })
		// A rule is also found by way of another policy, but only to look at it.
		if at < 0 || c.Parent != "" && c.Parent != policy.ID && c.Method != http.MethodGet {
			continue
		}
		if !q.seesQoSPolicy(c, r, policy) {
			return nil, 0, qosPolicyNotFound(policy.ID)
		}
		return policy, at, nil
	}
	return nil, 0, rest.NotFound("QosRuleNotFound", "QoS rule %s for policy %s could not be found.", id, c.Parent)
}

func (q *qosRules) list(r *api.Request) (api.Reply, error) {
	c := q.engine.NewCall(r)
	var items []map[string]any
	var err error
	q.View(func(r store.Reader) {
		var policy *model.QoSPolicy
		if policy, err = q.policy(c, r); err != nil {
			return
		}
		for _, rule := range policy.Rules {
			if rule.Type == q.kind {
				items = append(items, viewQoSRule(rule))
			}
		}
	})
	if err != nil {
		return api.Reply{}, err
	}
	body, err := rest.Choose(r, q.name+"s", q.attributes, items)
	return api.Reply{Body: body}, err
}

func (q *qosRules) show(r *api.Request) (api.Reply, error) {
	c := q.engine.NewCall(r)
	var body any
	var err error
	q.View(func(r store.Reader) {
		policy, at, e := q.find(c, r)
		if err = e; err == nil {
			body = map[string]any{q.called(c): rest.Fields(viewQoSRule(policy.Rules[at]), c.URL.Query()["fields"])}
		}
	})
	return api.Reply{Body: body}, err
}

func (q *qosRules) create(r *api.Request) (api.Reply, error) {
	c := q.engine.NewCall(r)
	v, err := rest.Given(c, q.called(c), q.attributes, true)
	if err != nil {
		return api.Reply{}, err
	}
	rule := model.QoSRule{ID: uuid.NewString(), Type: q.kind}
	setQoSRule(&rule, v)
	err = q.engine.Change(c, func(tx *store.Tx) error {
		if err := q.allowed(c, "create"); err != nil {
			return err
		}
		policy, err := q.policy(c, tx)
		if err != nil {
			return err
		}
		return q.store(tx, policy, append(slices.Clone(policy.Rules), rule), &rule, v)
	})
	return api.Reply{Status: http.StatusCreated, Body: map[string]any{q.called(c): viewQoSRule(rule)}}, err
}

func (q *qosRules) update(r *api.Request) (api.Reply, error) {
	c := q.engine.NewCall(r)
	v, err := rest.Given(c, q.called(c), q.attributes, false)
	if err != nil {
		return api.Reply{}, err
	}
	var rule model.QoSRule
	err = q.engine.Change(c, func(tx *store.Tx) error {
		policy, at, err := q.find(c, tx)
		if err != nil {
			return err
		}
		if err := q.allowed(c, "update"); err != nil {
			return err
		}
		rules := slices.Clone(policy.Rules)
		setQoSRule(&rules[at], v)
		rule = rules[at]
		return q.store(tx, policy, rules, &rule, v)
	})
	return api.Reply{Body: map[string]any{q.called(c): viewQoSRule(rule)}}, err
}

func (q *qosRules) delete(r *api.Request) (api.Reply, error) {
	c := q.engine.NewCall(r)
	err := q.engine.Change(c, func(tx *store.Tx) error {
		policy, at, err := q.find(c, tx)
		if err != nil {
			return err
		}
		if err := q.allowed(c, "delete"); err != nil {
			return err
		}
		return q.store(tx, policy, slices.Delete(slices.Clone(policy.Rules), at, at+1), nil, nil)
	})
	return api.Reply{Status: http.StatusNoContent}, err
}

// store stores a policy with other rules, of which one is new or changed by v.
func (q *qosRules) store(tx *store.Tx, old *model.QoSPolicy, rules []model.QoSRule, changed *model.QoSRule, v rest.Values) error {
	policy := *old
	policy.Rules = rules
	slices.SortFunc(policy.Rules, func(a, b model.QoSRule) int {
		if d := strings.Compare(a.Type, b.Type); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	if changed != nil {
		if err := checkQoSConflicts(old, *changed, v); err != nil {
			return err
		}
		if err := q.checkQoSPorts(tx, &policy); err != nil {
			return err
		}
	}
	if changed != nil && len(v) == 0 {
		return nil
	}
	q.engine.Touch(&policy.Meta)
	q.QoSPolicies.Put(tx, &policy)
	return nil
}

// checkQoSConflicts compares a rule with the others of its policy.
func checkQoSConflicts(policy *model.QoSPolicy, changed model.QoSRule, v rest.Values) error {
	conflict := func(value any, kind string, existing any) error {
		return rest.Conflict("QoSRuleParameterConflict",
			"Unable to add the rule with value %v to the policy %s as the existing rule of type %s has value %v.", value, policy.ID, kind, existing)
	}
	for _, rule := range policy.Rules {
		if most, given := v.Int("max_kbps"); given && rule.Type == qosMinimumBandwidth && rule.MinKbps > most {
			return conflict(most, rule.Type, rule.MinKbps)
		}
		if least, given := v.Int("min_kbps"); given && rule.Type == qosBandwidthLimit && rule.MaxKbps < least {
			return conflict(least, rule.Type, rule.MaxKbps)
		}
	}
	for _, rule := range policy.Rules {
		either := (rule.Direction == "any") != (changed.Direction == "any")
		if rule.ID != changed.ID && rule.Type == qosMinimumPacketRate && changed.Type == rule.Type && either {
			return conflict(changed.Direction, rule.Type, rule.Direction)
		}
	}
	for _, rule := range policy.Rules {
		if rule.ID != changed.ID && rule.Type == changed.Type && rule.Direction == changed.Direction {
			return rest.Conflict("QoSRulesConflict", "Rule %s conflicts with rule %s which already exists in QoS Policy %s.", changed.Type, rule.ID, policy.ID)
		}
	}
	return nil
}

// checkQoSPorts refuses rules that OVN cannot do for a port that has the policy.
func (s *Service) checkQoSPorts(r store.Reader, policy *model.QoSPolicy) error {
	for p := range s.Ports.By(r, s.Index.PortByQoSPolicy, policy.ID) {
		for _, rule := range policy.Rules {
			if !ruleSuits(rule, p) {
				return ruleNotSupported(rule, p)
			}
		}
	}
	return nil
}
