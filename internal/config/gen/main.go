// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes the generated files of the package in dir.
func run(dir string) error {
	files, err := generate(dir)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate gives the generated files of the package in dir, by path.
func generate(dir string) (map[string][]byte, error) {
	all, err := sections(filepath.Join(dir, "config.go"))
	if err != nil {
		return nil, err
	}
	code, err := table(all)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		filepath.Join(dir, "keys_generated.go"):                    code,
		filepath.Join(dir, "..", "..", "docs", "configuration.md"): page(all),
	}, nil
}
