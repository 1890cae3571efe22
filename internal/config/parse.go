// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"errors"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

// Problem is one thing that is wrong with a configuration.
type Problem = strictyaml.Problem

// Problems is everything that is wrong with a configuration, in the order in
// which it was found. It is the type of the errors of Load, Parse and
// Validate that are about the content.
type Problems = strictyaml.Problems

// Load reads a file over the defaults. It finds unknown keys and values of
// the wrong type; whether a value is allowed is Validate's to tell, after
// the flags. Errors about the content are Problems; a file that cannot be
// read is an error of package os.
func Load(path string) (Config, error) {
	c := Default()
	var err error
	if c.origins, err = strictyaml.ReadFile(path, &c); err != nil {
		if errors.As(err, new(Problems)) {
			return c, err
		}
		return c, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

// Parse is Load for a file that was read already; name stands for it in
// problems.
func Parse(name string, content []byte) (Config, error) {
	c := Default()
	var err error
	c.origins, err = strictyaml.Read(name, content, &c)
	return c, err
}

// Set overrides one key from the text of its value, a list's items separated
// by commas. origin says who did, for problems found later. The error is
// about an unknown key or a value of the wrong type.
func (c *Config) Set(path, text, origin string) error {
	if _, ok := Lookup(path); !ok {
		return Problem{Origin: origin, Key: path, Message: "unknown key"}
	}
	if err := strictyaml.SetText(c.field(path), text); err != nil {
		return Problem{Origin: origin, Key: path, Message: err.Error()}
	}
	if c.origins == nil {
		c.origins = strictyaml.Origins{}
	}
	c.origins[path] = origin
	return nil
}
