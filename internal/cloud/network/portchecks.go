// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

func checkFixedIPs(v any) (any, error) {
	invalid := func(x any) error { return rest.Reasonf("Invalid data format for fixed IP: '%s'", rest.Str(x)) }
	list, ok := v.([]any)
	if !ok {
		return nil, invalid(v)
	}
	seen := map[string]bool{}
	for _, item := range list {
		fixed, ok := item.(map[string]any)
		if !ok {
			return nil, invalid(item)
		}
		if address, named := fixed["ip_address"]; named {
			if seen[rest.Repr(address)] {
				return nil, rest.Reasonf("Duplicate IP address '%s'", rest.Str(address))
			}
			if _, err := checkIP(address); err != nil {
				return nil, err
			}
			seen[rest.Repr(address)] = true
		}
		if id, named := fixed["subnet_id"]; named {
			if text, ok := id.(string); !ok || !uuidForm.MatchString(text) {
				return nil, rest.Reasonf("'%s' is not a valid UUID", rest.Str(id))
			}
		}
	}
	return list, nil
}

// mostAddressPairs is Neutron's max_allowed_address_pair.
const mostAddressPairs = 10

func checkAddressPairs(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, rest.BadRequest("Allowed address pairs must be a list.")
	}
	if len(list) > mostAddressPairs {
		return nil, badRequest("AllowedAddressPairExhausted", "The number of allowed address pair exceeds the maximum %d.", mostAddressPairs)
	}
	seen := map[string]bool{}
	for _, item := range list {
		pair, ok := item.(map[string]any)
		if !ok {
			return nil, rest.Reasonf("'%s' is not a dictionary", rest.Str(item))
		}
		if err := checkAddressPair(pair, seen); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func checkAddressPair(pair map[string]any, seen map[string]bool) error {
	mac, named := pair["mac_address"]
	if named {
		if _, err := checkMAC(mac); err != nil {
			return rest.BadRequest("%s", err)
		}
	}
	address, ok := pair["ip_address"]
	if !ok {
		return badRequest("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address")
	}
	both := rest.Repr(mac) + rest.Repr(address)
	if seen[both] {
		return badRequest("DuplicateAddressPairInRequest", "Request contains duplicate address pair: mac_address %s ip_address %s.", rest.Str(mac), rest.Str(address))
	}
	seen[both] = true
	var unknown []string
	for key := range pair {
		if key != "mac_address" && key != "ip_address" {
			unknown = append(unknown, key)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return rest.BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
	}
	check := checkIP
	if strings.Contains(rest.Str(address), "/") {
		check = checkPairSubnet
	}
	if _, err := check(address); err != nil {
		return rest.BadRequest("%s", err)
	}
	return nil
}

func checkPairSubnet(v any) (any, error) {
	if text, ok := v.(string); ok {
		if _, ok := parseCIDR(text); ok {
			return v, nil
		}
	}
	return nil, rest.Reasonf("'%s' is not a valid IP subnet", rest.Str(v))
}

// Which DHCP options may be empty, and how long names and values may be.
var (
	blankDHCPOptions       = []string{"router", "classless-static-route"}
	longestDHCPOptionName  = 64
	longestDHCPOptionValue = 255
)

func checkDHCPOptions(v any) (any, error) {
	if v == nil {
		return []any{}, nil
	}
	list, err := rest.ListOf(v, func(item any) (any, error) {
		if !isDHCPOption(item) {
			return nil, rest.Reasonf("No valid key specs matched for: %s", rest.Str(item))
		}
		return item, nil
	})
	if err != nil {
		return nil, rest.InvalidInput("%s", err)
	}
	return list, nil
}

func isDHCPOption(v any) bool {
	option, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for key := range option {
		if !slices.Contains([]string{"opt_name", "opt_value", "ip_version"}, key) {
			return false
		}
	}
	name, ok := option["opt_name"].(string)
	value, named := option["opt_value"]
	text, isText := value.(string)
	if !ok || !named || value != nil && (!isText || len([]rune(text)) > longestDHCPOptionValue) {
		return false
	}
	if version, named := option["ip_version"]; named {
		switch rest.Str(version) {
		case "4":
			option["ip_version"] = 4
		case "6":
			option["ip_version"] = 6
		default:
			return false
		}
	}
	oneLine := func(s string) bool { return strings.TrimSpace(s) != "" && !strings.ContainsAny(s, "\r\n") }
	return slices.Contains(blankDHCPOptions, name) || len([]rune(name)) <= longestDHCPOptionName && oneLine(name) && (value == nil || oneLine(text))
}

var (
	dnsLabel    = regexp.MustCompile(`^[a-zA-Z0-9-]{1,63}$`)
	onlyDigits  = regexp.MustCompile(`^[0-9]+$`)
	longestFQDN = 255
)

// checkDNSForm tells what is wrong with a name, after RFC 1123; empty: nothing.
func checkDNSForm(name string) string {
	if name == "" {
		return ""
	}
	wrong := func(format string, args ...any) string {
		return "'" + name + "' not a valid PQDN or FQDN. Reason: " + string(rest.Reasonf(format, args...))
	}
	trimmed := strings.TrimSuffix(name, ".")
	if len(trimmed) > longestFQDN {
		return wrong("'%s' exceeds the %d character FQDN limit", trimmed, longestFQDN)
	}
	labels := strings.Split(trimmed, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return wrong("Encountered an empty component")
		case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
			return wrong("Name '%s' must not start or end with a hyphen", label)
		case !dnsLabel.MatchString(label):
			return wrong("Name '%s' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen", label)
		}
	}
	if top := labels[len(labels)-1]; len(labels) > 1 && onlyDigits.MatchString(top) {
		return wrong("TLD '%s' must not be all numeric", top)
	}
	return ""
}

func checkDNSDomain(v any) (any, error) {
	name, ok := v.(string)
	if !ok {
		return nil, rest.Reasonf("'%s' is not a valid string", rest.Str(v))
	}
	if name == "" {
		return name, nil
	}
	if !strings.HasSuffix(name, ".") {
		return nil, rest.Reasonf("'%s' is not a FQDN", name)
	}
	if wrong := checkDNSForm(name); wrong != "" {
		return nil, rest.Reason(wrong)
	}
	if len(name) > longestFQDN-2 {
		return nil, rest.Reasonf("'%s' contains %d characters. Adding a sub-domain will cause it to exceed the maximum length of a FQDN of '%d'", name, len(name), longestFQDN)
	}
	return name, nil
}

// dnsNameCheck checks a port's name against the domain that it will be in.
func dnsNameCheck(domain string) rest.Check {
	return func(v any) (any, error) {
		name, ok := v.(string)
		if !ok {
			return nil, rest.Reasonf("'%s' is not a valid string", rest.Str(v))
		}
		if wrong := checkDNSForm(name); wrong != "" {
			return nil, rest.Reason(wrong)
		}
		if name == "" || domain == "" || domain == defaultDNSDomain {
			return name, nil
		}
		higher := "." + domain
		if !strings.HasSuffix(name, ".") {
			if len(name)+len(higher) > longestFQDN {
				return nil, rest.Reasonf("The dns_name passed is a PQDN and its size is '%d'. The dns_domain option in neutron.conf is set to %s, with a length of '%d'. When the two are concatenated to form a FQDN (with a '.' at the end), the resulting length exceeds the maximum size of '%d'",
					len(name), domain, len(higher), longestFQDN)
			}
			return name, nil
		}
		if len(name) <= len(higher) || !strings.HasSuffix(name, higher) {
			return nil, rest.Reasonf("The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in neutron.conf, that has been set to '%s'. It must also include one or more valid DNS labels to the left of '%s'", domain, domain)
		}
		return name, nil
	}
}
