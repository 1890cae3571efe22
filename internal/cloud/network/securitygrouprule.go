// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) serveSecurityGroupRules() {
	rest.Add(s.engine, &rest.Resource[model.SecurityGroupRule]{
		Name: "security_group_rule", Plural: "security_group_rules", Kind: "SecurityGroupRule",
		Attributes: s.attributes["security_group_rules"], Table: s.SecurityGroupRules,
		Meta:       func(rule *model.SecurityGroupRule) *model.Meta { return &rule.Meta },
		Quota:      "security_group_rule",
		BeforeList: s.ensureDefaultGroup,
		Concealed:  rest.NotFound("HTTPNotFound", "The resource could not be found."),
		NotFound: func(_ *rest.Call, id string) error {
			return rest.NotFound("SecurityGroupRuleNotFound", "Security group rule %s does not exist", id)
		},
		Sees:   s.seesRule,
		Target: s.ruleTarget,
		Indexes: []rest.By[model.SecurityGroupRule]{
			{Filter: "security_group_id", Index: s.Index.RuleByGroup},
			{Filter: "remote_group_id", Index: s.Index.RuleByRemoteGroup},
			{Filter: "remote_address_group_id", Index: s.Index.RuleByAddressGroup},
		},
		Creates: s.checkRules,
		Create:  s.createRule,
		Update: func(*rest.Call, *store.Tx, rest.Values, *model.SecurityGroupRule, *model.SecurityGroupRule) error {
			return badRequest("HTTPBadRequest", "Security group rules cannot be updated.")
		},
		Delete: func(_ *rest.Call, tx *store.Tx, rule *model.SecurityGroupRule) error {
			s.bumpGroup(tx, rule.SecurityGroupID)
			return nil
		},
	})
}

func (s *Service) bumpGroup(tx *store.Tx, id string) {
	bump(s, tx, s.SecurityGroups, id, func(g *model.SecurityGroup) *model.Meta { return &g.Meta })
}

// ruleTarget has the group's owner as the parent's.
func (s *Service) ruleTarget(_ *rest.Call, r store.Reader, rule *model.SecurityGroupRule) rest.Target {
	t := rest.Target{ProjectID: rule.ProjectID}
	if g := s.SecurityGroups.Get(r, rule.SecurityGroupID); g != nil {
		t.ParentProject = g.ProjectID
	}
	return t
}

func (s *Service) seesRule(c *rest.Call, r store.Reader, rule *model.SecurityGroupRule) bool {
	return s.ruleTarget(c, r, rule).ParentProject == c.Caller.ProjectID
}

// checkRules checks what the rules of one create request are together: of one
// group and one project, and without a rule twice.
func (s *Service) checkRules(c *rest.Call, tx *store.Tx, rules []*model.SecurityGroupRule) error {
	for _, rule := range rules[1:] {
		if rule.SecurityGroupID != rules[0].SecurityGroupID {
			return badRequest("SecurityGroupNotSingleGroupRules", "Only allowed to update rules for one security profile at a time")
		}
		if rule.ProjectID != rules[0].ProjectID {
			return badRequest("SecurityGroupRulesNotSingleTenant", "Multiple tenant_ids in bulk security group rule create not allowed")
		}
	}
	keys := map[string]bool{}
	for _, rule := range rules {
		if err := s.checkRule(c, tx, rule); err != nil {
			return err
		}
	}
	for _, rule := range rules {
		key := ruleKey(rule)
		if keys[key] {
			return rest.Conflict("DuplicateSecurityGroupRuleInPost", "Duplicate Security Group Rule in POST.")
		}
		keys[key] = true
	}
	for there := range s.SecurityGroupRules.By(tx, s.Index.RuleByGroup, rules[0].SecurityGroupID) {
		if keys[ruleKey(there)] {
			return rest.Conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", there.ID)
		}
	}
	return nil
}

func (s *Service) createRule(_ *rest.Call, tx *store.Tx, _ rest.Values, rule *model.SecurityGroupRule) error {
	s.bumpGroup(tx, rule.SecurityGroupID)
	return nil
}

// checkRule checks a rule, and gives it its canonical form.
func (s *Service) checkRule(c *rest.Call, r store.Reader, rule *model.SecurityGroupRule) error {
	canonicalICMP(rule)
	if rule.PortRangeMin != nil && rule.PortRangeMax != nil && *rule.PortRangeMin == 1 && *rule.PortRangeMax == 65535 {
		rule.PortRangeMin, rule.PortRangeMax = nil, nil
	}
	if err := checkPortRange(rule); err != nil {
		return err
	}
	if err := canonicalPrefix(rule); err != nil {
		return err
	}
	if rule.EtherType == "IPv4" && rule.Protocol != nil && slices.Contains(onlyIPv6, *rule.Protocol) {
		return badRequest("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", rule.EtherType, *rule.Protocol)
	}
	remotes := 0
	for _, remote := range []*string{rule.RemoteIPPrefix, rule.RemoteGroupID, rule.RemoteAddressGroupID} {
		if remote != nil && *remote != "" {
			remotes++
		}
	}
	if remotes > 1 {
		return badRequest("SecurityGroupMultipleRemoteEntites",
			"Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.")
	}
	return s.checkRuleReferences(c, r, rule)
}

// checkRuleReferences checks that what a rule names is there for its project.
func (s *Service) checkRuleReferences(c *rest.Call, r store.Reader, rule *model.SecurityGroupRule) error {
	if id := rule.RemoteGroupID; id != nil && *id != "" && !s.projectSeesGroup(c, r, rule.ProjectID, *id) {
		return groupNotFound(*id)
	}
	if id := rule.RemoteAddressGroupID; id != nil && *id != "" {
		g := s.AddressGroups.Get(r, *id)
		if g == nil || !c.Sees() && g.ProjectID != rule.ProjectID && !s.sharedWith(r, g.ID, accessAsShared, rule.ProjectID) {
			return addressGroupNotFound(*id)
		}
	}
	if !s.projectSeesGroup(c, r, rule.ProjectID, rule.SecurityGroupID) {
		return groupNotFound(rule.SecurityGroupID)
	}
	return nil
}

func (s *Service) projectSeesGroup(c *rest.Call, r store.Reader, project, id string) bool {
	g := s.SecurityGroups.Get(r, id)
	return g != nil && (c.Sees() || g.ProjectID == project || s.sharedWith(r, id, accessAsShared, project))
}

// canonicalICMP gives IPv6's ICMP its one name, or number.
func canonicalICMP(rule *model.SecurityGroupRule) {
	if rule.EtherType != "IPv6" || rule.Protocol == nil {
		return
	}
	switch *rule.Protocol {
	case "icmp", "icmpv6":
		name := "ipv6-icmp"
		rule.Protocol = &name
	case "1":
		number := "58"
		rule.Protocol = &number
	}
}

func checkPortRange(rule *model.SecurityGroupRule) error {
	least, most := rule.PortRangeMin, rule.PortRangeMax
	if least == nil && most == nil {
		return nil
	}
	if rule.Protocol == nil || *rule.Protocol == "" {
		return badRequest("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	}
	number := protocolNumber(*rule.Protocol)
	switch {
	case slices.Contains(withPorts, number):
		if least != nil && *least == 0 || most != nil && *most == 0 {
			return badRequest("SecurityGroupInvalidPortValue", "Invalid value for port 0")
		}
		if least == nil || most == nil || *least > *most {
			return badRequest("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
	case number == 1 || number == 58:
		return checkICMP(least, most)
	default:
		return badRequest("SecurityGroupInvalidProtocolForPort",
			"Ports cannot be specified for protocol %d. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.", number)
	}
	return nil
}

// checkICMP checks a type and a code, which stand where other protocols have ports.
func checkICMP(kind, code *int) error {
	for _, x := range []struct {
		value       *int
		field, attr string
	}{{kind, "type", "port_range_min"}, {code, "code", "port_range_max"}} {
		if x.value != nil && (*x.value < 0 || *x.value > 255) {
			return badRequest("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", x.field, x.attr, *x.value)
		}
	}
	if kind == nil && code != nil {
		return badRequest("SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *code)
	}
	return nil
}

// canonicalPrefix has the remote prefix with its length, and the network that it is.
func canonicalPrefix(rule *model.SecurityGroupRule) error {
	if rule.RemoteIPPrefix == nil || *rule.RemoteIPPrefix == "" {
		rule.RemoteIPPrefix, rule.NormalizedCIDR = nil, nil
		return nil
	}
	prefix, err := netip.ParsePrefix(*rule.RemoteIPPrefix)
	if err != nil {
		return invalidCIDR(*rule.RemoteIPPrefix)
	}
	family := "IPv6"
	if prefix.Addr().Is4() {
		family = "IPv4"
	}
	if rule.EtherType != family {
		return badRequest("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", rule.EtherType, *rule.RemoteIPPrefix)
	}
	text, network := prefix.String(), prefix.Masked().String()
	rule.RemoteIPPrefix, rule.NormalizedCIDR = &text, &network
	return nil
}

// ruleKey is the same for two rules that let the same packets through, as far as Neutron sees that.
func ruleKey(rule *model.SecurityGroupRule) string {
	const none = "+"
	text := func(s *string) string {
		if s == nil || *s == "" {
			return none
		}
		return *s
	}
	number := func(n *int) string {
		if n == nil {
			return none
		}
		return strconv.Itoa(*n)
	}
	protocol := none
	if rule.Protocol != nil {
		protocol = protocolKey(*rule.Protocol, rule.EtherType)
	}
	prefix := text(rule.RemoteIPPrefix)
	if prefix == "0.0.0.0/0" || prefix == "::/0" {
		prefix = none
	}
	return strings.Join([]string{
		rule.Direction, rule.EtherType, number(rule.PortRangeMax), number(rule.PortRangeMin), protocol,
		text(rule.RemoteGroupID), text(rule.RemoteAddressGroupID), prefix, rule.SecurityGroupID,
	}, "_")
}

func invalidCIDR(text string) *api.Error {
	return badRequest("InvalidCIDR", "Invalid CIDR %s given as IP prefix.", text)
}
