// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	terminatedHTTPS = "TERMINATED_HTTPS"
	prometheus      = "PROMETHEUS"
)

// poolsFor are the protocols of pools that a listener of a protocol can send to.
var poolsFor = map[string][]string{
	"TCP":           {"HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"},
	"HTTP":          {"HTTP", "PROXY", "PROXYV2"},
	"HTTPS":         {"HTTPS", "PROXY", "PROXYV2", "TCP"},
	terminatedHTTPS: {"HTTP", "PROXY", "PROXYV2"},
	"UDP":           {"UDP"},
	"SCTP":          {"SCTP"},
	prometheus:      nil,
}

var (
	httpHeaders = []string{"X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}
	sslHeaders  = []string{
		"X-SSL-Client-Verify", "X-SSL-Client-Has-Cert", "X-SSL-Client-DN", "X-SSL-Client-CN",
		"X-SSL-Issuer", "X-SSL-Client-SHA1", "X-SSL-Client-Not-Before", "X-SSL-Client-Not-After",
	}
	tlsVersions    = []string{"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
	defaultVersion = []string{"TLSv1.2", "TLSv1.3"}
	defaultALPN    = []string{"h2", "http/1.1", "http/1.0"}
	cipherString   = regexp.MustCompile(`^[A-Za-z0-9\-+!:@=_.]+$`)
)

// defaultCiphers is OWASP's suite B.
const defaultCiphers = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:" +
	"DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:" +
	"DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256"

// layer4 is the protocol that a listener's packets have.
func layer4(protocol string) string {
	if protocol == "UDP" || protocol == "SCTP" {
		return protocol
	}
	return "TCP"
}

func distinct(list []string) []string {
	var all []string
	for _, v := range list {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

func defaultTLS(ciphers **string, versions, alpn *[]string) {
	if *ciphers == nil {
		c := defaultCiphers
		*ciphers = &c
	}
	if *versions == nil {
		*versions = slices.Clone(defaultVersion)
	}
	if *alpn == nil {
		*alpn = slices.Clone(defaultALPN)
	}
}

// defaultsForNull has what an update sets to null be as by default.
func defaultsForNull(body wsme.Object, ciphers **string, versions, alpn *[]string) {
	keptCiphers, keptVersions, keptALPN := *ciphers, *versions, *alpn
	defaultTLS(ciphers, versions, alpn)
	if !body.Null("tls_ciphers") {
		*ciphers = keptCiphers
	}
	if !body.Null("tls_versions") {
		*versions = keptVersions
	}
	if !body.Null("alpn_protocols") {
		*alpn = keptALPN
	}
}

// checkDefaultPool: a pool has to be of the same load balancer, and of a
// protocol that the listener can send.
func (s *Service) checkDefaultPool(r store.Reader, lb, protocol string, pool *string) error {
	if pool == nil {
		return nil
	}
	if protocol == prometheus {
		return noChildren()
	}
	p := s.LBPools.Get(r, *pool)
	if p == nil || p.LoadBalancerID != lb {
		return notFound("Pool", *pool)
	}
	return checkProtocols(protocol, p.Protocol)
}

func noChildren() error {
	return badRequest("Protocol %s listeners cannot have child objects.", prometheus)
}

func checkProtocols(listener, pool string) error {
	if !slices.Contains(poolsFor[listener], pool) {
		return validation("The pool protocol '%s' is invalid while the listener protocol is '%s'.", pool, listener)
	}
	return nil
}

func set(s *string) bool { return s != nil && *s != "" }

// checkListener checks a new listener
// (octavia/api/v2/controllers/listener.py, _validate_create_listener).
func (s *Service) checkListener(r store.Reader, lb *lbRow, l *listenerRow) error {
	certificates := set(l.DefaultTLSRef) || len(l.SNIRefs) > 0
	offload := l.Protocol == terminatedHTTPS || l.Protocol == prometheus && certificates
	if len(l.InsertHeaders) > 0 {
		names := slices.Sorted(maps.Keys(l.InsertHeaders))
		if err := checkHeaders(names, "dict_keys("+wsme.Repr(names)+")", l.Protocol); err != nil {
			return err
		}
	}
	if layer4(l.Protocol) != "TCP" && certificates {
		return validation("%s protocol listener does not support TLS.", l.Protocol)
	}
	if err := checkCertificates(l, offload, certificates); err != nil {
		return err
	}
	if err := checkCiphers(l.TLSCiphers); err != nil {
		return err
	}
	if err := retrieve(append(slices.Clone(l.SNIRefs), texts(l.DefaultTLSRef)...)...); err != nil {
		return err
	}
	if set(l.ClientCATLSRef) {
		return retrieve(append(texts(l.ClientCATLSRef), texts(l.ClientCRLRef)...)...)
	}
	for other := range s.Listeners.By(r, s.Index.ListenerByLB, lb.ID) {
		if other.ProtocolPort == l.ProtocolPort && layer4(other.Protocol) == layer4(l.Protocol) {
			return portTaken(other.Protocol, other.ProtocolPort)
		}
	}
	if err := checkCIDRs(lb.VIPAddress, l.AllowedCIDRs); err != nil {
		return err
	}
	if offload {
		if err := checkVersions(l.TLSVersions); err != nil {
			return err
		}
		if err := checkALPN(l.ALPNProtocols); err != nil {
			return err
		}
	}
	if l.Protocol == "" || l.ProtocolPort == 0 {
		return invalidOption(cmp.Or(l.Protocol, "None"), "protocol")
	}
	return nil
}

func portTaken(protocol string, port int) error {
	return conflict("Another Listener on this Load Balancer is already using protocol %s and protocol_port %d", protocol, port)
}

func checkCertificates(l *listenerRow, offload, certificates bool) error {
	switch {
	case !offload && certificates:
		return validation("Certificate container references are not allowed on %s protocol listeners.", l.Protocol)
	case set(l.ClientCATLSRef) && !certificates:
		return validation("An SNI or default certificate container reference must be provided with a client CA container reference.")
	case offload && !certificates:
		return validation("An SNI or default certificate container reference must be provided for %s protocol listeners.", l.Protocol)
	case l.ClientAuthentication != "NONE" && !set(l.ClientCATLSRef):
		mode := l.ClientAuthentication
		if mode == "" {
			mode = "None"
		}
		return validation("Client authentication setting %s requires a client CA container reference.", mode)
	case set(l.ClientCRLRef) && !set(l.ClientCATLSRef):
		return validation("A client authentication CA reference is required to specify a client authentication revocation list.")
	}
	return nil
}

// checkHeaders checks which headers a listener shall insert; shown is how
// Python shows them.
func checkHeaders(names []string, shown, protocol string) error {
	if protocol != "HTTP" && protocol != terminatedHTTPS {
		return invalidOption("insert-headers", "a "+protocol+" protocol listener.")
	}
	var ssl []string
	for _, name := range names {
		if slices.Contains(sslHeaders, name) {
			ssl = append(ssl, name)
		} else if !slices.Contains(httpHeaders, name) {
			return invalidOption(shown, "insert_headers")
		}
	}
	if ssl != nil && protocol != terminatedHTTPS {
		return invalidOption(wsme.Repr(ssl), protocol+" protocol listener.")
	}
	return nil
}

// texts gives a text that is there.
func texts(s *string) []string {
	if set(s) {
		return []string{*s}
	}
	return nil
}

// retrieve looks for certificates. There is no Barbican, so there are none.
func retrieve(refs ...string) error {
	if len(refs) == 0 {
		return nil
	}
	return badRequest("Could not retrieve certificate: %s", wsme.Repr(refs))
}

func checkCiphers(ciphers *string) error {
	if set(ciphers) && !cipherString.MatchString(*ciphers) {
		return validation("Invalid characters in cipher string. Only alphanumeric, -, +, !, :, @, =, _, and . are allowed.")
	}
	return nil
}

func checkVersions(list []string) error {
	if list != nil && len(list) == 0 {
		return validation("Empty TLS version list. Either specify at least one TLS version or remove this parameter to use the default.")
	}
	var strange []string
	for _, v := range list {
		if !slices.Contains(tlsVersions, v) {
			strange = append(strange, v)
		}
	}
	if strange != nil {
		return validation("Invalid TLS versions: %s", strings.Join(strange, ", "))
	}
	return nil
}

func checkALPN(list []string) error {
	if list != nil && len(list) == 0 {
		return validation("Empty ALPN protocol list. Either specify at least one ALPN protocol or remove this parameter to use the default.")
	}
	return nil
}

func checkCIDRs(vip string, cidrs []string) error {
	for _, cidr := range cidrs {
		if isIPv6(cidr) != isIPv6(vip) {
			return validation("CIDR %s IP version incompatible with VIP %s IP version.", cidr, vip)
		}
	}
	return nil
}

// checkListenerUpdate checks an update (_validate_listener_PUT).
func (s *Service) checkListenerUpdate(lb *lbRow, old *listenerRow, body wsme.Object) error {
	sni, ref := body.Strings("sni_container_refs"), body.Text("default_tls_container_ref")
	certificates := set(ref) || len(sni) > 0
	offload := old.Protocol == terminatedHTTPS || old.Protocol == prometheus && certificates
	headers := slices.Sorted(maps.Keys(body.Map("insert_headers")))
	switch auth := body.String("client_authentication"); {
	case layer4(old.Protocol) != "TCP" && (certificates || len(headers) > 0):
		return validation("%s protocol listener does not support TLS or header insertion.", old.Protocol)
	case !offload && certificates:
		return validation("Certificate container references are not allowed on %s protocol listeners.", old.Protocol)
	case body.Has("client_authentication") && auth != "NONE" && !set(old.ClientCATLSRef) && !set(body.Text("client_ca_tls_container_ref")):
		if auth == "" {
			auth = "None"
		}
		return validation("Client authentication setting %s requires a client CA container reference.", auth)
	}
	if len(headers) > 0 {
		if err := checkHeaders(headers, wsme.Repr(headers), old.Protocol); err != nil {
			return err
		}
	}
	if err := retrieve(append(slices.Clone(sni), texts(ref)...)...); err != nil {
		return err
	}
	if err := checkAuthorities(old, body); err != nil {
		return err
	}
	if err := checkCIDRs(lb.VIPAddress, body.Strings("allowed_cidrs")); err != nil {
		return err
	}
	return checkTLS(body)
}

func checkAuthorities(old *listenerRow, body wsme.Object) error {
	ca, crl := texts(body.Text("client_ca_tls_container_ref")), texts(body.Text("client_crl_container_ref"))
	if ca == nil {
		ca = texts(old.ClientCATLSRef)
	}
	if crl == nil {
		crl = texts(old.ClientCRLRef)
	}
	if crl != nil && ca == nil {
		return validation("A client authentication CA reference is required to specify a client authentication revocation list.")
	}
	return retrieve(append(ca, crl...)...)
}

// checkTLS checks what an update says of TLS.
func checkTLS(body wsme.Object) error {
	if err := checkCiphers(body.Text("tls_ciphers")); err != nil {
		return err
	}
	if err := checkVersions(body.Strings("tls_versions")); err != nil {
		return err
	}
	return checkALPN(body.Strings("alpn_protocols"))
}
