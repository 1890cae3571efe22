// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// cniArgs are the keys of CNI_ARGS that are Kuryr's.
var cniArgs = []string{"IP", "MAC", "IgnoreUnknown"}

// foreignArgs begin the keys that runtimes add for other plugins.
var foreignArgs = []string{"K8S_", "NOMAD_", "NERDCTL_"}

// readArgs reads CNI_ARGS: "K=V;K=V". An unknown key is an error unless
// IgnoreUnknown says otherwise, as in the reference library.
func (c *config) readArgs(args string) error {
	ignore := false
	var unknown []string
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(args, ";") {
		k, val, ok := strings.Cut(pair, "=")
		var err error
		switch {
		case pair == "":
		case !ok:
			err = fault.InvalidField("CNI_ARGS", "%.80q is not of the form KEY=VALUE", pair)
		case seen[k]:
			err = fault.InvalidField("CNI_ARGS", "%.80q stands twice", k)
		case k == "IgnoreUnknown":
			ignore, err = parseBool(val)
		case k == "IP" && val != "":
			err = c.readArgsIP(val)
		case k == "MAC" && val != "":
			var mac string
			mac, err = parseMAC("CNI_ARGS MAC", val)
			c.macs = append(c.macs, macWish{fromCNIArgs, "CNI_ARGS MAC", mac})
		case !slices.Contains(cniArgs, k) && !slices.ContainsFunc(foreignArgs, func(p string) bool { return strings.HasPrefix(k, p) }):
			unknown = append(unknown, k)
		}
		seen[k] = true
		if err != nil {
			return err
		}
	}
	if len(unknown) > 0 && !ignore {
		e := fault.InvalidField("CNI_ARGS", "%.80q is unknown", unknown[0])
		if e.Hint = suggest(unknown[0], cniArgs); e.Hint == "" {
			e.Hint = "IgnoreUnknown=1 has unknown keys ignored"
		}
		return e
	}
	return nil
}

func (c *config) readArgsIP(list string) error {
	var ips []wishedIP
	for s := range strings.SplitSeq(list, ",") {
		var err error
		if ips, err = addAddress(ips, "CNI_ARGS IP", s); err != nil {
			return err
		}
	}
	c.addresses = append(c.addresses, addressWish{fromCNIArgs, "CNI_ARGS IP", ips})
	return nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, fault.InvalidField("CNI_ARGS IgnoreUnknown", "%.80q; want 1, true, 0 or false", s)
}
