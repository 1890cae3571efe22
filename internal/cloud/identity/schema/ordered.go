// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package schema

import (
	"encoding/json"
	"strconv"
)

// object is a JSON object that keeps its order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// readOrdered reads one JSON value: objects as object, numbers, which are all
// bounds, as int, else as encoding/json.
func readOrdered(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := readOrdered(d)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name.(string), value})
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := readOrdered(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := d.Token()
		return list, err
	}
	if number, ok := token.(json.Number); ok {
		return strconv.Atoi(number.String())
	}
	return token, nil
}
