// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Flavors, availability zones and their profiles: what administrators put up
// for all projects.

// article is a type of them.
type article[T any] struct {
	kind[T]
	path, action string
	// name is what a lookup's errors call it, called what others do, id what the
	// id is called.
	name, called, id string
	argument         string
	post, put        wsme.Type
	table            *store.Table[T]
	// set takes over what a body says, after it is checked. old is nil for a new one.
	set func(r store.Reader, row, old *T, body wsme.Object) error
	// used tells whether anything refers to a row.
	used func(r store.Reader, id string) bool
}

const nilUUID = "00000000-0000-0000-0000-000000000000"

func (s *Service) serveCatalogue() {
	ix := &s.Index
	serveArticle(s, article[model.Flavor]{
		kind: articleKind[model.Flavor]("flavor", "flavors", "flavors_links", func(r *model.Flavor) string { return r.ID }),
		path: "/flavors", action: "flavor", name: "Flavor", called: "Flavor", id: "flavor_id", argument: "flavor_",
		post: flavorPOST, put: flavorPUT, table: s.Flavors, set: s.setFlavor,
		used: func(r store.Reader, id string) bool { return s.LoadBalancers.First(r, ix.LBByFlavor, id) != nil },
	})
	serveArticle(s, article[model.FlavorProfile]{
		kind: articleKind[model.FlavorProfile]("flavorprofile", "flavorprofiles", "flavorprofile_links", func(r *model.FlavorProfile) string { return r.ID }),
		path: "/flavorprofiles", action: "flavor-profile", name: "Flavor Profile", called: "Flavor profile", id: "flavor_profile_id", argument: "flavor_profile_",
		post: flavorProfilePOST, put: flavorProfilePUT, table: s.FlavorProfiles, set: s.setFlavorProfile,
		used: func(r store.Reader, id string) bool { return s.Flavors.First(r, ix.FlavorByProfile, id) != nil },
	})
	serveArticle(s, article[model.AvailabilityZone]{
		kind: articleKind[model.AvailabilityZone]("availability_zone", "availability_zones", "availability_zones_links", func(r *model.AvailabilityZone) string { return r.Name }),
		path: "/availabilityzones", action: "availability-zone", name: "Availability Zone", called: "Availability Zone", id: "availability_zone_name", argument: "availability_zone_",
		post: zonePOST, put: zonePUT, table: s.AvailabilityZones, set: s.setZone,
		used: func(r store.Reader, id string) bool { return s.LoadBalancers.First(r, ix.LBByZone, id) != nil },
	})
	serveArticle(s, article[model.AvailabilityZoneProfile]{
		kind: articleKind[model.AvailabilityZoneProfile]("availability_zone_profile", "availability_zone_profiles", "availability_zone_profile_links", func(r *model.AvailabilityZoneProfile) string { return r.ID }),
		path: "/availabilityzoneprofiles", action: "availability-zone-profile", name: "Availability Zone Profile", called: "Availability Zone Profile",
		id: "availability_zone_profile_id", argument: "availability_zone_profile_",
		post: zoneProfilePOST, put: zoneProfilePUT, table: s.AvailabilityZoneProfiles, set: s.setZoneProfile,
		used: func(r store.Reader, id string) bool { return s.AvailabilityZones.First(r, ix.ZoneByProfile, id) != nil },
	})
}

func articleKind[T any](one, many, links string, id func(*T) string) kind[T] {
	return kind[T]{one: one, many: many, links: links, columns: api.ColumnsOf[T](layout), id: id}
}

func serveArticle[T any](s *Service, a article[T]) {
	tell := func(_ store.Reader, row *T) map[string]any { return a.columns.Map(row) }
	s.handle(http.MethodGet, a.path, func(r *api.Request) (api.Reply, error) {
		q, err := a.enter(s, r)
		if err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) {
			return list(v, r, &a.kind, q, a.table.All(v), func(id string) *T { return a.table.Get(v, id) }, tell)
		})
	})
	s.handle(http.MethodGet, a.path+"/{id}", func(r *api.Request) (api.Reply, error) {
		q, err := a.enter(s, r)
		if err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) {
			row, err := find(v, a.table, a.name, r.PathValue("id"))
			if err != nil {
				return api.Reply{}, err
			}
			return ok(a.one, q.choose(tell(v, row)))
		})
	})
	s.handle(http.MethodPost, a.path, func(r *api.Request) (api.Reply, error) { return a.create(s, r) })
	s.handle(http.MethodPut, a.path+"/{id}", func(r *api.Request) (api.Reply, error) { return a.update(s, r) })
	s.handle(http.MethodDelete, a.path+"/{id}", func(r *api.Request) (api.Reply, error) { return a.remove(s, r) })
	s.missing(a.path, "id", http.MethodPut)
	s.missing(a.path, a.id, http.MethodDelete)
}

// enter reads a GET's query for who may look.
func (a article[T]) enter(s *Service, r *api.Request) (*query, error) {
	q, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	verb := ":get_all"
	if r.PathValue("id") != "" {
		verb = ":get_one"
	}
	return q, s.demand(r.Caller, a.action+verb, r.Caller.ProjectID)
}

func (a article[T]) create(s *Service, r *api.Request) (api.Reply, error) {
	body, err := read(r, a.argument, a.one, a.post, "name")
	if err != nil {
		return api.Reply{}, err
	}
	if err := s.demand(r.Caller, a.action+":post", r.Caller.ProjectID); err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		row := new(T)
		if err := a.set(tx, row, nil, body); err != nil {
			return api.Reply{}, err
		}
		a.table.Put(tx, row)
		return created(a.one, a.columns.Map(row))
	})
}

func (a article[T]) update(s *Service, r *api.Request) (api.Reply, error) {
	body, err := read(r, a.argument, a.one, a.put, "name")
	if err != nil {
		return api.Reply{}, err
	}
	if err := s.demand(r.Caller, a.action+":put", r.Caller.ProjectID); err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		old, err := find(tx, a.table, a.name, r.PathValue("id"))
		if err != nil {
			return api.Reply{}, err
		}
		row := *old
		if err := a.set(tx, &row, old, body); err != nil {
			return api.Reply{}, err
		}
		a.table.Put(tx, &row)
		return ok(a.one, a.columns.Map(&row))
	})
}

func (a article[T]) remove(s *Service, r *api.Request) (api.Reply, error) {
	if err := s.demand(r.Caller, a.action+":delete", r.Caller.ProjectID); err != nil {
		return api.Reply{}, err
	}
	id := r.PathValue("id")
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		if id != nilUUID && a.used(tx, id) {
			return api.Reply{}, inUse(a.called, id)
		}
		if !a.table.Delete(tx, id) {
			return api.Reply{}, notFound(a.called, id)
		}
		return done()
	})
}

func (s *Service) setFlavor(r store.Reader, row, old *model.Flavor, body wsme.Object) error {
	if old == nil {
		row.ID, row.Enabled, row.FlavorProfileID = uuid.NewString(), true, body.String("flavor_profile_id")
		if s.FlavorProfiles.Get(r, row.FlavorProfileID) == nil {
			return serverError("Cannot add or update a child row: flavor_profile_id %s", row.FlavorProfileID)
		}
	}
	take(body, "name", &row.Name)
	take(body, "description", &row.Description)
	row.Enabled = body.Bool("enabled", row.Enabled)
	if taken(s.Flavors.All(r), func(f *model.Flavor) bool { return f.ID != row.ID && f.Name == row.Name }) {
		return conflict("A flavor of %s already exists.", row.Name)
	}
	return nil
}

func (s *Service) setZone(r store.Reader, row, old *model.AvailabilityZone, body wsme.Object) error {
	if old == nil {
		row.Name, row.Enabled, row.ProfileID = body.String("name"), true, body.String("availability_zone_profile_id")
		if s.AvailabilityZoneProfiles.Get(r, row.ProfileID) == nil {
			return serverError("Cannot add or update a child row: availability_zone_profile_id %s", row.ProfileID)
		}
		if s.AvailabilityZones.Get(r, row.Name) != nil {
			return conflict("A availability zone of %s already exists.", row.Name)
		}
	}
	take(body, "description", &row.Description)
	row.Enabled = body.Bool("enabled", row.Enabled)
	return nil
}

func (s *Service) setFlavorProfile(r store.Reader, row, old *model.FlavorProfile, body wsme.Object) error {
	if old == nil {
		row.ID = uuid.NewString()
	} else if err := s.changesProfile(body, "flavor_data", s.Flavors.First(r, s.Index.FlavorByProfile, row.ID) != nil, "Flavor profile", row.ID); err != nil {
		return err
	}
	take(body, "name", &row.Name)
	take(body, "provider_name", &row.ProviderName)
	take(body, "flavor_data", &row.FlavorData)
	if !body.Has("flavor_data") {
		return nil
	}
	data, err := settings(row.FlavorData, "flavor_data")
	if err != nil {
		return err
	}
	d, err := s.driver(row.ProviderName)
	if err != nil {
		return err
	}
	return d.flavor(data)
}

func (s *Service) setZoneProfile(r store.Reader, row, old *model.AvailabilityZoneProfile, body wsme.Object) error {
	option := "availability_zone_data"
	if old == nil {
		row.ID = uuid.NewString()
	} else {
		if err := s.changesProfile(body, option, s.AvailabilityZones.First(r, s.Index.ZoneByProfile, row.ID) != nil, "Availability Zone Profile", row.ID); err != nil {
			return err
		}
		option = "flavor_data" // so says Octavia
	}
	take(body, "name", &row.Name)
	take(body, "provider_name", &row.ProviderName)
	take(body, "availability_zone_data", &row.ZoneData)
	if !body.Has("availability_zone_data") {
		return nil
	}
	data, err := settings(row.ZoneData, option)
	if err != nil {
		return err
	}
	d, err := s.driver(row.ProviderName)
	if err != nil {
		return err
	}
	return d.zone(data)
}

// changesProfile checks an update of a profile.
func (s *Service) changesProfile(body wsme.Object, data string, used bool, called, id string) error {
	for _, name := range []string{"name", "provider_name", data} {
		if body.Null(name) {
			return invalidOption("None", name)
		}
	}
	if used && (body.Has(data) || body.Has("provider_name")) {
		return inUse(called, id)
	}
	return nil
}

// settings reads the JSON of a profile.
func settings(text, option string) (data map[string]any, err error) {
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		return nil, invalidOption(text, option)
	}
	return data, nil
}

func take(body wsme.Object, name string, to *string) {
	if body.Has(name) {
		*to = body.String(name)
	}
}

func taken[T any](rows iter.Seq[*T], is func(*T) bool) bool {
	for row := range rows {
		if is(row) {
			return true
		}
	}
	return false
}

// choose finds the provider of a new load balancer, and its flavor and availability zone.
func (s *Service) choose(r store.Reader, body wsme.Object, lb *lbRow) (string, error) {
	flavored := ""
	if body.Has("flavor_id") {
		lb.FlavorID = body.Text("flavor_id")
		f := s.Flavors.Get(r, body.String("flavor_id"))
		if f == nil {
			return "", validation("Invalid flavor_id.")
		}
		if !f.Enabled {
			return "", disabledOption("flavor", f.ID)
		}
		if p := s.FlavorProfiles.Get(r, f.FlavorProfileID); p != nil {
			flavored = p.ProviderName
		}
	}
	if body.Has("availability_zone") {
		lb.AvailabilityZone = body.Text("availability_zone")
		z := s.AvailabilityZones.Get(r, body.String("availability_zone"))
		if z == nil {
			return "", validation("Invalid availability zone.")
		}
		if !z.Enabled {
			return "", disabledOption("availability_zone", z.Name)
		}
	}
	switch named := body.String("provider"); {
	case body.Null("provider") && flavored == "":
		return providerAmphora, nil // a load balancer from before there were providers
	case named == "" && flavored == "":
		return s.o.Provider, nil
	case named == "":
		return flavored, nil
	case flavored != "" && flavored != named:
		return "", badRequest("Flavor '%s' is not compatible with provider '%s'", *lb.FlavorID, named)
	default:
		return named, nil
	}
}

// suits checks a new load balancer's flavor and availability zone with its provider.
func (s *Service) suits(r store.Reader, d driver, lb *lbRow) error {
	if lb.FlavorID != nil {
		data, err := settings(s.FlavorProfiles.Get(r, s.Flavors.Get(r, *lb.FlavorID).FlavorProfileID).FlavorData, "flavor_data")
		if err == nil && len(data) > 0 {
			err = d.flavor(data)
		}
		if err != nil {
			return err
		}
	}
	if lb.AvailabilityZone == nil {
		return nil
	}
	data, err := settings(s.AvailabilityZoneProfiles.Get(r, s.AvailabilityZones.Get(r, *lb.AvailabilityZone).ProfileID).ZoneData, "availability_zone_data")
	if err != nil {
		return err
	}
	if len(data) > 0 {
		if err := d.zone(data); err != nil {
			return err
		}
	}
	if networks, ok := data["valid_vip_networks"].([]any); ok && len(networks) > 0 {
		allowed := func(n any) bool { id, _ := n.(string); return strings.EqualFold(id, lb.VIPNetworkID) }
		if !slices.ContainsFunc(networks, allowed) {
			return validation("Supplied VIP network_id is not allowed by the configuration of this deployment.")
		}
	}
	return nil
}
