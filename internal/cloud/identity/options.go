// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"log/slog"
	"time"
)

// Options are what a Service begins with. What they name and the store does
// not have is made at each start; what is there already stays, but for the
// admin's password and the endpoints of the catalogue.
type Options struct {
	// AdminPassword is the password of the user admin.
	AdminPassword string
	// Region is the region of the endpoints; empty: RegionOne.
	Region string
	// Roles are made beside admin, member, reader and service.
	Roles []string
	// Projects are made beside admin, in the domain Default.
	Projects []Project
	// Users are made beside admin, in the domain Default.
	Users []User
	// ApplicationCredentials are made for users.
	ApplicationCredentials []ApplicationCredential
	// Endpoints are the URLs of the catalogue by service type ("identity", "network").
	Endpoints map[string]string
	// TokenLifetime is how long a token is good; zero: a day.
	TokenLifetime time.Duration
	// Logger is told of internal errors; nil: nobody is.
	Logger *slog.Logger
	// Now tells the time; nil: time.Now.
	Now func() time.Time
}

// Project is a project to begin with.
type Project struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
}

// User is a user to begin with. The roles are in the project, which is the
// user's default project too; both are made if need be.
type User struct {
	Name     string   `yaml:"name"`
	Password string   `yaml:"password"`
	Project  string   `yaml:"project"`
	Roles    []string `yaml:"roles"`
}

// ApplicationCredential is an application credential to begin with, of a user
// who has roles in the project; no Roles: all of those.
type ApplicationCredential struct {
	// ID is what clients log in with; empty: one is made up.
	ID           string   `yaml:"id"`
	Name         string   `yaml:"name"`
	Secret       string   `yaml:"secret"`
	User         string   `yaml:"user"`
	Project      string   `yaml:"project"`
	Roles        []string `yaml:"roles"`
	Unrestricted bool     `yaml:"unrestricted"`
}

func (o Options) withDefaults() Options {
	if o.Region == "" {
		o.Region = "RegionOne"
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
