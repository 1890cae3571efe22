// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// serveBindings serves the bindings of a port: the active one, which is that of
// its columns, and those on hosts that it may move to.
func (s *Service) serveBindings() {
	const path = "/v2.0/ports/{parent}/bindings"
	s.mux.Handle("GET "+path, s.listBindings)
	s.mux.Handle("POST "+path, s.createBinding)
	s.mux.Handle("GET "+path+"/{host}", s.showBinding)
	s.mux.Handle("PUT "+path+"/{host}", s.updateBinding)
	s.mux.Handle("DELETE "+path+"/{host}", s.deleteBinding)
	s.mux.Handle("PUT "+path+"/{host}/activate", s.activateBinding)
}

// bindingsPort gives the port of the path, of which the caller may see the bindings.
func (s *Service) bindingsPort(c *rest.Call, r store.Reader) (*model.Port, error) {
	id := c.PathValue("parent")
	p := s.Ports.Get(r, id)
	if p == nil || !c.Sees() && p.ProjectID != c.Caller.ProjectID {
		return nil, portNotFound(id)
	}
	if !strings.HasPrefix(p.DeviceOwner, "compute:") {
		return nil, badResource("port", "Invalid port %s. Operation only valid on compute ports", id)
	}
	return p, nil
}

func bindingNotFound(port, host string) error {
	return rest.NotFound("PortBindingNotFound", "Binding for port %s for host %s could not be found.", port, host)
}

func viewBinding(b model.PortBinding, status string) map[string]any {
	shown := map[string]any{"host": b.Host, "vif_type": b.VIFType, "vnic_type": b.VNICType, "status": status, "profile": b.Profile, "vif_details": b.VIFDetails}
	for _, name := range []string{"profile", "vif_details"} {
		if m, _ := shown[name].(map[string]any); m == nil {
			shown[name] = map[string]any{}
		}
	}
	return shown
}

const statusInactive = "INACTIVE"

func viewBindings(p *model.Port) []map[string]any {
	all := []map[string]any{viewBinding(activeBinding(p), statusActive)}
	for _, b := range p.Inactive {
		all = append(all, viewBinding(b, statusInactive))
	}
	slices.SortFunc(all, func(a, b map[string]any) int { return strings.Compare(api.Text(a["host"]), api.Text(b["host"])) })
	return all
}

func (s *Service) listBindings(r *api.Request) (reply api.Reply, err error) {
	s.View(func(reader store.Reader) {
		var p *model.Port
		if p, err = s.bindingsPort(s.engine.NewCall(r), reader); err == nil {
			reply.Body, err = rest.Choose(r, "bindings", s.attributes["bindings"], viewBindings(p))
		}
	})
	return reply, err
}

func (s *Service) showBinding(r *api.Request) (reply api.Reply, err error) {
	s.View(func(reader store.Reader) {
		var p *model.Port
		if p, err = s.bindingsPort(s.engine.NewCall(r), reader); err != nil {
			return
		}
		for _, b := range viewBindings(p) {
			if b["host"] == r.PathValue("host") {
				reply.Body = map[string]any{"binding": rest.Fields(b, r.URL.Query()["fields"])}
				return
			}
		}
		err = bindingNotFound(p.ID, r.PathValue("host"))
	})
	return reply, err
}

// changeBindings changes a port's bindings; change gives the answer.
func (s *Service) changeBindings(r *api.Request, change func(c *rest.Call, tx *store.Tx, p *model.Port) (any, error)) (any, error) {
	c := s.engine.NewCall(r)
	var answer any
	err := s.engine.Change(c, func(tx *store.Tx) error {
		old, err := s.bindingsPort(c, tx)
		if err != nil {
			return err
		}
		p := *old
		p.Inactive = slices.Clone(old.Inactive)
		if answer, err = change(c, tx, &p); err != nil {
			return err
		}
		s.engine.Touch(&p.Meta)
		if err := s.portChanges(tx, c, old, &p); err != nil {
			return err
		}
		s.Ports.Put(tx, &p)
		s.portStatus(tx, &p)
		return nil
	})
	return answer, err
}

// bindAgain binds by what a request says, and refuses what fails.
func (s *Service) bindAgain(tx *store.Tx, p *model.Port, b model.PortBinding, v rest.Values) (model.PortBinding, error) {
	if kind := v.String("vnic_type"); kind != "" {
		b.VNICType = kind
	}
	if v.Has("profile") {
		b.Profile, _ = v["profile"].(map[string]any)
	}
	n := s.Networks.Get(tx, p.NetworkID)
	if n == nil {
		return b, networkNotFound(p.NetworkID)
	}
	b = s.bind(n, b)
	if b.VIFType == vifFailed {
		return b, api.Errorf(http.StatusInternalServerError, "PortBindingError", "Binding for port %s on host %s could not be created or updated.", p.ID, b.Host)
	}
	return b, nil
}

func (s *Service) createBinding(r *api.Request) (api.Reply, error) {
	v, err := rest.Given(s.engine.NewCall(r), "binding", s.attributes["bindings"], true)
	if err != nil {
		return api.Reply{}, err
	}
	answer, err := s.changeBindings(r, func(_ *rest.Call, tx *store.Tx, p *model.Port) (any, error) {
		b := model.PortBinding{Host: v.String("host"), VNICType: vnicNormal}
		if b.Host == p.HostID || slices.ContainsFunc(p.Inactive, func(o model.PortBinding) bool { return o.Host == b.Host }) {
			return nil, rest.Conflict("PortBindingAlreadyExists", "Binding for port %s on host %s already exists.", p.ID, b.Host)
		}
		b, err := s.bindAgain(tx, p, b, v)
		if err != nil {
			return nil, err
		}
		p.Inactive = append(p.Inactive, b)
		return map[string]any{"binding": viewBinding(b, statusInactive)}, nil
	})
	return api.Reply{Status: http.StatusCreated, Body: answer}, err
}

func (s *Service) updateBinding(r *api.Request) (api.Reply, error) {
	v, err := rest.Given(s.engine.NewCall(r), "binding", s.attributes["bindings"], false)
	if err != nil {
		return api.Reply{}, err
	}
	host := r.PathValue("host")
	answer, err := s.changeBindings(r, func(_ *rest.Call, tx *store.Tx, p *model.Port) (any, error) {
		if host == p.HostID {
			b, err := s.bindAgain(tx, p, activeBinding(p), v)
			if err != nil {
				return nil, err
			}
			setActive(p, b)
			p.Status, p.Claimed = statusDown, false
			s.awaitClaim(tx, p)
			return map[string]any{"binding": viewBinding(b, statusActive)}, nil
		}
		at := slices.IndexFunc(p.Inactive, func(b model.PortBinding) bool { return b.Host == host })
		if at < 0 {
			return nil, bindingNotFound(p.ID, host)
		}
		b, err := s.bindAgain(tx, p, p.Inactive[at], v)
		if err != nil {
			return nil, err
		}
		p.Inactive[at] = b
		return map[string]any{"binding": viewBinding(b, statusInactive)}, nil
	})
	return api.Reply{Body: answer}, err
}

func (s *Service) activateBinding(r *api.Request) (api.Reply, error) {
	host := r.PathValue("host")
	answer, err := s.changeBindings(r, func(_ *rest.Call, tx *store.Tx, p *model.Port) (any, error) {
		if host == p.HostID {
			return nil, rest.Conflict("PortBindingAlreadyActive", "Binding for port %s on host %s is already active.", p.ID, host)
		}
		at := slices.IndexFunc(p.Inactive, func(b model.PortBinding) bool { return b.Host == host })
		if at < 0 {
			return nil, bindingNotFound(p.ID, host)
		}
		next, was := p.Inactive[at], activeBinding(p)
		was.VIFType, was.VIFDetails = vifUnbound, map[string]any{}
		p.Inactive[at] = was
		setActive(p, next)
		p.Status, p.Claimed = statusDown, false
		s.awaitClaim(tx, p)
		return viewBinding(next, statusActive), nil
	})
	return api.Reply{Body: answer}, err
}

func (s *Service) deleteBinding(r *api.Request) (api.Reply, error) {
	host := r.PathValue("host")
	_, err := s.changeBindings(r, func(_ *rest.Call, tx *store.Tx, p *model.Port) (any, error) {
		if host == p.HostID {
			setActive(p, model.PortBinding{VNICType: vnicNormal, VIFType: vifUnbound, VIFDetails: map[string]any{}, Profile: map[string]any{}})
			p.Status, p.Claimed = statusDown, false
			return nil, nil
		}
		before := len(p.Inactive)
		p.Inactive = slices.DeleteFunc(p.Inactive, func(b model.PortBinding) bool { return b.Host == host })
		if len(p.Inactive) == before {
			return nil, bindingNotFound(p.ID, host)
		}
		return nil, nil
	})
	return api.Reply{Status: http.StatusNoContent}, err
}
