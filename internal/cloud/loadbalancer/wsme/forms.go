// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package wsme

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// IP is an IPv4 or IPv6 address, kept as it is written.
var IP = Special{readIP, "Value should be IPv4 or IPv6 format"}

func readIP(s string) (string, bool) {
	a, err := netip.ParseAddr(s)
	return s, err == nil && a.Zone() == ""
}

// CIDR is a prefix of either family; its host bits are cleared.
var CIDR = Special{readCIDR, "Value should be IPv4 or IPv6 CIDR format"}

func readCIDR(s string) (string, bool) {
	address, length, given := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return "", false
	}
	bits := a.BitLen()
	if given {
		var ok bool
		if bits, ok = prefixLength(a, length); !ok {
			return "", false
		}
	}
	p, err := a.Prefix(bits)
	return p.String(), err == nil
}

// prefixLength reads what is behind a prefix's slash: a number, or for IPv4 a
// mask or the inverse of one.
func prefixLength(a netip.Addr, s string) (int, bool) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		return int(n), int(n) <= a.BitLen()
	}
	m, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() || !m.Is4() {
		return 0, false
	}
	b := m.As4()
	mask := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	for n := range 33 {
		if network := ^uint32(0) << (32 - n); mask == network || mask == ^network {
			return n, true
		}
	}
	return 0, false
}

// ALPN is the id of an ALPN protocol that Octavia knows.
var ALPN = Special{
	func(s string) (string, bool) { return s, slices.Contains([]string{"h2", "http/1.1", "http/1.0"}, s) },
	"Value should be a valid ALPN protocol ID",
}

var (
	uri = regexp.MustCompile(`^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?[^#]*)?(?:#.*)?$`)
	// authority is who, where and at which port.
	authority = regexp.MustCompile(`^(?:[a-zA-Z0-9._~!$&'()*+,;=:%-]*@)?(\[[0-9a-fA-F:.]+\]|(?:[a-zA-Z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})+)(?::[0-9]{0,5})?$`)
	control   = regexp.MustCompile("[\x00-\x20\x7f\u0080-\u009f]")
	space     = regexp.MustCompile(`[\s\x1c-\x1f\x{85}\x{a0}]`)
)

// URL is an absolute URL with http or https.
var URL = Special{readURL, "Value must be a valid URL string"}

func readURL(s string) (string, bool) {
	parts := uri.FindStringSubmatch(s)
	if parts == nil || control.MatchString(s) {
		return "", false
	}
	return s, (parts[1] == "http" || parts[1] == "https") && validHost(parts[2])
}

func validHost(s string) bool {
	m := authority.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	if literal, ok := strings.CutPrefix(m[1], "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		return err == nil && a.Is6()
	}
	return true
}

// URLPath is a path that begins with a slash.
var URLPath = Special{readURLPath, "Value must be a valid URL Path string"}

func readURLPath(s string) (string, bool) {
	parts := uri.FindStringSubmatch(s)
	return s, parts != nil && parts[1] == "" && parts[2] == "" && strings.HasPrefix(parts[3], "/") && !space.MatchString(s)
}

// CookieName is the name of a cookie.
var CookieName = pattern(255, `^[^\s,;\\]+$`)

// OneLine is a text without line breaks.
var OneLine = pattern(255, `^[^\r\n]*$`)

// StatusCodes are HTTP status codes: one, several, or a range.
var StatusCodes = pattern(0, `^(\d{3}(\s*,\s*\d{3})*)$|^(\d{3}-\d{3})$`)

func pattern(most int, expression string) Text {
	return Text{Max: most, Pattern: expression, Match: regexp.MustCompile(expression).MatchString}
}

// DomainName is a DNS name, as health monitors send it.
var DomainName = Text{
	Min: 1, Max: 255,
	Pattern: `^(?=.{1,253}\.?$)(?:(?!-|[^.]+_)[A-Za-z0-9-_]{1,63}(?<!-)(?:\.|$))+$`,
	Match: func(s string) bool {
		s = strings.TrimSuffix(s, ".")
		if s == "" || len(s) > 253 {
			return false
		}
		return !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool { return !domainLabel.MatchString(label) })
	},
}

// domainLabel has an underscore at most in front.
var domainLabel = regexp.MustCompile(`^(?:_|[A-Za-z0-9]|[A-Za-z0-9_][A-Za-z0-9-]{0,61}[A-Za-z0-9])$`)
