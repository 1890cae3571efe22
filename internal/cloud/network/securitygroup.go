// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"hash/crc32"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// defaultGroupName is the name of the group that a project has from its first use.
const defaultGroupName = "default"

func groupNotFound(id string) error {
	return rest.NotFound("SecurityGroupNotFound", "Security group %s does not exist", id)
}

func groupInUse(id string) error {
	return rest.Conflict("SecurityGroupInUse", "Security Group %s in use.", id)
}

func (s *Service) serveSecurityGroups() {
	rest.Add(s.engine, &rest.Resource[model.SecurityGroup]{
		Name: "security_group", Plural: "security_groups", Kind: "SecurityGroup",
		Attributes: s.attributes["security_groups"], Table: s.SecurityGroups,
		Meta:   func(g *model.SecurityGroup) *model.Meta { return &g.Meta },
		Tagged: true, Quota: "security_group",
		NotFound:   func(_ *rest.Call, id string) error { return groupNotFound(id) },
		BeforeList: s.ensureDefaultGroup,
		Sees: func(c *rest.Call, r store.Reader, g *model.SecurityGroup) bool {
			return s.sharedWith(r, g.ID, accessAsShared, c.Caller.ProjectID)
		},
		View: s.viewSecurityGroup,
		Filters: map[string]func(*rest.Call, store.Reader, *model.SecurityGroup, []string) bool{
			"shared": func(c *rest.Call, r store.Reader, g *model.SecurityGroup, values []string) bool {
				return slices.Contains(values, api.Text(s.sharedWith(r, g.ID, accessAsShared, c.Caller.ProjectID)))
			},
		},
		Create: s.createSecurityGroup,
		Update: s.updateSecurityGroup,
		Delete: s.deleteSecurityGroup,
	})
	s.serveSecurityGroupRules()
}

// checkGroupName takes any name but the default group's.
func checkGroupName(v any) (any, error) {
	if name, ok := v.(string); ok && strings.EqualFold(name, defaultGroupName) {
		return nil, rest.Conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	return v, nil
}

// ensureDefaultGroup makes the default group of the project whose groups a list is of.
func (s *Service) ensureDefaultGroup(c *rest.Call) error {
	project := c.Caller.ProjectID
	for _, name := range []string{"project_id", "tenant_id"} {
		if asked := c.URL.Query().Get(name); asked != "" {
			project = asked
			break
		}
	}
	there := false
	s.View(func(r store.Reader) {
		there = s.SecurityGroups.First(r, s.Index.DefaultGroupByProject, project) != nil
	})
	if there || project == "" {
		return nil
	}
	return s.engine.Change(c, func(tx *store.Tx) error {
		_, err := s.defaultGroup(tx, c, project)
		return err
	})
}

// defaultGroup gives the project's default security group, and makes it when
// it is not there yet. It is nil where the caller may not make one for the
// project; c is nil where nobody asks.
func (s *Service) defaultGroup(tx *store.Tx, c *rest.Call, project string) (*model.SecurityGroup, error) {
	if project == "" || c != nil && !c.Caller.Admin() && c.Caller.ProjectID != project {
		return nil, nil
	}
	if g := s.SecurityGroups.First(tx, s.Index.DefaultGroupByProject, project); g != nil {
		return g, nil
	}
	g := &model.SecurityGroup{
		Meta: s.engine.NewMeta(project), Name: defaultGroupName, Description: "Default security group", Stateful: true, IsDefault: true,
	}
	if err := s.addFirstRules(tx, g); err != nil {
		return nil, err
	}
	s.SecurityGroups.Put(tx, g)
	return g, nil
}

// addFirstRules makes the rules that a group is born with: out with everything,
// and in with what comes from the default group, into it.
func (s *Service) addFirstRules(tx *store.Tx, g *model.SecurityGroup) error {
	count := 2
	if g.IsDefault {
		count = 4
	}
	if err := s.withinQuota(tx, g.ProjectID, "security_group_rule", count); err != nil {
		return err
	}
	for _, family := range []string{"IPv4", "IPv6"} {
		if g.IsDefault {
			s.SecurityGroupRules.Put(tx, &model.SecurityGroupRule{
				Meta: s.engine.NewMeta(g.ProjectID), SecurityGroupID: g.ID, Direction: "ingress", EtherType: family, RemoteGroupID: &g.ID,
			})
		}
		s.SecurityGroupRules.Put(tx, &model.SecurityGroupRule{
			Meta: s.engine.NewMeta(g.ProjectID), SecurityGroupID: g.ID, Direction: "egress", EtherType: family,
		})
	}
	g.RevisionNumber++
	return nil
}

func (s *Service) createSecurityGroup(c *rest.Call, tx *store.Tx, _ rest.Values, g *model.SecurityGroup) error {
	if _, err := s.defaultGroup(tx, c, g.ProjectID); err != nil {
		return err
	}
	return s.addFirstRules(tx, g)
}

func (s *Service) updateSecurityGroup(_ *rest.Call, tx *store.Tx, v rest.Values, old, g *model.SecurityGroup) error {
	if old.Stateful != g.Stateful && s.groupHasPorts(tx, g.ID) {
		return groupInUse(g.ID)
	}
	if old.Name == defaultGroupName && v.Has("name") {
		return rest.Conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	}
	return nil
}

func (s *Service) deleteSecurityGroup(c *rest.Call, tx *store.Tx, g *model.SecurityGroup) error {
	if s.groupHasPorts(tx, g.ID) {
		return groupInUse(g.ID)
	}
	if g.Name == defaultGroupName && !c.Caller.Admin() {
		return rest.Conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	var rules []string
	for rule := range s.SecurityGroupRules.By(tx, s.Index.RuleByGroup, g.ID) {
		rules = append(rules, rule.ID)
	}
	for rule := range s.SecurityGroupRules.By(tx, s.Index.RuleByRemoteGroup, g.ID) {
		rules = append(rules, rule.ID)
	}
	for _, id := range rules {
		s.SecurityGroupRules.Delete(tx, id)
	}
	s.unshare(tx, g.ID)
	return nil
}

func (s *Service) groupHasPorts(r store.Reader, id string) bool {
	return s.Ports.First(r, s.Index.PortBySecurityGroup, id) != nil
}

// ruleColumns are what a group shows of its rules.
var ruleColumns = api.ColumnsOf[model.SecurityGroupRule](rest.TimeLayout)

func (s *Service) viewSecurityGroup(c *rest.Call, r store.Reader, g *model.SecurityGroup, shown map[string]any) {
	rules := []map[string]any{}
	for rule := range s.SecurityGroupRules.By(r, s.Index.RuleByGroup, g.ID) {
		m := ruleColumns.Map(rule)
		m["tenant_id"] = rule.ProjectID
		m["standard_attr_id"] = standardAttribute(rule.ID)
		rules = append(rules, m)
	}
	shown["security_group_rules"] = rules
	shown["shared"] = s.sharedWith(r, g.ID, accessAsShared, c.Caller.ProjectID)
}

// standardAttribute stands for the number of the row that Neutron keeps the
// times of a resource in, and that a group's rules let through.
func standardAttribute(id string) int { return int(crc32.ChecksumIEEE([]byte(id)) >> 1) }

// portGroups checks that a port may be in the security groups that it names. The error is the answer.
func (s *Service) portGroups(r store.Reader, c *rest.Call, p *model.Port) error {
	if strings.HasPrefix(p.DeviceOwner, "network:") {
		return nil
	}
	var missing []string
	var first *model.SecurityGroup
	mixed := false
	for _, id := range p.SecurityGroups {
		g := s.SecurityGroups.Get(r, id)
		if g == nil || !s.groupSuits(r, c, p.ProjectID, g) {
			missing = append(missing, id)
			continue
		}
		if first == nil {
			first = g
		}
		mixed = mixed || g.Stateful != first.Stateful
	}
	if missing != nil {
		return groupNotFound(strings.Join(missing, ", "))
	}
	if mixed {
		return rest.Conflict("SecurityGroupConflict",
			"Error Cannot apply both stateful and stateless security groups on the same port at the same time while attempting the operation.")
	}
	return nil
}

// groupSuits tells whether the caller may use a group for what belongs to a project.
func (s *Service) groupSuits(r store.Reader, c *rest.Call, project string, g *model.SecurityGroup) bool {
	if c == nil || c.Caller.Admin() {
		return true
	}
	seen := c.Sees() || g.ProjectID == c.Caller.ProjectID || s.sharedWith(r, g.ID, accessAsShared, c.Caller.ProjectID)
	return seen && (project == "" || g.ProjectID == project || s.sharedWith(r, g.ID, accessAsShared, project))
}
