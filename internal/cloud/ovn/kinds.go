// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

// kinds are all kinds of units. Rows may be in, or refer to, rows of kinds
// before their own. Of two kinds that could own a row the later one does.
func kinds() []kind {
	return []kind{
		networkKind(), subnetKind(), groupKind(), addressGroupKind(), ruleKind(), dropKind(), haGroupKind(), portKind(),
		routerKind(), routerPortKind(), floatingKind(), forwardingKind(), dnsKind(), lbKind(),
	}
}
