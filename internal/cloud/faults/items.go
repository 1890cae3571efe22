// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

// items counts what a request's body holds: in bulk, the elements of the first
// list that is a value of the outermost object; else one, and none in an empty
// body. What is no JSON counts as one: whether it is good is the service's to tell.
func items(body []byte) (n int, bulk bool) {
	// empty is about the body, then about the list.
	depth, quoted, empty := 0, false, true
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted, empty = !quoted, false
		case quoted || c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '[' && depth == 1:
			depth, bulk, empty = 2, true, true
		case c == '{' || c == '[':
			depth++
			empty = false
		case c == '}' || c == ']':
			if depth--; depth == 1 && bulk {
				return n + one(!empty), true
			}
		case c == ',' && depth == 2 && bulk:
			n++
		default:
			empty = false
		}
	}
	if bulk {
		return n, true // cut off
	}
	return one(!empty), false
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
