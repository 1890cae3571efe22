// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ipam

import (
	"math/big"
	"net/netip"
	"slices"
)

// Range is the addresses between two of one family, both in it.
type Range struct{ From, To netip.Addr }

// RangeOf is the whole of a prefix.
func RangeOf(p netip.Prefix) Range {
	p = p.Masked()
	return Range{p.Addr(), Last(p)}
}

// Last is the greatest address of a prefix.
func Last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Has tells whether an address is in the range.
func (r Range) Has(a netip.Addr) bool {
	return a.BitLen() == r.From.BitLen() && r.From.Compare(a) <= 0 && a.Compare(r.To) <= 0
}

// Size is the number of addresses.
func (r Range) Size() *big.Int {
	from, to := new(big.Int).SetBytes(r.From.AsSlice()), new(big.Int).SetBytes(r.To.AsSlice())
	return from.Sub(to, from).Add(from, big.NewInt(1))
}

// String is as Python's netaddr has it.
func (r Range) String() string { return r.From.String() + "-" + r.To.String() }

// Overlaps tells whether two ranges share an address.
func (r Range) Overlaps(o Range) bool {
	return r.From.BitLen() == o.From.BitLen() && r.From.Compare(o.To) <= 0 && o.From.Compare(r.To) <= 0
}

// prefixes cuts the range into the fewest prefixes.
func (r Range) prefixes() (all []netip.Prefix) {
	for from := r.From; ; {
		bits := from.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(from, bits-1)
			if wider.Masked().Addr() != from || Last(wider).Compare(r.To) > 0 {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(from, bits)
		all = append(all, p)
		if from = Last(p).Next(); !from.IsValid() || from.Compare(r.To) > 0 {
			return all
		}
	}
}

// Set is ranges in order with a gap between any two; IPv4 is before IPv6.
type Set []Range

// SetOf is the union of ranges.
func SetOf(ranges ...Range) (s Set) {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return a.From.Compare(b.From) })
	for _, r := range sorted {
		if n := len(s); n > 0 && s[n-1].From.BitLen() == r.From.BitLen() {
			if next := s[n-1].To.Next(); !next.IsValid() || r.From.Compare(next) <= 0 {
				if s[n-1].To.Less(r.To) {
					s[n-1].To = r.To
				}
				continue
			}
		}
		s = append(s, r)
	}
	return s
}

// SetOfPrefixes is the union of prefixes.
func SetOfPrefixes(prefixes ...netip.Prefix) Set {
	ranges := make([]Range, len(prefixes))
	for i, p := range prefixes {
		ranges[i] = RangeOf(p)
	}
	return SetOf(ranges...)
}

// Without is the set less a range.
func (s Set) Without(r Range) (left Set) {
	for _, have := range s {
		if !have.Overlaps(r) {
			left = append(left, have)
			continue
		}
		if have.From.Less(r.From) {
			left = append(left, Range{have.From, r.From.Prev()})
		}
		if r.To.Less(have.To) {
			left = append(left, Range{r.To.Next(), have.To})
		}
	}
	return left
}

// Contains tells whether all of a range is in the set.
func (s Set) Contains(r Range) bool {
	return slices.ContainsFunc(s, func(have Range) bool { return have.Has(r.From) && have.Has(r.To) })
}

// Overlaps tells whether the sets share an address.
func (s Set) Overlaps(o Set) bool {
	return slices.ContainsFunc(s, func(a Range) bool { return slices.ContainsFunc(o, a.Overlaps) })
}

// Prefixes gives the fewest prefixes that are the set.
func (s Set) Prefixes() (all []netip.Prefix) {
	for _, r := range s {
		all = append(all, r.prefixes()...)
	}
	return all
}
