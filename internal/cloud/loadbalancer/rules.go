// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// maxRules is how many rules an L7 policy can have.
const maxRules = 50

func (s *Service) serveRules() {
	const path = "/l7policies/{policy}/rules"
	s.handle(http.MethodGet, path, s.listRules)
	s.handle(http.MethodPost, path, s.createRule)
	s.handle(http.MethodGet, path+"/{id}", s.showOneRule)
	s.handle(http.MethodPut, path+"/{id}", s.updateRule)
	s.handle(http.MethodDelete, path+"/{id}", s.deleteRule)
	s.missing(path, "id", http.MethodPut, http.MethodDelete)
}

// policyOfPath finds the L7 policy of a path. Octavia's router looks for it,
// and answers in its own form.
func (s *Service) policyOfPath(r store.Reader, hr *api.Request) (*policyRow, error) {
	if p := s.L7Policies.Get(r, hr.PathValue("policy")); p != nil {
		return p, nil
	}
	return nil, api.Errorf(http.StatusNotFound, routed, "L7Policy %s not found.", hr.PathValue("policy"))
}

func (s *Service) listRules(r *api.Request) (api.Reply, error) {
	q, err := readQuery(r)
	if err != nil {
		return api.Reply{}, err
	}
	return s.look(func(v store.Reader) (api.Reply, error) {
		p, err := s.policyOfPath(v, r)
		if err == nil {
			err = s.demand(r.Caller, "l7rule:get_all", p.ProjectID)
		}
		if err != nil {
			return api.Reply{}, err
		}
		rows := s.L7Rules.By(v, s.Index.L7RuleByPolicy, p.ID)
		return list(v, r, l7rules, q, rows, func(id string) *ruleRow { return s.L7Rules.Get(v, id) }, s.showRule)
	})
}

// ruleOfPath finds the rule of a path. Octavia does not look whose it is.
func (s *Service) ruleOfPath(r store.Reader, hr *api.Request) (*ruleRow, error) {
	if _, err := s.policyOfPath(r, hr); err != nil {
		return nil, err
	}
	return find(r, s.L7Rules, "L7 Rule", hr.PathValue("id"))
}

func (s *Service) showOneRule(r *api.Request) (api.Reply, error) {
	q, err := readQuery(r)
	if err != nil {
		return api.Reply{}, err
	}
	return s.look(func(v store.Reader) (api.Reply, error) {
		rule, err := s.ruleOfPath(v, r)
		if err == nil {
			err = s.demand(r.Caller, "l7rule:get_one", rule.ProjectID)
		}
		if err != nil {
			return api.Reply{}, err
		}
		return ok("rule", q.choose(s.showRule(v, rule)))
	})
}

func badRule(message string) error {
	return badRequest("Error parsing L7Rule: %s", message)
}

func invalidRule(message string) error { return badRule("Invalid L7 Rule: " + message) }

// The characters of names and values in HTTP.
var (
	headerName   = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+-.^_`|~]+$")
	cookieValue  = regexp.MustCompile("^[a-zA-Z0-9!#$%&'()*+-./:<=>?@[\\]^_`{|}~]+$")
	headerValue  = regexp.MustCompile("^[a-zA-Z0-9!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\\\\]+$")
	quotedValue  = regexp.MustCompile("^\"[a-zA-Z0-9 \t!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\\\\]*\"$")
	nameField    = regexp.MustCompile(`^[a-zA-Z][A-Za-z0-9-]*$`)
	controlChars = regexp.MustCompile("[\x00-\x1f\x7f\u0080-\u009f]")
	digits       = regexp.MustCompile(`^\d+$`)
)

// checkRule checks a rule as it shall be (octavia/common/validate.py, l7rule_data).
func checkRule(r *ruleRow) error {
	key := ""
	if r.Key != nil {
		key = *r.Key
	}
	if r.Value == "" {
		return invalidRule("L7 rule type requires a value")
	}
	named := r.Type == "HEADER" || r.Type == "COOKIE"
	switch {
	case named && key == "":
		return invalidRule("L7 rule type requires a key")
	case named && !headerName.MatchString(key):
		return badRule("Invalid characters in key")
	}
	switch r.Type {
	case "HEADER":
		return checkComparison(r, "header value")
	case "COOKIE":
		return checkComparison(r, "cookie value")
	case "HOST_NAME", "PATH":
		return checkComparison(r, "comparison value")
	case "FILE_TYPE":
		return checkComparison(r, "comparison value", "STARTS_WITH", "ENDS_WITH", "CONTAINS")
	case "SSL_DN_FIELD":
		return checkNameField(r, key)
	case "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT":
		return checkCertificateRule(r, key)
	}
	return invalidRule("invalid rule type")
}

// checkComparison checks what a text is compared with, and that it is in one of
// all ways but those that are excluded.
func checkComparison(r *ruleRow, what string, excluded ...string) error {
	switch {
	case r.CompareType == "REGEX":
		return checkExpression(r.Value)
	case r.CompareType == "" || slices.Contains(excluded, r.CompareType):
		return invalidRule("invalid comparison type for rule type")
	}
	good := headerValue.MatchString(r.Value) || quotedValue.MatchString(r.Value)
	if what == "cookie value" {
		good = cookieValue.MatchString(r.Value)
	}
	if !good {
		return badRule("Invalid characters in " + what)
	}
	return nil
}

func checkExpression(s string) error {
	if controlChars.MatchString(s) {
		return badRule("Unable to parse regular expression: contains control characters")
	}
	if _, err := regexp.Compile(s); err != nil && !onlyInPython(s) {
		return badRule("Unable to parse regular expression: " + strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}

// pythonic is what regular expressions can have in Python, and not in Go.
var pythonic = regexp.MustCompile(`\(\?[=!<(]|\\[1-9]|\(\?P=`)

// onlyInPython tells whether an expression may be one all the same.
func onlyInPython(s string) bool { return pythonic.MatchString(s) }

func checkCertificateRule(r *ruleRow, key string) error {
	switch {
	case key != "":
		return invalidRule("L7rule type " + r.Type + ` does not use the "key" field.`)
	case r.Type == "SSL_CONN_HAS_CERT" && !strings.EqualFold(r.Value, "true"):
		return invalidRule("L7rule value " + r.Value + " is not a boolean True string.")
	case r.Type == "SSL_VERIFY_RESULT" && !digits.MatchString(r.Value):
		return invalidRule("L7rule type " + r.Type + " needs a int value, which is >= 0")
	case r.CompareType != "EQUAL_TO":
		return invalidRule("L7rule type " + r.Type + " only supports the EQUAL_TO compare type.")
	}
	return nil
}

func checkNameField(r *ruleRow, key string) error {
	if r.CompareType == "REGEX" {
		if err := checkExpression(r.Value); err != nil {
			return err
		}
	}
	switch {
	case key == "":
		return invalidRule("L7rule type " + r.Type + " needs to specify a key and a value.")
	case !nameField.MatchString(key):
		return invalidRule("Invalid L7rule distinguished name field.")
	}
	return nil
}

// setRule takes over what a body says of a rule.
func setRule(r *ruleRow, body wsme.Object) {
	take(body, "type", &r.Type)
	take(body, "compare_type", &r.CompareType)
	take(body, "value", &r.Value)
	optionalText(body, "key", &r.Key)
	r.Invert = body.Bool("invert", r.Invert)
}

// checkRules checks the rules that a new L7 policy shall have.
func (s *Service) checkRules(bodies []wsme.Object) error {
	if len(bodies) > maxRules {
		return conflict("Too many rules on L7 policy %s", uuid.NewString())
	}
	for _, b := range bodies {
		if err := rulePOST.Recheck(b); err != nil {
			return badRule(err.Error())
		}
		r := &ruleRow{}
		setRule(r, b)
		if err := checkRule(r); err != nil {
			return err
		}
	}
	return nil
}

// putRules makes rules of an L7 policy.
func (s *Service) putRules(tx *store.Tx, p *policyRow, bodies []wsme.Object) error {
	for _, b := range bodies {
		if _, err := s.putRule(tx, p, b); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) putRule(tx *store.Tx, p *policyRow, body wsme.Object) (*ruleRow, error) {
	meta, err := s.newMeta(body, p.ProjectID)
	if err != nil {
		return nil, err
	}
	r := &ruleRow{LBMeta: meta, L7PolicyID: p.ID}
	setRule(r, body)
	s.L7Rules.Put(tx, r)
	return r, nil
}

// lockPolicy is lock for a change to something in an L7 policy: it and its
// listener become PENDING_UPDATE too.
func (s *Service) lockPolicy(tx *store.Tx, lb *lbRow, l *listenerRow, p *policyRow) error {
	if p.ProvisioningStatus != active {
		return immutable("L7Policy", p.ID)
	}
	if err := s.lockListener(tx, lb, l); err != nil {
		return err
	}
	pend(s, tx, s.L7Policies, p.ID, pendingUpdate)
	return nil
}

func (s *Service) createRule(r *api.Request) (api.Reply, error) {
	body, err := read(r, "rule_", "rule", rulePOST, "project_id")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		if _, err := s.policyOfPath(tx, r); err != nil {
			return api.Reply{}, err
		}
		p, l, lb, d, err := s.toChangePolicy(tx, r.Caller, r.PathValue("policy"), "l7rule:post")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.checkRules([]wsme.Object{body}); err != nil {
			return api.Reply{}, err
		}
		if s.L7Rules.Count(tx, s.Index.L7RuleByPolicy, p.ID) >= maxRules {
			return api.Reply{}, conflict("Too many rules on L7 policy %s", p.ID)
		}
		if err := s.withinQuota(tx, lb.ProjectID, "l7rule", 1); err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPolicy(tx, lb, l, p); err != nil {
			return api.Reply{}, err
		}
		rule, err := s.putRule(tx, p, body)
		if err != nil {
			return api.Reply{}, err
		}
		if err := d.rule("creating"); err != nil {
			return api.Reply{}, err
		}
		return created("rule", s.showRule(tx, rule))
	})
}

func (s *Service) updateRule(r *api.Request) (api.Reply, error) {
	body, err := read(r, "l7rule_", "rule", rulePUT, "invert")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		old, err := s.ruleOfPath(tx, r)
		if err != nil {
			return api.Reply{}, err
		}
		p, l, lb, d, err := s.toChangePolicy(tx, r.Caller, r.PathValue("policy"), "l7rule:put")
		if err != nil {
			return api.Reply{}, err
		}
		changed := *old
		setRule(&changed, body)
		if err := checkRule(&changed); err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPolicy(tx, lb, l, p); err != nil {
			return api.Reply{}, err
		}
		if err := d.rule("updating"); err != nil {
			return api.Reply{}, err
		}
		rule := edit(s, tx, s.L7Rules, old.ID, func(r *ruleRow) {
			err = setMeta(&r.LBMeta, body)
			setRule(r, body)
			if slices.Contains([]string{"HOST_NAME", "PATH", "FILE_TYPE"}, r.Type) {
				r.Key = nil // which these do not use
			}
			r.ProvisioningStatus = pendingUpdate
		})
		if err != nil {
			return api.Reply{}, err
		}
		return ok("rule", s.showRule(tx, rule))
	})
}

func (s *Service) deleteRule(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		rule, err := s.ruleOfPath(tx, r)
		if err != nil {
			return api.Reply{}, err
		}
		p, l, lb, d, err := s.toChangePolicy(tx, r.Caller, r.PathValue("policy"), "l7rule:delete")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPolicy(tx, lb, l, p); err != nil {
			return api.Reply{}, err
		}
		if err := d.rule("deleting"); err != nil {
			return api.Reply{}, err
		}
		pend(s, tx, s.L7Rules, rule.ID, pendingDelete)
		return done()
	})
}
