// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/identity"
	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

// Seed is what a cloud begins with. What it names and the store does not have
// is made at each start; what the store has is left as it is, but for the
// password of admin and the URLs of the cloud's own services.
type Seed struct {
	// AdminPassword is the password of the user admin, who has the role admin in
	// the project admin. Default: secret.
	AdminPassword string `yaml:"adminPassword"`
	// Region is the region of the catalogue. Default: RegionOne.
	Region string `yaml:"region"`
	// TokenLifetime is how long a token is good. Default: 1h.
	TokenLifetime time.Duration `yaml:"tokenLifetime"`
	// Roles are roles beside Keystone's admin, member and reader and those that
	// users name.
	Roles []string `yaml:"roles"`
	// Projects are projects beside admin and those that users name.
	Projects []identity.Project `yaml:"projects"`
	// Users are users beside admin. Roles that are missing are made; a user
	// without any is member and load-balancer_member. Default: demo with the
	// password secret in the project demo; an empty list is none.
	Users []identity.User `yaml:"users"`
	// ApplicationCredentials are application credentials of users.
	ApplicationCredentials []identity.ApplicationCredential `yaml:"applicationCredentials"`
	// Endpoints are the URLs of services that this process does not serve, by
	// their types: entries of the catalogue. Default: none.
	Endpoints map[string]string `yaml:"endpoints"`
	// Policy gives for a rule of Neutron's or Octavia's policy the roles that may
	// beside those that may by default, as in policy.yaml.
	Policy map[string][]string `yaml:"policy"`
	// Network is about Neutron.
	Network NetworkSeed `yaml:"network"`
	// LoadBalancer is about Octavia.
	LoadBalancer LoadBalancerSeed `yaml:"loadBalancer"`
}

// NetworkSeed is what a Neutron's configuration files say.
type NetworkSeed struct {
	// PhysicalNetworks are those that flat networks may be on. Default: physnet1.
	PhysicalNetworks []string `yaml:"physicalNetworks"`
	// VLANRanges are the VLANs of tenants' networks, as PHYSNET:FIRST:LAST; a
	// physical network without numbers has VLANs for administrators alone. Default: none.
	VLANRanges []string `yaml:"vlanRanges"`
	// GeneveRange are the tunnel keys of tenants' networks, as FIRST:LAST. Default: 1:65536.
	GeneveRange string `yaml:"geneveRange"`
	// MaxHeaderSize is what a tunnel's headers take of the MTU, in bytes. Default: 38.
	MaxHeaderSize int `yaml:"maxHeaderSize"`
	// MTU is that of the physical networks, in bytes. Default: 1500.
	MTU int `yaml:"mtu"`
	// DNSDomain is the domain of ports that have no other; with a dot at its
	// end. Default: openstacklocal.
	DNSDomain string `yaml:"dnsDomain"`
	// DNSServers are offered by DHCP in subnets that name none. Default: none.
	DNSServers []string `yaml:"dnsServers"`
	// MaxFixedIPsPerPort is max_fixed_ips_per_port of neutron.conf, of which
	// Neutron takes no notice any more. Default: 5.
	MaxFixedIPsPerPort int `yaml:"maxFixedIPsPerPort"`
	// Quota is a project's limit of each resource, where it has no other; -1 is
	// none. Default: Neutron's own.
	Quota map[string]int `yaml:"quota"`
	// CentralFloatingIPs has floating IPs translated on the router's gateway
	// node, and not on that of the port. Default: false.
	CentralFloatingIPs bool `yaml:"centralFloatingIPs"`
	// Extensions are API extensions to offer that ML2/OVN does not offer by
	// itself: tag-ports-during-bulk-creation. Default: none.
	Extensions []string `yaml:"extensions"`
}

// LoadBalancerSeed is what an Octavia's configuration files say.
type LoadBalancerSeed struct {
	// Providers are those that are enabled. Default: ovn and amphora, which is simulated.
	Providers []string `yaml:"providers"`
	// Provider is that of load balancers that name none. Default: the first of providers.
	Provider string `yaml:"provider"`
	// OVNProvider is the version of the provider ovn: 3.0.0, which is Zed's, or
	// latest, which has additional VIPs, ports that the user brings, and an
	// error where 3.0.0 heeds no session persistence. Default: 3.0.0.
	OVNProvider string `yaml:"ovnProvider"`
	// Quota is a project's limit of each resource, where it has no other; -1 is
	// none. Default: none.
	Quota map[string]int `yaml:"quota"`
}

// The versions of the provider ovn.
const (
	zed    = "3.0.0"
	latest = "latest"
)

// MemberRoles are the roles of a user whose seed names none.
func MemberRoles() []string { return []string{"member", "load-balancer_member"} }

// DefaultSeed is the seed of an empty file.
func DefaultSeed() Seed {
	return Seed{
		AdminPassword: "secret", Region: "RegionOne", TokenLifetime: time.Hour,
		Users: []identity.User{{Name: "demo", Password: "secret", Project: "demo"}},
		Network: NetworkSeed{
			PhysicalNetworks: []string{"physnet1"}, GeneveRange: "1:65536", MaxHeaderSize: 38, MTU: 1500,
			DNSDomain: "openstacklocal.", MaxFixedIPsPerPort: 5,
		},
		LoadBalancer: LoadBalancerSeed{Providers: []string{"ovn", "amphora"}, OVNProvider: zed},
	}
}

// ReadSeed reads a seed file over the defaults, strictly. Errors about the
// content are strictyaml.Problems; a file that cannot be read is an error of
// package os.
func ReadSeed(path string) (Seed, error) {
	s := DefaultSeed()
	origins, err := strictyaml.ReadFile(path, &s)
	var problems strictyaml.Problems
	if err != nil && !errors.As(err, &problems) {
		return s, err
	}
	return s, append(problems, s.check(origins, path)...).Err()
}

// check finds everything that is not allowed. What networks may be made of is
// for Neutron to check.
func (s *Seed) check(origins strictyaml.Origins, name string) (problems strictyaml.Problems) {
	missing := func(value, section, key string) {
		if value == "" {
			problems.Add(origins.At(section+"."+key, name), section+"."+key, "is missing")
		}
	}
	for i, p := range s.Projects {
		missing(p.Name, fmt.Sprintf("projects[%d]", i), "name")
	}
	for i, u := range s.Users {
		at := fmt.Sprintf("users[%d]", i)
		missing(u.Name, at, "name")
		missing(u.Password, at, "password")
		missing(u.Project, at, "project")
		if u.Name == "admin" {
			problems.Add(origins.At(at+".name", name), at+".name", "admin is always there; set adminPassword")
		}
	}
	for i, a := range s.ApplicationCredentials {
		at := fmt.Sprintf("applicationCredentials[%d]", i)
		missing(a.Name, at, "name")
		missing(a.Secret, at, "secret")
		missing(a.User, at, "user")
		missing(a.Project, at, "project")
	}
	for _, w := range served {
		if _, ok := s.Endpoints[w.kind]; ok {
			problems.Add(origins.At("endpoints."+w.kind, name), "endpoints."+w.kind, "this process serves it itself")
		}
	}
	if s.AdminPassword == "" {
		problems.Add(origins.At("adminPassword", name), "adminPassword", "is empty")
	}
	if s.TokenLifetime < time.Second {
		problems.Add(origins.At("tokenLifetime", name), "tokenLifetime", "%v is not allowed; want 1s at least", s.TokenLifetime)
	}
	if v := s.LoadBalancer.OVNProvider; v != zed && v != latest {
		problems.Add(origins.At("loadBalancer.ovnProvider", name), "loadBalancer.ovnProvider", "%q is not allowed; want %s or %s", v, zed, latest)
	}
	quota := func(section string, limits map[string]int) {
		for _, resource := range slices.Sorted(maps.Keys(limits)) {
			if key := section + ".quota." + resource; limits[resource] < -1 {
				problems.Add(origins.At(key, name), key, "%d is not allowed; want -1 or more", limits[resource])
			}
		}
	}
	quota("network", s.Network.Quota)
	quota("loadBalancer", s.LoadBalancer.Quota)
	return problems
}

// complete gives a seed with what it leaves out.
func (s Seed) complete() Seed {
	s.Users = slices.Clone(s.Users)
	for i := range s.Users {
		if s.Users[i].Roles == nil {
			s.Users[i].Roles = MemberRoles()
		}
	}
	if s.Network.DNSDomain != "" && !strings.HasSuffix(s.Network.DNSDomain, ".") {
		s.Network.DNSDomain += "."
	}
	return s
}
