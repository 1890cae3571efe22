// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/identity"
)

// cloudsMark is the first line of a clouds.yaml that this program may overwrite.
const cloudsMark = "# Written by kuryr cloud, which overwrites it.\n"

// login is an entry of clouds.yaml.
type login struct {
	Auth struct {
		URL           string `yaml:"auth_url"`
		User          string `yaml:"username"`
		Password      string `yaml:"password"`
		Project       string `yaml:"project_name"`
		UserDomain    string `yaml:"user_domain_name"`
		ProjectDomain string `yaml:"project_domain_name"`
	} `yaml:"auth"`
	Region string `yaml:"region_name"`
	API    string `yaml:"identity_api_version"`
}

// logins gives an entry for each user of the seed, by the user's name.
func logins(c *cloud.Cloud) map[string]login {
	all := map[string]login{}
	seed := c.Seed()
	for _, u := range append([]identity.User{{Name: "admin", Password: seed.AdminPassword, Project: "admin"}}, seed.Users...) {
		l := login{Region: seed.Region, API: "3"}
		l.Auth.URL, l.Auth.User, l.Auth.Password, l.Auth.Project = c.Endpoints().Identity, u.Name, u.Password, u.Project
		l.Auth.UserDomain, l.Auth.ProjectDomain = "Default", "Default"
		all[u.Name] = l
	}
	return all
}

// writeCloudsYAML writes the logins, unless a file is there that somebody else
// wrote.
func writeCloudsYAML(path string, c *cloud.Cloud) error {
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && !bytes.HasPrefix(before, []byte(cloudsMark)) {
		return fmt.Errorf("%s is there, and kuryr cloud did not write it; choose another file with --clouds-yaml", path)
	}
	b, err := yaml.Marshal(map[string]any{"clouds": logins(c)})
	if err != nil {
		return err
	}
	// By a rename: a client may be reading it.
	fresh := path + ".new"
	if err := os.WriteFile(fresh, append([]byte(cloudsMark), b...), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// loginLine is what a shell must be told to use the cloud as admin. It may end
// in a log: of passwords it has only the one that everybody knows.
func loginLine(c *cloud.Cloud, file string) string {
	if file != "" {
		if absolute, err := filepath.Abs(file); err == nil {
			file = absolute
		}
		return "export OS_CLIENT_CONFIG_FILE=" + quoted(file) + " OS_CLOUD=admin"
	}
	l := logins(c)["admin"]
	password := quoted(l.Auth.Password)
	if l.Auth.Password != cloud.DefaultSeed().AdminPassword {
		password = "'adminPassword of the seed'"
	}
	return "export OS_AUTH_URL=" + l.Auth.URL + " OS_IDENTITY_API_VERSION=3 OS_REGION_NAME=" + quoted(l.Region) +
		" OS_USERNAME=admin OS_PASSWORD=" + password + " OS_PROJECT_NAME=admin OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default"
}

// quoted gives a word as a shell reads it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:@%+,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
