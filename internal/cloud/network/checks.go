// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

// coreChecks are the checks of the core resources' attributes.
var coreChecks = rest.Checks{
	"network-segments":              rest.Plain(checkSegments),
	"dns-domain-name":               rest.Plain(checkDNSDomain),
	"availability-zone-hint-list":   rest.Plain(checkZoneHints),
	"mac-if-none":                   rest.Plain(macIfNone),
	"mac-address":                   rest.Plain(checkMAC),
	"fixed-ips":                     rest.Plain(checkFixedIPs),
	"allowed-address-pairs":         rest.Plain(checkAddressPairs),
	"list-of-any-key-specs-or-none": rest.Plain(checkDHCPOptions),
	"subnetpool-id-or-none":         rest.Plain(checkSubnetPoolID),
	"canonical-cidr":                rest.Plain(canonicalCIDR),
	"subnet-or-none":                rest.Plain(orNone(checkSubnet)),
	"canonical-ip":                  rest.Plain(canonicalIP),
	"ip-address":                    rest.Plain(checkIP),
	"ip-address-or-none":            rest.Plain(orNone(checkIP)),
	"ip-pools":                      rest.Plain(checkPools),
	"nameservers":                   rest.Plain(checkNameservers),
	"hostroutes":                    rest.Plain(checkRoutes),
	"list-of-subnet-service-types":  rest.Plain(checkServiceTypes),
	"subnet-list":                   rest.Plain(checkSubnetList),
	"rbac-object-type":              rest.Plain(checkObjectType),
	"tag-list":                      rest.Plain(checkTags),
	"text":                          rest.Plain(checkText),
}

// orNone lets null pass a check.
func orNone(check rest.Check) rest.Check {
	return func(v any) (any, error) {
		if v == nil {
			return nil, nil
		}
		return check(v)
	}
}

// checkText takes a text, and null as the empty one.
func checkText(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return "", nil
	case string:
		return x, nil
	}
	return nil, rest.Reasonf("'%s' is not a valid string", rest.Str(v))
}

func checkTags(v any) (any, error) {
	tags, err := rest.TagList(v)
	slices.Sort(tags)
	return tags, err
}

// parseIP reads an address as Python's netaddr does where both agree that it is one.
func parseIP(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a, err == nil && a.Zone() == ""
}

func checkIP(v any) (any, error) {
	invalid := rest.Reasonf("'%s' is not a valid IP address", rest.Str(v))
	text, ok := v.(string)
	if !ok {
		return nil, invalid
	}
	if _, ok := parseIP(text); ok {
		return text, nil
	}
	// Zeros before a number are understood, and refused with a better word.
	parts := strings.Split(text, ".")
	for i, p := range parts {
		if trimmed := strings.TrimLeft(p, "0"); trimmed != "" || p == "" {
			parts[i] = trimmed
		} else {
			parts[i] = "0"
		}
	}
	if a, ok := parseIP(strings.Join(parts, ".")); ok && a.Is4() {
		return nil, rest.Reasonf("'%s' is not an accepted IP address, '%s' is recommended", text, a)
	}
	return nil, invalid
}

// canonicalIP shortens an IPv6 address, and leaves all else alone.
func canonicalIP(v any) (any, error) {
	if text, ok := v.(string); ok {
		if a, ok := parseIP(text); ok && a.Is6() {
			return a.String(), nil
		}
	}
	return v, nil
}

// parseCIDR reads a prefix, which may have host bits; without a length it is one address.
func parseCIDR(text string) (netip.Prefix, bool) {
	address, length, cut := strings.Cut(text, "/")
	a, ok := parseIP(address)
	if !ok {
		return netip.Prefix{}, false
	}
	bits := a.BitLen()
	if cut {
		if mask, ok := parseIP(length); ok && mask.Is4() && a.Is4() {
			bits, ok = maskBits(mask)
			return netip.PrefixFrom(a, bits), ok
		}
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > bits {
			return netip.Prefix{}, false
		}
		bits = n
	}
	return netip.PrefixFrom(a, bits), true
}

func maskBits(mask netip.Addr) (int, bool) {
	for bits := range 33 {
		if netip.PrefixFrom(netip.MustParseAddr("255.255.255.255"), bits).Masked().Addr() == mask {
			return bits, true
		}
	}
	return 0, false
}

func canonicalCIDR(v any) (any, error) {
	if text, ok := v.(string); ok {
		if p, ok := parseCIDR(text); ok {
			return p.String(), nil
		}
	}
	return nil, rest.InvalidInput("%s is not in a CIDR format", rest.Str(v))
}

func checkSubnet(v any) (any, error) {
	text, _ := v.(string)
	p, ok := parseCIDR(text)
	if !ok {
		return nil, rest.Reasonf("'%s' is not a valid IP subnet", rest.Str(v))
	}
	if !strings.Contains(text, "/") || p.Addr().Is4() && p.String() != text {
		return nil, rest.Reasonf("'%s' isn't a recognized IP subnet cidr, '%s' is recommended", text, p.Masked())
	}
	return text, nil
}

func checkSubnetList(v any) (any, error) { return rest.ListOf(v, checkSubnet) }

func checkRouteCIDR(v any) error {
	text, _ := v.(string)
	p, ok := parseCIDR(text)
	switch {
	case !ok:
		return rest.Reasonf("'%s' is not a valid CIDR", rest.Str(v))
	case !strings.Contains(text, "/") || p.Masked() != p:
		return rest.Reasonf("'%s' is not a recognized CIDR, '%s' is recommended", text, p.Masked())
	case p.Addr().IsLoopback():
		return rest.Reasonf("'%s' is not a routable CIDR", text)
	}
	return nil
}

// checkKeys wants an object with just these two keys.
func checkKeys(v any, first, second string) (map[string]any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, rest.Reasonf("Invalid input. '%s' must be a dictionary with keys: ['%s', '%s']", rest.Str(v), first, second)
	}
	var provided []string
	for key := range object {
		provided = append(provided, "'"+key+"'")
	}
	slices.Sort(provided)
	_, a := object[first]
	if _, b := object[second]; !a || !b || len(object) != 2 {
		keys := "{" + strings.Join(provided, ", ") + "}"
		if provided == nil {
			keys = "set()"
		}
		return nil, rest.Reasonf("Validation of dictionary's keys failed. Expected keys: {'%s', '%s'} Provided keys: %s", first, second, keys)
	}
	return object, nil
}

func checkPools(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, rest.Reasonf("Invalid data format for IP pool: '%s'", rest.Str(v))
	}
	for _, item := range list {
		pool, err := checkKeys(item, "start", "end")
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"start", "end"} {
			if _, err := checkIP(pool[key]); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

func checkNameservers(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, rest.Reasonf("Invalid data format for nameserver: '%s'", rest.Str(v))
	}
	seen := map[string]bool{}
	for _, item := range list {
		if _, err := checkIP(item); err != nil {
			return nil, rest.Reasonf("'%s' is not a valid nameserver. %s", rest.Str(item), err)
		}
		if host := rest.Str(item); seen[host] {
			return nil, rest.Reasonf("Duplicate nameserver '%s'", host)
		}
		seen[rest.Str(item)] = true
	}
	return list, nil
}

func checkRoutes(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, rest.Reasonf("Invalid data format for hostroute: '%s'", rest.Str(v))
	}
	seen := map[string]bool{}
	for _, item := range list {
		route, err := checkKeys(item, "destination", "nexthop")
		if err != nil {
			return nil, err
		}
		if err := checkRouteCIDR(route["destination"]); err != nil {
			return nil, err
		}
		if _, err := checkIP(route["nexthop"]); err != nil {
			return nil, err
		}
		if text := rest.Str(item); seen[text] {
			return nil, rest.Reasonf("Duplicate hostroute '%s'", text)
		}
		seen[rest.Str(item)] = true
	}
	return list, nil
}

func checkServiceTypes(v any) (any, error) {
	if v == nil {
		return []any{}, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, rest.BadRequest("Subnet service types must be a list.")
	}
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, badRequest("InvalidInputSubnetServiceType", "Subnet service type %s is not a string.", rest.Str(item))
		}
		// Neutron adds the letters of "compute:" to its prefixes, one by one.
		if text == "" || !strings.HasPrefix(text, "network:") && !strings.HasPrefix(text, "neutron:") && !strings.ContainsRune("compute:", rune(text[0])) {
			return nil, badRequest("InvalidSubnetServiceType", "Subnet service type %s does not correspond to a valid device owner.", text)
		}
	}
	return list, nil
}

func checkSubnetPoolID(v any) (any, error) {
	text, ok := v.(string)
	if v == nil || ok && (text == "prefix_delegation" || uuidForm.MatchString(text)) {
		return v, nil
	}
	return nil, rest.Reasonf("'%s' is not a valid UUID", rest.Str(v))
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

func checkZoneHints(v any) (any, error) {
	return rest.ListOf(v, func(item any) (any, error) {
		if _, ok := item.(string); !ok {
			return nil, rest.Reasonf("'%s' is not a valid string", rest.Str(item))
		}
		return item, nil
	})
}

// baseMAC is how the addresses begin that Neutron makes.
const baseMAC = "fa:16:3e:"

func randomMAC() string {
	const digits = "0123456789abcdef"
	n := rand.Uint32() //nolint:gosec // a MAC address is no secret
	b := []byte(baseMAC + "00:00:00")
	for i, at := range []int{9, 10, 12, 13, 15, 16} {
		b[at] = digits[n>>(4*i)&15]
	}
	return string(b)
}

func macIfNone(v any) (any, error) {
	if v == nil {
		return randomMAC(), nil
	}
	return v, nil
}

var macForms = regexp.MustCompile(`^(?i:([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}|([0-9a-f]{1,2}-){5}[0-9a-f]{1,2}|([0-9a-f]{1,4}\.){2}[0-9a-f]{1,4}|[0-9a-f]{12})$`)

// parseMAC gives an address in its usual form.
func parseMAC(text string) (string, bool) {
	if !macForms.MatchString(text) {
		return "", false
	}
	text = strings.ToLower(text)
	width := 2
	if strings.Contains(text, ".") {
		width = 4
	}
	var digits strings.Builder
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '-' || r == '.' }) {
		digits.WriteString(strings.Repeat("0", max(0, width-len(part))) + part)
	}
	d := digits.String()
	return strings.Join([]string{d[0:2], d[2:4], d[4:6], d[6:8], d[8:10], d[10:12]}, ":"), true
}

func checkMAC(v any) (any, error) {
	text, _ := v.(string)
	if mac, ok := parseMAC(text); ok && mac != "00:00:00:00:00:00" && mac != "ff:ff:ff:ff:ff:ff" {
		return mac, nil
	}
	return nil, rest.Reasonf("'%s' is not a valid MAC address", rest.Str(v))
}
