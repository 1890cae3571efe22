// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"os"
	"strconv"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// credentials are what a login needs.
type credentials struct {
	auth     gophercloud.AuthOptions
	endpoint gophercloud.EndpointOpts
	tls      *tls.Config
}

// envCloud is the name under which the OS_* variables become a cloud.
const envCloud = "environment"

// loadCredentials reads clouds.yaml or, when no cloud is named, the
// environment. It makes no request. Its errors are Invalid.
func loadCredentials(o Options) (credentials, error) {
	parse := overrides(o)
	switch cloud := cmp.Or(o.Cloud, os.Getenv("OS_CLOUD")); {
	case cloud != "":
		parse = append(parse, clouds.WithCloudName(cloud))
		if o.ConfigFile != "" {
			parse = append(parse, clouds.WithLocations(o.ConfigFile))
		}
	case os.Getenv("OS_AUTH_URL") != "":
		y, err := cloudsYAMLFromEnv()
		if err != nil {
			return credentials{}, err
		}
		parse = append(parse, clouds.WithCloudName(envCloud), clouds.WithCloudsYAML(bytes.NewReader(y)))
	default:
		return credentials{}, fault.New(fault.Invalid, "neutron: load credentials: no cloud is named: set OS_CLOUD to an entry of clouds.yaml, or OS_AUTH_URL and its companions")
	}
	auth, endpoint, tlsConfig, err := clouds.Parse(parse...)
	if err != nil {
		return credentials{}, fault.New(fault.Invalid, "neutron: load credentials: %w", err)
	}
	if auth.IdentityEndpoint == "" {
		return credentials{}, fault.New(fault.Invalid, "neutron: load credentials: the cloud has no auth_url")
	}
	// A token alone cannot be renewed, and gophercloud refuses to try.
	auth.AllowReauth = auth.TokenID == ""
	tlsConfig.MinVersion = tls.VersionTLS12
	return credentials{auth: auth, endpoint: endpoint, tls: tlsConfig}, nil
}

// overrides are the options that beat clouds.yaml and the environment. An
// option is left out when it is empty, since gophercloud would take even the
// empty string as an override.
func overrides(o Options) []clouds.ParseOption {
	var parse []clouds.ParseOption
	if o.Region != "" {
		parse = append(parse, clouds.WithRegion(o.Region))
	}
	if o.Interface != "" {
		parse = append(parse, clouds.WithEndpointType(o.Interface))
	}
	if o.CACert != "" {
		parse = append(parse, clouds.WithCACertPath(o.CACert))
	}
	if o.Insecure {
		parse = append(parse, clouds.WithInsecure(true))
	}
	return parse
}

// cloudsYAMLFromEnv writes the OS_* variables as a clouds.yaml. gophercloud's
// own reader of the environment knows no OS_USER_DOMAIN_NAME, no
// OS_PROJECT_DOMAIN_NAME and no TLS settings, which every openrc file has.
func cloudsYAMLFromEnv() ([]byte, error) {
	cloud := clouds.Cloud{
		AuthInfo:     authFromEnv(),
		RegionName:   os.Getenv("OS_REGION_NAME"),
		EndpointType: os.Getenv("OS_ENDPOINT_TYPE"),
		Interface:    os.Getenv("OS_INTERFACE"),
	}
	if s := os.Getenv("OS_INSECURE"); s != "" {
		insecure, err := strconv.ParseBool(s)
		if err != nil {
			return nil, fault.New(fault.Invalid, "neutron: load credentials: OS_INSECURE is %q, neither true nor false", s)
		}
		verify := !insecure
		cloud.Verify = &verify
	}
	// JSON is YAML too.
	y, err := json.Marshal(clouds.Clouds{Clouds: map[string]clouds.Cloud{envCloud: cloud}})
	if err != nil {
		return nil, fault.New(fault.Internal, "neutron: load credentials: %w", err)
	}
	return y, nil
}

func authFromEnv() *clouds.AuthInfo {
	env := os.Getenv
	return &clouds.AuthInfo{
		AuthURL:                     env("OS_AUTH_URL"),
		Token:                       env("OS_TOKEN"),
		Username:                    env("OS_USERNAME"),
		UserID:                      cmp.Or(env("OS_USER_ID"), env("OS_USERID")),
		Password:                    env("OS_PASSWORD"),
		ApplicationCredentialID:     env("OS_APPLICATION_CREDENTIAL_ID"),
		ApplicationCredentialName:   env("OS_APPLICATION_CREDENTIAL_NAME"),
		ApplicationCredentialSecret: env("OS_APPLICATION_CREDENTIAL_SECRET"),
		SystemScope:                 env("OS_SYSTEM_SCOPE"),
		ProjectName:                 cmp.Or(env("OS_PROJECT_NAME"), env("OS_TENANT_NAME")),
		ProjectID:                   cmp.Or(env("OS_PROJECT_ID"), env("OS_TENANT_ID")),
		UserDomainName:              env("OS_USER_DOMAIN_NAME"),
		UserDomainID:                env("OS_USER_DOMAIN_ID"),
		ProjectDomainName:           env("OS_PROJECT_DOMAIN_NAME"),
		ProjectDomainID:             env("OS_PROJECT_DOMAIN_ID"),
		DomainName:                  env("OS_DOMAIN_NAME"),
		DomainID:                    env("OS_DOMAIN_ID"),
		TrustID:                     env("OS_TRUST_ID"),
	}
}

// secrets are the strings that must never be repeated in a message.
func (c credentials) secrets() []string {
	var all []string
	for _, s := range []string{c.auth.Password, c.auth.Passcode, c.auth.ApplicationCredentialSecret, c.auth.TokenID} {
		// Shorter ones would blot out ordinary words.
		if len(s) >= 4 {
			all = append(all, s)
		}
	}
	return all
}
