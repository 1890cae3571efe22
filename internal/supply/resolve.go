// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"errors"
	"slices"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// resolved is an order whose names have become objects.
type resolved struct {
	// project is the id of the port's project; foreign tells that it is not
	// that of the credentials.
	project string
	foreign bool
	network neutron.Network
	// subnets are all of the network's.
	subnets []neutron.Subnet
	// fixed are the port's addresses; nil: Neutron's choice.
	fixed []neutron.FixedIP
	// groups are nil for the project's default group.
	groups []neutron.SecurityGroup
	// policy is the QoS policy's id, or empty.
	policy string
	// tags are for the port of a pool; nil where the cloud takes none.
	tags []string
}

// resolver resolves the names of one order.
type resolver struct {
	*Direct
	order
	resolved
	// remembered tells that something came from the cache, and may be stale.
	remembered bool
}

// resolve turns names into objects. What came from the cache is noted even
// when it fails.
func (r *resolver) resolve(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		r.checkExtensions, r.resolveProject, r.resolveNetwork, r.resolveSubnets, r.resolveGroups, r.resolvePolicy,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkExtensions asks for the table of extensions only when an order needs
// one that not every cloud has.
func (r *resolver) checkExtensions(ctx context.Context) error {
	needs := r.extensions()
	if len(needs) == 0 {
		return nil
	}
	table, err := r.client.Capabilities(ctx)
	if err != nil {
		return err
	}
	for _, n := range needs {
		if !table.Has(n.alias) {
			return fault.InvalidField(n.field, "this cloud's Neutron has no extension %q", n.alias)
		}
	}
	return nil
}

func (r *resolver) resolveProject(ctx context.Context) error {
	scope, err := r.client.Scope(ctx)
	if err != nil {
		return err
	}
	if r.Project == "" {
		r.project = scope.ProjectID
		return nil
	}
	p, remembered, err := r.known.projects.get(ctx, r.Project, func(ctx context.Context) (neutron.Project, error) {
		found, err := r.client.FindProjects(ctx, r.Project)
		if err != nil {
			return neutron.Project{}, err
		}
		return onlyProject(r.Project, found)
	})
	r.note(remembered)
	if err != nil {
		return ofKey(err, "project", r.fromDefaults.project)
	}
	r.project, r.foreign = p.ID, p.ID != scope.ProjectID
	return nil
}

func onlyProject(word string, found []neutron.Project) (neutron.Project, error) {
	q := query[neutron.Project]{kind: "project", field: "project", word: word, about: func(p neutron.Project) candidate {
		return candidate{id: p.ID, project: "of domain " + p.DomainID}
	}}
	if len(found) == 0 {
		e := fault.New(fault.NotFound, "there is no project %q", word)
		e.Field = "project"
		return neutron.Project{}, e
	}
	return q.only(found)
}

func (r *resolver) resolveNetwork(ctx context.Context) error {
	n, remembered, err := r.known.networks.get(ctx, r.project+"/"+r.Network, query[neutron.Network]{
		kind: "network", field: "network", word: r.Network, project: r.project, list: r.client.Networks,
		about: func(n neutron.Network) candidate { return candidate{n.ID, n.ProjectID, n.Shared || n.External} },
	}.find)
	r.note(remembered)
	r.network = n
	return ofKey(err, "network", r.fromDefaults.network)
}

func (r *resolver) resolveSubnets(ctx context.Context) error {
	subnets, remembered, err := r.subnetsOf(ctx, r.network.ID)
	r.note(remembered)
	if err != nil {
		return err
	}
	r.subnets = subnets
	chosen, err := chooseSubnets(r.Subnets, r.network, subnets)
	if err == nil {
		r.fixed, err = chooseAddresses(r.FixedIPs, chosen, subnets)
	}
	return ofKey(err, "", r.fromDefaults.subnets && len(r.Subnets) > 0)
}

// subnetsOf lists a network's subnets.
func (d *Direct) subnetsOf(ctx context.Context, network string) ([]neutron.Subnet, bool, error) {
	return d.known.subnets.get(ctx, network, func(ctx context.Context) ([]neutron.Subnet, error) {
		return d.client.Subnets(ctx, neutron.Filter{NetworkID: network})
	})
}

func (r *resolver) resolveGroups(ctx context.Context) error {
	if r.SecurityGroups == nil {
		return nil
	}
	r.groups = []neutron.SecurityGroup{}
	for i, word := range r.SecurityGroups {
		field := element("securityGroups", i)
		g, remembered, err := r.known.groups.get(ctx, r.project+"/"+word, query[neutron.SecurityGroup]{
			kind: "security group", field: field, word: word, project: r.project, list: r.client.SecurityGroups,
			about: func(g neutron.SecurityGroup) candidate { return candidate{g.ID, g.ProjectID, g.Shared} },
		}.find)
		r.note(remembered)
		if err != nil {
			return ofKey(err, field, r.fromDefaults.groups)
		}
		// The same group by name and by id is one group; Neutron refuses doubles.
		if !slices.ContainsFunc(r.groups, func(x neutron.SecurityGroup) bool { return x.ID == g.ID }) {
			r.groups = append(r.groups, g)
		}
	}
	return nil
}

func (r *resolver) resolvePolicy(ctx context.Context) error {
	if r.QoSPolicy == "" {
		return nil
	}
	p, remembered, err := r.known.policies.get(ctx, r.project+"/"+r.QoSPolicy, query[neutron.QoSPolicy]{
		kind: "QoS policy", field: "qosPolicy", word: r.QoSPolicy, project: r.project, list: r.client.QoSPolicies,
		about: func(p neutron.QoSPolicy) candidate { return candidate{p.ID, p.ProjectID, p.Shared} },
	}.find)
	r.note(remembered)
	r.policy = p.ID
	return ofKey(err, "qosPolicy", false)
}

func (r *resolver) note(remembered bool) { r.remembered = r.remembered || remembered }

// ofKey names the key in an error that does not name one yet, and says so
// when the value is not the demand's own. An error of the cloud being away is
// nobody's key. An empty field leaves the key as it is.
func ofKey(err error, field string, fromDefaults bool) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Class {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Unauthorized:
	default:
		return err
	}
	named := *e
	named.Err = err
	if field != "" {
		// A shared fetch may have been started for another element of a list.
		named.Field = field
	}
	if fromDefaults {
		named.Message += " (from the node's defaults)"
	}
	return &named
}
