// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kuryr-go/kuryr/internal/config"
)

// configSource is where the agent's configuration comes from: a file and the
// flags over it.
type configSource struct {
	path      string
	missing   bool
	set       *pflag.FlagSet
	overrides []*keyFlag
}

// flags adds --config and a flag for every key.
func (s *configSource) flags(set *pflag.FlagSet) {
	s.flagsBelow(set, "")
}

// flagsBelow adds --config and a flag for every key that begins so.
func (s *configSource) flagsBelow(set *pflag.FlagSet, prefix string) {
	s.set = set
	set.StringVar(&s.path, "config", config.DefaultPath, "the configuration `file`")
	for _, key := range config.Keys() {
		if !strings.HasPrefix(key.Path, prefix) {
			continue
		}
		added := s.keyFlag(set, key, (&keyFlag{key: key}).usage())
		if key.Kind == config.Bool {
			added.NoOptDefVal = "true"
		}
	}
}

// keyFlag adds the flag of one key, with words of its own about it.
func (s *configSource) keyFlag(set *pflag.FlagSet, key config.Key, usage string) *pflag.Flag {
	f := &keyFlag{key: key}
	s.overrides = append(s.overrides, f)
	return set.VarPF(f, key.Flag(), "", usage)
}

// String says what was read.
func (s configSource) String() string {
	text := s.path
	if s.missing {
		text = "the defaults (" + s.path + " does not exist)"
	}
	var flags []string
	for _, f := range s.overrides {
		if f.changed {
			flags = append(flags, "--"+f.key.Flag())
		}
	}
	if len(flags) > 0 {
		text += " and " + strings.Join(flags, ", ")
	}
	return text
}

// load reads the file, applies the flags and validates the outcome. All that
// is wrong is in the one error.
func (s *configSource) load() (config.Config, error) {
	cfg, err := config.Load(s.path)
	if errors.Is(err, fs.ErrNotExist) && !s.set.Changed("config") {
		s.missing, err = true, nil
	}
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		return cfg, err
	}
	for _, f := range s.overrides {
		if f.changed {
			if err := cfg.Set(f.key.Path, f.text, "--"+f.key.Flag()); err != nil {
				return cfg, err
			}
		}
	}
	for _, check := range []func() error{cfg.Validate, cfg.CheckFiles} {
		var more config.Problems
		if errors.As(check(), &more) {
			problems = append(problems, more...)
		}
	}
	if len(problems) > 0 {
		return cfg, fmt.Errorf("the configuration is not right:\n%w", problems)
	}
	return cfg, nil
}

// keyFlag is the flag of one key. It takes what the key takes.
type keyFlag struct {
	key     config.Key
	text    string
	changed bool
}

// String implements pflag.Value. It knows no default: that is part of usage.
func (f *keyFlag) String() string { return f.text }

// Set implements pflag.Value. It refuses a value of the wrong type.
func (f *keyFlag) Set(text string) error {
	var scratch config.Config
	var problem config.Problem
	if err := scratch.Set(f.key.Path, text, ""); errors.As(err, &problem) {
		return errors.New(problem.Message)
	}
	f.text, f.changed = text, true
	return nil
}

// Type implements pflag.Value: the word that stands for the value in the help.
func (f *keyFlag) Type() string {
	switch f.key.Kind {
	case config.Strings:
		return "list"
	case config.Bool:
		return "bool"
	case config.Int:
		return "int"
	case config.Duration:
		return "duration"
	case config.String:
	}
	return "text"
}

// usage is the key's documentation and default, without the quotes that in
// pflag mark a word as the value's name.
func (f *keyFlag) usage() string {
	text := strings.ReplaceAll(f.key.Doc, "`", "'")
	switch f.key.Default {
	case "none", "false", `""`:
		return text
	}
	return text + " (default " + f.key.Default + ")"
}
