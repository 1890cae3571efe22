// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mask puts words in the place of what is another value at each run: the same
// word for the same value, within one scenario.
type mask struct {
	// source is the scenario: what it names is kept.
	source string
	// words by value; taken tells how often a word was given.
	words map[string]string
	taken map[string]int
	// bases are URLs and other strings that are replaced wherever they are, with
	// their words behind each.
	bases []string
	// kept are addresses that the cloud chooses always alike.
	kept map[string]bool
}

func newMask(source string) *mask {
	return &mask{
		source: source, words: map[string]string{}, taken: map[string]int{},
		kept: map[string]bool{},
	}
}

// name gives a value its word; a word that is taken gets a number.
func (m *mask) name(value, word string) string {
	if old, ok := m.words[value]; ok {
		return old
	}
	m.taken[word]++
	if n := m.taken[word]; n > 1 {
		word += "-" + strconv.Itoa(n)
	}
	m.words[value] = "<" + word + ">"
	return m.words[value]
}

// replace has every occurrence of s give way to a word.
func (m *mask) replace(s, word string) { m.bases = append(m.bases, s, "<"+word+">") }

// capture names the ids in an answer after its variable and their place in it.
func (m *mask) capture(v any, word string) {
	switch v := v.(type) {
	case map[string]any:
		if id, ok := v["id"].(string); ok && token.MatchString(id) {
			m.name(id, word)
		}
		for _, k := range sortedKeys(v) {
			m.capture(v[k], word+"."+k)
		}
	case []any:
		for i, element := range v {
			m.capture(element, word+"."+strconv.Itoa(i))
		}
	}
}

// token is all that may have to be masked in a text. Groups tell which kind.
var token = regexp.MustCompile(
	`\breq-[0-9a-f-]{36}\b|` +
		`\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|` +
		`\b[0-9a-f]{32}\b|` +
		`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?|` +
		`\bfa(?::[0-9a-f]{2}){5}\b|` +
		`\bgAAAAA[\w=-]+|` +
		`\bhost-[0-9a-f-]+|` +
		`\d{1,3}(?:\.\d{1,3}){3}|` +
		`[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}`)

var (
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$`)
	hexForm  = regexp.MustCompile(`^[0-9a-f]{32}$|^[0-9a-f]{8}-`)
	macForm  = regexp.MustCompile(`^fa(:[0-9a-f]{2}){5}$`)
	eui64    = regexp.MustCompile(`:[0-9a-f]{1,4}:[0-9a-f]{0,2}ff:fe[0-9a-f]{2}:[0-9a-f]{1,4}$`)
	drawn    = regexp.MustCompile(`:f8[0-9a-f]{2}:[0-9a-f]{1,2}ff:fe[0-9a-f]{2}:[0-9a-f]{1,4}$`)
	// addressForm is a whole address of either family.
	addressForm = regexp.MustCompile(`^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7})$`)
)

// allocated are the fields with addresses that the cloud draws by lot.
var allocated = map[string]bool{
	"ip_address": true, "floating_ip_address": true, "vip_address": true, "fixed_ip_address": true,
	"Floating IP Address": true, "Fixed IP Address": true,
}

// secret are the fields with a random text.
var secret = map[string]string{"secret": "<secret>", "audit_ids": "<audit>", "heartbeat_timestamp": "<time>", "password_expires_at": "<time>"}

// prose are the fields with an error's text.
var prose = map[string]bool{"message": true, "detail": true, "faultstring": true, "": true}

// unordered tells whether the order of a list means nothing.
func unordered(key string) bool { return key != "dns_nameservers" }

// arrange puts the lists of an answer whose order means nothing in an order of
// their texts, in place. In an ordered answer the order of the resources counts.
func (m *mask) arrange(v any, ordered bool) {
	m.learn(v)
	// Before anything else: host names are made of the addresses.
	m.addresses(v, "")
	m.sort(v, "", ordered)
}

// body masks an answer that is arranged.
func (m *mask) body(v any) any { return m.walk(v, "", true) }

// addresses names the addresses that were drawn by lot.
func (m *mask) addresses(v any, key string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			m.addresses(v[k], k)
		}
	case []any:
		for _, element := range v {
			m.addresses(element, key)
		}
	case string:
		if allocated[key] && addressForm.MatchString(v) {
			m.address(v)
		}
	}
}

// learn notes the addresses that every cloud chooses alike.
func (m *mask) learn(v any) {
	switch v := v.(type) {
	case map[string]any:
		if gateway, ok := v["gateway_ip"].(string); ok {
			m.kept[gateway] = true
		}
		for _, element := range v {
			m.learn(element)
		}
	case []any:
		for _, element := range v {
			m.learn(element)
		}
	}
}

// sort is arrange for the value of a field.
func (m *mask) sort(v any, key string, ordered bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, element := range v {
			m.sort(element, k, ordered && key == "")
		}
	case []any:
		for _, element := range v {
			m.sort(element, key+"[]", false)
		}
		if ordered || !unordered(key) {
			return
		}
		type keyed struct {
			text  string
			value any
		}
		rows := make([]keyed, len(v))
		for i, element := range v {
			rows[i] = keyed{compact(m.walk(element, key, false)), element}
		}
		slices.SortStableFunc(rows, func(a, b keyed) int { return cmp.Compare(a.text, b.text) })
		for i := range rows {
			v[i] = rows[i].value
		}
	}
}

// walk masks all texts. Values that have no word yet get one when assign is
// set, and else the word of their kind.
func (m *mask) walk(v any, key string, assign bool) any {
	switch v := v.(type) {
	case map[string]any:
		masked := make(map[string]any, len(v))
		for _, k := range sortedKeys(v) {
			if k == "name" && v["interface"] != nil && v["region_id"] != nil {
				continue // whether an endpoint has a name is for who makes it, and nobody asks
			}
			masked[m.text(k, "key", assign)] = m.walk(v[k], k, assign)
		}
		return masked
	case []any:
		masked := make([]any, len(v))
		for i, element := range v {
			masked[i] = m.walk(element, key, assign)
		}
		return masked
	case string:
		if word, ok := secret[key]; ok && v != "" {
			return word
		}
		return m.text(v, key, assign)
	case Text:
		return Text(m.text(string(v), key, assign))
	}
	switch {
	case key == "provider:segmentation_id" && v != nil && !m.asked("segmentation_id", compact(v)):
		return "<segment>"
	case key == "standard_attr_id":
		return "<number>"
	}
	return v
}

// named tells whether the scenario itself names a value.
func (m *mask) named(value string) bool {
	return m.occurs(value, func(before string) bool { return !inToken(before, len(before)-1) })
}

// asked tells whether the scenario asks for a value of a field, and does not
// just name it.
func (m *mask) asked(field, value string) bool {
	return m.occurs(value, func(before string) bool { return strings.HasSuffix(strings.TrimRight(before, " '=:"), field) })
}

// occurs looks for a value in the scenario, as a word and behind a text that pleases.
func (m *mask) occurs(value string, pleases func(before string) bool) bool {
	for from := 0; ; {
		at := strings.Index(m.source[from:], value)
		if at < 0 {
			return false
		}
		at += from
		from = at + len(value)
		if !inToken(m.source, from) && pleases(m.source[:at]) {
			return true
		}
	}
}

// inToken tells whether the byte would make another value of one beside it.
func inToken(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	c := s[i]
	return c == '.' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
}

// set is a set of texts as Python shows it, in an order that is another in each process.
var set = regexp.MustCompile(`\{'[^'{}:]*'(?:, '[^'{}:]*')+\}`)

// idList are ids in no order, oneOf are values in the order of a set, callback
// is one of Neutron's with a number of the process.
var (
	oneOf    = regexp.MustCompile(`(should be one of: |Unrecognized attribute\(s\) ')([\w-]+(?:, [\w-]+)+)`)
	idList   = regexp.MustCompile(`<[^<>]+>(?:,<[^<>]+>)+`)
	callback = regexp.MustCompile(`(Callback \S+-)\d+ failed`)
)

func sortSet(s string) string {
	elements := strings.Split(strings.Trim(s, "{}"), ", ")
	slices.Sort(elements)
	return "{" + strings.Join(elements, ", ") + "}"
}

func (m *mask) text(s, key string, assign bool) string {
	s = set.ReplaceAllStringFunc(s, sortSet)
	s = strings.NewReplacer(m.bases...).Replace(s)
	if allocated[key] && addressForm.MatchString(s) {
		return m.address(s)
	}
	s = token.ReplaceAllStringFunc(s, func(t string) string { return m.token(t, key, assign) })
	s = idList.ReplaceAllStringFunc(s, func(list string) string {
		ids := strings.Split(list, ",")
		slices.Sort(ids)
		return strings.Join(ids, ",")
	})
	s = oneOf.ReplaceAllStringFunc(s, func(list string) string {
		parts := oneOf.FindStringSubmatch(list)
		values := strings.Split(parts[2], ", ")
		slices.Sort(values)
		return parts[1] + strings.Join(values, ", ")
	})
	return callback.ReplaceAllString(s, "$1<number> failed")
}

// address masks an address that was drawn by lot, and learns the host name
// that goes with it. The words have no number: an address may be drawn again.
func (m *mask) address(s string) string {
	if m.kept[s] || m.asked("address", s) || eui64.MatchString(s) && !drawn.MatchString(s) {
		return s
	}
	if m.words[s] == "" {
		m.words[s] = "<ip>"
		if drawn.MatchString(s) {
			m.words[s] = "<ip of a mac>"
		}
		m.words["host-"+strings.NewReplacer(".", "-", ":", "-").Replace(s)] = "host-" + m.words[s]
	}
	return m.words[s]
}

func (m *mask) token(t, key string, assign bool) string {
	if word, ok := m.words[t]; ok {
		return word
	}
	if m.named(t) && !addressForm.MatchString(t) {
		return t
	}
	switch form := timeForm.FindStringSubmatch(t); {
	case form != nil:
		fraction := ""
		if form[2] != "" {
			fraction = ".f"
		}
		return "<time" + form[1] + fraction + form[3] + ">"
	case prose[key] && strings.HasPrefix(t, "203.0.113.") && !m.kept[t] && !m.asked("address", t):
		// A floating address that was taken and given back within the call.
		return "<ip>"
	case strings.HasPrefix(t, "req-"):
		return "<request>"
	case strings.HasPrefix(t, "gAAAAA"):
		return "<token>"
	case macForm.MatchString(t):
		return m.word(t, "mac", assign)
	case hexForm.MatchString(t):
		if prose[key] {
			key = "id"
		}
		return m.word(t, strings.TrimSuffix(key, "_id"), assign)
	}
	return t
}

// word gives the word of a value, or that of its kind.
func (m *mask) word(value, kind string, assign bool) string {
	if !assign {
		return "<" + kind + ">"
	}
	return m.name(value, kind)
}
