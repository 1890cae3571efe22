// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

// protocol is a protocol that a security group rule may call by its name.
type protocol struct {
	name   string
	number int
}

// protocols are in the order of Neutron's messages.
var protocols = []protocol{
	{"ah", 51}, {"dccp", 33}, {"egp", 8}, {"esp", 50}, {"gre", 47}, {"hopopt", 0}, {"icmp", 1}, {"igmp", 2}, {"ip", 0}, {"ipip", 4},
	{"ipv6-encap", 41}, {"ipv6-frag", 44}, {"ipv6-icmp", 58}, {"icmpv6", 58}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"ipv6-route", 43},
	{"ospf", 89}, {"pgm", 113}, {"rsvp", 46}, {"sctp", 132}, {"tcp", 6}, {"udp", 17}, {"udplite", 136}, {"vrrp", 112},
}

// withPorts are the numbers of the protocols that have ports.
var withPorts = []int{6, 17, 33, 132, 136}

// onlyIPv6 are the names and numbers of protocols that IPv4 does not have.
var onlyIPv6 = []string{
	"ipv6-encap", "ipv6-frag", "ipv6-icmp", "icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "41", "44", "58", "59", "60", "43",
}

// protocolNumber is that of a name, or of the number itself.
func protocolNumber(text string) int {
	for _, p := range protocols {
		if p.name == text {
			return p.number
		}
	}
	n, _ := strconv.Atoi(text) // checkProtocol lets nothing else through
	return n
}

// protocolKey is the same for a protocol's names and its number.
func protocolKey(text, family string) string {
	if family == "IPv6" {
		switch text {
		case "icmp", "icmpv6":
			text = "ipv6-icmp"
		case "1":
			text = "58"
		}
	}
	number := protocolNumber(text)
	if number == 0 && text != "0" {
		return text + " 0" // hopopt and ip have one number, and are not the same to Neutron
	}
	// The number stands for the last of its names.
	name := strconv.Itoa(number)
	for _, p := range protocols {
		if p.number == number && p.name != "icmpv6" {
			name = p.name
		}
	}
	return name + " " + strconv.Itoa(number)
}

// checkProtocol reads a protocol's name or number; it is kept as a text.
func checkProtocol(v any) (any, error) {
	var text string
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		text = strings.ToLower(x)
	case json.Number:
		text = x.String()
	default:
		return nil, invalidProtocol(v)
	}
	for _, p := range protocols {
		if p.name == text {
			return text, nil
		}
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 255 {
		return text, nil
	}
	return nil, invalidProtocol(v)
}

func invalidProtocol(v any) error {
	names := []any{nil}
	for _, p := range protocols {
		names = append(names, p.name)
	}
	return badRequest("SecurityGroupRuleInvalidProtocol",
		"Security group rule protocol %s not supported. Only protocol values %s and integer representations [0 to 255] are supported.",
		rest.Str(v), rest.Repr(names))
}

// checkEtherType reads IPv4 or IPv6 in any case of its letters.
func checkEtherType(v any) (any, error) {
	if text, ok := v.(string); ok {
		for _, family := range []string{"IPv4", "IPv6"} {
			if strings.EqualFold(text, family) {
				return family, nil
			}
		}
	}
	return nil, badRequest("SecurityGroupRuleInvalidEtherType",
		"Security group rule for ethertype '%s' not supported. Allowed values are ['IPv4', 'IPv6'].", rest.Str(v))
}

// checkPortValue reads a port, an ICMP type or code.
func checkPortValue(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	if n, err := strconv.Atoi(rest.Str(v)); err == nil && n >= 0 && n <= 65535 {
		return n, nil
	}
	return nil, badRequest("SecurityGroupInvalidPortValue", "Invalid value for port %s", rest.Str(v))
}

// checkAnyID takes everything; what is no id is the id of nothing.
func checkAnyID(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	return rest.Str(v), nil
}

// checkPrefix reads a prefix or an address. What is no prefix at all, null or the empty text, is none.
func checkPrefix(v any) (any, error) {
	if v == nil || v == "" {
		return nil, nil
	}
	text, _ := v.(string)
	if prefix, ok := parseRemote(text); ok {
		return prefix.String(), nil
	}
	return nil, invalidCIDR(rest.Str(v))
}

// parseRemote reads a prefix, which may leave out zeros at the end of an IPv4 address ("10.0/16").
func parseRemote(text string) (netip.Prefix, bool) {
	if prefix, ok := parseCIDR(text); ok {
		return prefix, true
	}
	address, length, cut := strings.Cut(text, "/")
	if dots := strings.Count(address, "."); cut && dots < 3 && !strings.Contains(address, ":") {
		return parseCIDR(address + strings.Repeat(".0", 3-dots) + "/" + length)
	}
	return netip.Prefix{}, false
}
