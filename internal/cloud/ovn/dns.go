// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const kindDNS = "dns"

// dnsKind is what OVN's DNS server answers on a network: the names of its
// ports that have one and a device.
func dnsKind() kind {
	return kind{
		name: kindDNS,
		every: func(v view) iter.Seq[string] {
			return ids(v.Networks.All(v), func(n *model.Network) string { return n.ID })
		},
		rows: func(v view, id string) []Row {
			n := v.Networks.Get(v, id)
			if n == nil {
				return nil
			}
			records := dnsRecords(v, n)
			if len(records) == 0 {
				return nil
			}
			return []Row{{
				Table: tableDNS, Key: id,
				Columns: ovsdb.Columns{"records": records, columnIDs: ovsdb.Map{idDNSSwitch: switchName(id)}},
				In:      []Place{{tableSwitch, switchName(id), "dns_records"}},
			}}
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableDNS: func(row *ovsdb.Row) (id, key string, ok bool) {
				id, ok = strings.CutPrefix(row.Entry(columnIDs, idDNSSwitch), namePrefix)
				return id, id, ok
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"networks": func(_ view, c store.Change, dirty func(string)) {
				if before, after := changed[model.Network](c); before == nil || after == nil || before.DNSDomain != after.DNSDomain {
					dirty(c.ID)
				}
			},
			"ports": func(_ view, c store.Change, dirty func(string)) {
				each(c, func(p *model.Port) {
					if p.DNSName != "" && p.DeviceID != "" {
						dirty(p.NetworkID)
					}
				})
			},
		},
	}
}

// dnsRecords are the addresses of names, under the cloud's domain, the
// network's, and none; and the names of addresses.
func dnsRecords(v view, n *model.Network) ovsdb.Map {
	addresses, names := map[string][]string{}, ovsdb.Map{}
	for p := range v.Ports.By(v, v.Index.NamedPortByNetwork, n.ID) {
		full := strings.TrimSuffix(p.DNSName+"."+v.options.DNSDomain, ".")
		all := []string{p.DNSName, full}
		if domain := strings.TrimSuffix(n.DNSDomain, "."); domain != "" {
			all = append(all, p.DNSName+"."+domain)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		for _, f := range p.FixedIPs {
			for _, name := range all {
				addresses[name] = append(addresses[name], f.IPAddress)
			}
			if reverse := reverseName(f.IPAddress); reverse != "" {
				names[reverse] = full
			}
		}
	}
	records := names
	for name, all := range addresses {
		records[name] = strings.Join(all, " ")
	}
	return records
}

// reverseName is the name under which DNS has the name of an address.
func reverseName(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	labels := []string{"in-addr", "arpa"}
	if a.Is4() {
		for _, b := range a.As4() {
			labels = append([]string{strconv.Itoa(int(b))}, labels...)
		}
		return strings.Join(labels, ".")
	}
	labels = []string{"ip6", "arpa"}
	for _, b := range a.As16() {
		labels = append([]string{hexDigit(b & 15), hexDigit(b >> 4)}, labels...)
	}
	return strings.Join(labels, ".")
}

func hexDigit(b byte) string { return string("0123456789abcdef"[b]) }
