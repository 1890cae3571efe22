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
	// Name is its name.
	Name string `yaml:"name"`
	// Description is its description. Default: empty.
	Description string `yaml:"description"`
}

// User is a user to begin with. The roles are in the project, which is the
// user's default project too; both are made if need be.
type User struct {
	// Name is the user's name.
	Name string `yaml:"name"`
	// Password is the user's password.
	Password string `yaml:"password"`
	// Project is the project that the user is in; it is made if need be.
	Project string `yaml:"project"`
	// Roles are the user's roles in the project.
	Roles []string `yaml:"roles"`
}

// ApplicationCredential is an application credential to begin with, of a user
// who has roles in the project; no Roles: all of those.
type ApplicationCredential struct {
	// ID is what clients log in with. Default: made up.
	ID string `yaml:"id"`
	// Name is its name, one of its user's.
	Name string `yaml:"name"`
	// Secret is the secret.
	Secret string `yaml:"secret"`
	// User is whose it is.
	User string `yaml:"user"`
	// Project is the project that it is for.
	Project string `yaml:"project"`
	// Roles are those that it has. Default: all of the user's in the project.
	Roles []string `yaml:"roles"`
	// Unrestricted lets it make other application credentials. Default: false.
	Unrestricted bool `yaml:"unrestricted"`
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
