// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ipam

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// near is an address of one of two small spaces, so that things meet.
var near = rapid.Custom(func(t *rapid.T) netip.Addr {
	base := rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("10.0.0.250"), netip.MustParseAddr("fd00::fff0")}).Draw(t, "base")
	for range rapid.IntRange(0, 30).Draw(t, "offset") {
		base = base.Next()
	}
	return base
})

var ranges = rapid.Custom(func(t *rapid.T) Range {
	a := near.Draw(t, "from")
	b := near.Filter(func(b netip.Addr) bool { return b.BitLen() == a.BitLen() }).Draw(t, "to")
	if b.Less(a) {
		a, b = b, a
	}
	return Range{a, b}
})

// all is the addresses of ranges, by brute force.
func all(rs []Range) map[netip.Addr]bool {
	m := map[netip.Addr]bool{}
	for _, r := range rs {
		for a := r.From; a.Compare(r.To) <= 0; a = a.Next() {
			m[a] = true
		}
	}
	return m
}

func TestASetIsTheAddressesOfItsRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(ranges, 0, 6).Draw(t, "ranges")
		set, want := SetOf(in...), all(in)
		if diff := cmp.Diff(want, all(set), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatal(diff)
		}
		for i := 1; i < len(set); i++ {
			if set[i-1].From.BitLen() == set[i].From.BitLen() && set[i-1].To.Next().Compare(set[i].From) >= 0 {
				t.Fatalf("no gap: %v", set)
			}
		}
		if again := SetOfPrefixes(set.Prefixes()...); !slices.Equal(again, set) {
			t.Fatalf("%v by prefixes is %v", set, again)
		}
		cut := ranges.Draw(t, "cut")
		left := all(set.Without(cut))
		for a := range want {
			if left[a] == cut.Has(a) {
				t.Fatalf("%v without %v: %v is in it: %v", set, cut, a, left[a])
			}
		}
		whole, touched := true, false
		for a := range all([]Range{cut}) {
			whole, touched = whole && want[a], touched || want[a]
		}
		if set.Contains(cut) != whole || set.Overlaps(Set{cut}) != touched {
			t.Fatalf("%v and %v: contains %v, overlaps %v", set, cut, set.Contains(cut), set.Overlaps(Set{cut}))
		}
	})
}

func TestFreeIsThePoolsLessWhatIsTaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pools := SetOf(rapid.SliceOfN(ranges, 1, 3).Draw(t, "pools")...)
		f, taken := NewFree(pools), map[netip.Addr]bool{}
		everything := all(pools)
		free := func() int { return len(everything) - len(taken) }
		var last netip.Addr
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				a := near.Draw(t, "take")
				f.Take(a)
				if everything[a] {
					taken[a] = true
				}
			case 1:
				a := near.Draw(t, "give")
				f.Give(a)
				delete(taken, a)
			default:
				a, ok := f.Next(false, func(netip.Addr) bool { return true })
				if ok != (free() > 0) || ok && (taken[a] || !everything[a]) {
					t.Fatalf("next of %v with %v taken: %v %v", pools, taken, a, ok)
				}
				if ok && free() > 1 && a == last {
					t.Fatalf("%v is given twice in a row with %d free", a, free())
				}
				if last = a; ok {
					f.Take(a)
					taken[a] = true
				}
			}
		}
		n := 0
		for range free() {
			a, ok := f.Next(true, func(a netip.Addr) bool { return !taken[a] })
			if !ok {
				t.Fatalf("no address with %d free", free())
			}
			f.Take(a)
			taken[a] = true
			n++
		}
		if a, ok := f.Next(false, func(netip.Addr) bool { return true }); ok {
			t.Fatalf("%v of none", a)
		}
	})
}

func BenchmarkNextOfASubnetThatIsNearlyFull(b *testing.B) {
	f := NewFree(SetOfPrefixes(netip.MustParsePrefix("10.0.0.0/16")))
	var held []netip.Addr
	for range 65000 {
		a, _ := f.Next(false, func(netip.Addr) bool { return true })
		f.Take(a)
		held = append(held, a)
	}
	for i := 0; b.Loop(); i++ {
		f.Give(held[i*7919%len(held)])
		a, _ := f.Next(false, func(netip.Addr) bool { return true })
		f.Take(a)
		held[i*7919%len(held)] = a
	}
}
