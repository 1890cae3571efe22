// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// web is a load balancer of amphorae with an HTTP listener and two pools.
func web(t *testing.T) (c *octavia, lb, listener, pool, other string) {
	t.Helper()
	c = start(t, quick())
	lb = c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "provider": "amphora"})
	listener = c.make(lb, "/listeners", "listener", ref{"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 80, "insert_headers": ref{"X-Forwarded-For": "true"}})
	pool = c.make(lb, "/pools", "pool", ref{"listener_id": listener, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "session_persistence": ref{"type": "APP_COOKIE", "cookie_name": "id"}})
	other = c.make(lb, "/pools", "pool", ref{"loadbalancer_id": lb, "protocol": "HTTP", "lb_algorithm": "LEAST_CONNECTIONS"})
	return c, lb, listener, pool, other
}

// policy makes an L7 policy.
func (c *octavia) policy(lb, listener string, attrs ref) string {
	c.t.Helper()
	body := ref{"listener_id": listener, "action": "REJECT"}
	for name, v := range attrs {
		body[name] = v
	}
	return c.make(lb, "/l7policies", "l7policy", body)
}

// order are the names of a listener's policies by their positions.
func (c *octavia) order(listener string) string {
	c.t.Helper()
	var names []string
	list, _ := c.get("/l7policies?sort=position&listener_id=" + listener).at("l7policies").([]any)
	for i, p := range list {
		if got := int(p.(ref)["position"].(float64)); got != i+1 {
			c.t.Errorf("the position of number %d is %d", i+1, got)
		}
		names = append(names, p.(ref)["name"].(string))
	}
	return strings.Join(names, "")
}

func TestPoliciesAreInTheOrderOfTheirPositions(t *testing.T) {
	c, lb, listener, _, _ := web(t)
	ids := map[string]string{}
	for _, x := range []struct {
		name     string
		position any
		want     string
	}{{"a", nil, "a"}, {"b", 1, "ba"}, {"c", 99, "bac"}, {"d", 2, "bdac"}} {
		attrs := ref{"name": x.name}
		if x.position != nil {
			attrs["position"] = x.position
		}
		ids[x.name] = c.policy(lb, listener, attrs)
		if got := c.order(listener); got != x.want {
			t.Errorf("with %s: %s, want %s", x.name, got, x.want)
		}
	}
	for _, x := range []struct {
		name     string
		position int
		want     string
	}{{"b", 3, "dabc"}, {"c", 1, "cdab"}, {"d", 1000, "cabd"}, {"a", 2, "cabd"}} {
		c.do(lb, "PUT /l7policies/"+ids[x.name], ref{"l7policy": ref{"position": x.position}})
		if got := c.order(listener); got != x.want {
			t.Errorf("%s at %d: %s, want %s", x.name, x.position, got, x.want)
		}
	}
	c.do(lb, "DELETE /l7policies/"+ids["a"], nil)
	if got := c.order(listener); got != "cbd" {
		t.Errorf("without a: %s", got)
	}
}

func TestATargetBringsItsActionAndLeavesNoOther(t *testing.T) {
	c, lb, listener, _, other := web(t)
	p := c.policy(lb, listener, nil)
	for _, x := range []struct{ change, want ref }{
		{ref{"redirect_url": "http://a/"}, ref{"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "redirect_http_code": 302.0}},
		{ref{"redirect_prefix": "https://b", "redirect_http_code": 301}, ref{"action": "REDIRECT_PREFIX", "redirect_prefix": "https://b", "redirect_http_code": 301.0}},
		{ref{"redirect_pool_id": other}, ref{"action": "REDIRECT_TO_POOL", "redirect_pool_id": other}},
		{ref{"action": "REDIRECT_TO_URL", "redirect_url": "http://c/", "redirect_pool_id": other}, ref{"action": "REDIRECT_TO_URL", "redirect_url": "http://c/", "redirect_http_code": 302.0}},
		{ref{"action": "REJECT"}, ref{"action": "REJECT"}},
		{ref{"name": "x"}, ref{"action": "REJECT"}},
	} {
		a := c.do(lb, "PUT /l7policies/"+p, ref{"l7policy": x.change})
		got := ref{}
		for _, attr := range []string{"action", "redirect_url", "redirect_prefix", "redirect_pool_id", "redirect_http_code"} {
			if v := a.at("l7policy." + attr); v != nil {
				got[attr] = v
			}
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%v: %s", x.change, diff)
		}
	}
}

func TestPoliciesThatMakeNoSenseAreRefused(t *testing.T) {
	c, lb, listener, pool, _ := web(t)
	p := c.policy(lb, listener, nil)
	elsewhere, _, foreignPool, _ := small(c, ref{"provider": "amphora"})
	tcp := c.make(lb, "/pools", "pool", ref{"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"})
	udp := c.make(lb, "/listeners", "listener", ref{"loadbalancer_id": lb, "protocol": "UDP", "protocol_port": 53})
	metrics := c.make(lb, "/listeners", "listener", ref{"loadbalancer_id": lb, "protocol": "PROMETHEUS", "protocol_port": 9090})
	_ = elsewhere
	for _, x := range []struct {
		body   ref
		status int
		fault  string
	}{
		{ref{}, 400, "Invalid L7 Policy arguments: Invalid update options"},
		{ref{"action": nil}, 400, "Invalid L7 Policy action specified: None"},
		{ref{"action": "REDIRECT_TO_POOL"}, 400, "Invalid L7 Policy arguments: redirect_pool_id or redirect_pool must not be None"},
		{ref{"action": "REDIRECT_TO_URL"}, 400, "Invalid L7 Policy arguments: redirect_url must not be None"},
		{ref{"action": "REDIRECT_PREFIX"}, 400, "Invalid L7 Policy arguments: redirect_prefix must not be None"},
		{ref{"redirect_pool_id": pool, "redirect_url": "http://a/"}, 400, "Invalid L7 Policy arguments: Cannot specify redirect_pool_id and redirect_url or redirect_prefix at the same time"},
		{ref{"redirect_pool_id": nobody}, 404, "Pool " + nobody + " not found."},
		{ref{"redirect_pool_id": tcp}, 400, "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'."},
		{ref{"redirect_pool_id": foreignPool}, 400, "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'."},
	} {
		c.refused("PUT /l7policies/"+p, ref{"l7policy": x.body}, x.status, x.fault)
	}
	c.refused("POST /l7policies", ref{"l7policy": ref{"listener_id": udp, "action": "REJECT"}}, http.StatusNotImplemented,
		"Provider 'amphora' does not support a requested option: UDP protocol listeners do not support L7 policies")
	c.refused("POST /l7policies", ref{"l7policy": ref{"listener_id": metrics, "action": "REJECT"}}, http.StatusBadRequest,
		"Protocol PROMETHEUS listeners cannot have child objects.")
	c.policy(lb, listener, ref{"redirect_pool_id": pool, "action": "REDIRECT_TO_POOL"})
	if a := c.send("member", "DELETE /v2.0/lbaas/pools/"+pool, nil); a.status != http.StatusConflict || !strings.HasPrefix(a.fault, "Pool "+pool+" is in use by L7 policy ") {
		t.Errorf("a pool that a policy sends to: %d %s", a.status, a.fault)
	}
}

func TestRulesAreKeptAndChecked(t *testing.T) {
	c, lb, listener, _, _ := web(t)
	p := c.policy(lb, listener, nil)
	path := "/l7policies/" + p + "/rules"
	rule := c.make(lb, path, "rule", ref{"type": "HEADER", "compare_type": "REGEX", "key": "X-A", "value": "^a(?=b)", "invert": true, "tags": []any{"t"}})
	a := c.get(path + "/" + rule)
	for attr, want := range map[string]any{"type": "HEADER", "key": "X-A", "value": "^a(?=b)", "invert": true, "operating_status": online, "provisioning_status": active} {
		if got := a.at("rule." + attr); got != want {
			t.Errorf("%s is %v", attr, got)
		}
	}
	if got := c.get("/l7policies/" + p).text("l7policy.rules.0.id"); got != rule {
		t.Errorf("the policy has rule %q", got)
	}
	a = c.do(lb, "PUT "+path+"/"+rule, ref{"rule": ref{"type": "PATH", "value": "/x", "compare_type": "STARTS_WITH"}})
	if a.at("rule.key") != nil || a.at("rule.invert") != true {
		t.Errorf("a path has %v", a.body)
	}
	for _, x := range []struct {
		body  ref
		fault string
	}{
		{ref{"value": ""}, "Invalid L7 Rule: L7 rule type requires a value"},
		{ref{"type": "COOKIE"}, "Invalid L7 Rule: L7 rule type requires a key"},
		{ref{"type": "COOKIE", "key": "a b"}, "Invalid characters in key"},
		{ref{"type": "COOKIE", "key": "a", "value": "a;b"}, "Invalid characters in cookie value"},
		{ref{"type": "HEADER", "key": "a", "value": "a b"}, "Invalid characters in header value"},
		{ref{"type": "FILE_TYPE", "compare_type": "CONTAINS"}, "Invalid L7 Rule: invalid comparison type for rule type"},
		{ref{"compare_type": "REGEX", "value": "a\x01"}, "Unable to parse regular expression: contains control characters"},
		{ref{"type": "SSL_CONN_HAS_CERT"}, "Invalid L7 Rule: L7rule value /x is not a boolean True string."},
		{ref{"type": "SSL_VERIFY_RESULT"}, "Invalid L7 Rule: L7rule type SSL_VERIFY_RESULT needs a int value, which is >= 0"},
		{ref{"type": "SSL_DN_FIELD"}, "Invalid L7 Rule: L7rule type SSL_DN_FIELD needs to specify a key and a value."},
		{ref{"type": "SSL_DN_FIELD", "key": "1"}, "Invalid L7 Rule: Invalid L7rule distinguished name field."},
	} {
		c.refused("PUT "+path+"/"+rule, ref{"rule": x.body}, http.StatusBadRequest, "Error parsing L7Rule: "+x.fault)
	}
	c.do(lb, "DELETE "+path+"/"+rule, nil)
	c.refused("GET "+path+"/"+rule, nil, http.StatusNotFound, "L7 Rule "+rule+" not found.")
}

func TestAPolicyHasAtMostFiftyRules(t *testing.T) {
	c, lb, listener, _, _ := web(t)
	p := c.policy(lb, listener, nil)
	rule := ref{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
	for range maxRules {
		c.make(lb, "/l7policies/"+p+"/rules", "rule", rule)
	}
	c.refused("POST /l7policies/"+p+"/rules", ref{"rule": rule}, http.StatusConflict, "Too many rules on L7 policy "+p)
}

func TestAListenerUsesThePoolsOfPoliciesThatDoSomething(t *testing.T) {
	c, lb, listener, pool, other := web(t)
	p := c.policy(lb, listener, ref{"redirect_pool_id": other, "action": "REDIRECT_TO_POOL"})
	users := func() int { list, _ := c.get("/pools/" + other).at("pool.listeners").([]any); return len(list) }
	if n := users(); n != 0 {
		t.Errorf("a policy without rules is used by %d", n)
	}
	c.make(lb, "/l7policies/"+p+"/rules", "rule", ref{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"})
	if n := users(); n != 1 {
		t.Errorf("a policy with a rule is used by %d", n)
	}
	a := c.get("/loadbalancers/" + lb + "/status")
	got := []any{a.at("statuses.loadbalancer.listeners.0.pools.0.id"), a.at("statuses.loadbalancer.listeners.0.pools.1.id")}
	if diff := cmp.Diff([]any{pool, other}, got); diff != "" {
		t.Error(diff)
	}
}

func TestATreeOfAmphoraeMayHavePolicies(t *testing.T) {
	c := start(t, quick())
	lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "provider": "amphora", "listeners": []any{ref{
		"protocol": "HTTP", "protocol_port": 80, "l7policies": []any{
			ref{"action": "REDIRECT_TO_POOL", "name": "last", "redirect_pool": ref{"name": "p"}, "rules": []any{ref{"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"}}},
			ref{"action": "REDIRECT_TO_POOL", "name": "first", "position": 1, "redirect_pool": ref{"name": "q", "protocol": "HTTP", "lb_algorithm": "SOURCE_IP"}},
		},
	}}, "pools": []any{ref{"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "healthmonitor": ref{"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}}}})
	listener := c.get("/loadbalancers/" + lb).text("loadbalancer.listeners.0.id")
	if got := c.order(listener); got != "firstlast" {
		t.Errorf("the policies are %s", got)
	}
	c.do(lb, "DELETE /loadbalancers/"+lb+"?cascade=true", nil)
	if n := c.portCount(); n != 2 {
		t.Errorf("there are %d ports", n)
	}
}
