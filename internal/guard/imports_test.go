// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package guard

import (
	"slices"
	"strings"
	"testing"
)

// importRule forbids imports, direct and indirect, of the packages outside
// their tests. A pattern is a package, or with /... at its end the packages
// below a folder too; "std" is the standard library, "*" everything.
type importRule struct {
	packages  []string
	forbidden []string
	except    []string
	reason    string
}

var importRules = []importRule{
	{
		packages: []string{"internal/fault", "internal/lease", "internal/version"}, forbidden: []string{"*"}, except: []string{"std"},
		reason: "leaves that everything imports, the CNI plugin too",
	},
	{
		packages: []string{"internal/portpool"}, forbidden: []string{"*"}, except: []string{"std"},
		reason: "the supply engine is a function from values to values: it knows no port, no cloud and no agent",
	},
	{
		packages: []string{"internal/agentapi"}, forbidden: []string{"*"}, except: []string{"std"},
		reason: "it is linked into the CNI plugin, which a runtime starts for every container",
	},
	{
		packages: []string{"cmd/kuryr-cni"},
		forbidden: []string{
			"github.com/gophercloud/...", "k8s.io/...", "google.golang.org/grpc/...", "github.com/ovn-kubernetes/libovsdb/...",
			"github.com/vishvananda/netlink/...", "github.com/spf13/...", "net/http", "crypto/tls",
		},
		reason: "the plugin only forwards its call; it must start in milliseconds",
	},
	{
		packages:  []string{"internal/agent/..."},
		forbidden: []string{"internal/neutron/...", "internal/engine/...", "internal/supply/...", "internal/binder/..."},
		except:    []string{"internal/binder"},
		reason:    "the agent must not know which engine it serves, where a port is from or how it is wired",
	},
	{
		packages:  []string{"internal/binder/..."},
		forbidden: []string{"internal/...", "github.com/gophercloud/..."},
		except:    []string{"internal/binder/...", "internal/lease", "internal/fault", "internal/version"},
		reason:    "a binder turns a lease into an interface and knows neither the cloud nor who asks",
	},
	{
		packages:  []string{"internal/neutron/..."},
		forbidden: []string{"internal/...", "cmd/..."},
		except:    []string{"internal/neutron/...", "internal/fault", "internal/version"},
		reason:    "the OpenStack client serves whoever needs one",
	},
	{
		packages:  []string{"internal/engine/..."},
		forbidden: []string{"internal/neutron/...", "internal/supply/...", "internal/binder/...", "github.com/gophercloud/..."},
		except:    []string{"internal/binder"},
		reason:    "a front end speaks to the agent alone",
	},
	{
		packages:  []string{"internal/supply/..."},
		forbidden: []string{"internal/engine/...", "internal/binder/...", "internal/agentserver", "github.com/ovn-kubernetes/libovsdb/..."},
		except:    []string{"internal/binder"},
		reason:    "a supply makes ports and does not wire them",
	},
	{
		packages:  []string{"internal/cloud/..."},
		forbidden: []string{"internal/...", "cmd/..."},
		except:    []string{"internal/cloud/...", "internal/fault", "internal/serve", "internal/strictyaml", "internal/version"},
		reason:    "the embedded cloud is an OpenStack like any other: it does not know who uses it",
	},
	{
		packages: []string{
			"internal/agent/...", "internal/agentapi", "internal/agentserver", "internal/binder/...", "internal/config/...",
			"internal/engine/...", "internal/neutron/...", "internal/supply/...", "cmd/kuryr-cni",
		},
		forbidden: []string{"internal/cloud/..."},
		reason:    "what runs on a node knows no OpenStack but by its API",
	},
	{
		packages: []string{"internal/strictyaml", "internal/serve"}, forbidden: []string{"internal/..."}, except: []string{"internal/fault"},
		reason: "leaves that more than one program is made of",
	},
	{
		packages: []string{"internal/..."}, forbidden: []string{"internal/config"},
		reason: "a part is told by its constructor what it needs; cmd/kuryr reads the configuration",
	},
	{
		packages: []string{"internal/...", "cmd/kuryr-cni"}, forbidden: []string{"cmd/...", "test/..."},
		reason: "imports point inward; only cmd/kuryr puts the parts together",
	},
	{
		packages: []string{"cmd/..."}, forbidden: []string{"test/..."},
		reason: "what is shipped holds nothing of the tests",
	},
}

func TestImportsPointInward(t *testing.T) {
	for _, rule := range importRules {
		applies := false
		for _, p := range allPackages(t) {
			if !matches(p.ImportPath, rule.packages) {
				continue
			}
			applies = true
			for _, imported := range p.Deps {
				if matches(imported, rule.forbidden) && !matches(imported, rule.except) && imported != p.ImportPath {
					t.Errorf("%s imports %s: %s", relative(p.ImportPath), relative(imported), rule.reason)
				}
			}
		}
		if !applies {
			t.Errorf("no package is %v: the rule guards nothing", rule.packages)
		}
	}
}

// unwanted are modules that nothing of ours imports itself, tests included.
// (libovsdb's client imports testify; that is its own affair.)
var unwanted = map[string]string{
	"github.com/spf13/viper/...":      "configuration is one strict struct",
	"github.com/stretchr/testify/...": "tests are plain Go",
	"github.com/onsi/...":             "tests are plain Go",
	"github.com/golang/mock/...":      "nothing of ours is mocked",
	"go.uber.org/mock/...":            "nothing of ours is mocked",
}

func TestUnwantedModulesAreNotImported(t *testing.T) {
	for _, p := range allPackages(t) {
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for pattern, reason := range unwanted {
				if matches(imported, []string{pattern}) {
					t.Errorf("%s imports %s: %s", relative(p.ImportPath), imported, reason)
				}
			}
		}
	}
}

func TestNothingThatIsShippedExecutesAProcess(t *testing.T) {
	for _, p := range allPackages(t) {
		if matches(p.ImportPath, []string{"internal/...", "cmd/..."}) && slices.Contains(p.Imports, "os/exec") {
			t.Errorf("%s imports os/exec: attach and detach execute no process", relative(p.ImportPath))
		}
	}
}

func TestPatternsMatchWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		path, pattern string
		want          bool
	}{
		{module + "/internal/agent", "internal/agent/...", true},
		{module + "/internal/agent/journal", "internal/agent/...", true},
		{module + "/internal/agentapi", "internal/agent/...", false},
		{module + "/internal/binder/ovs", "internal/binder", false},
		{"internal/abi", "internal/...", false},
		{"os/exec", "std", true},
		{"k8s.io/api/core/v1", "std", false},
		{module + "/internal/fault", "std", false},
		{"k8s.io/api/core/v1", "k8s.io/...", true},
		{"k8s.io/api/core/v1", "*", true},
	} {
		if got := matches(c.path, []string{c.pattern}); got != c.want {
			t.Errorf("%s, %s: %v", c.path, c.pattern, got)
		}
	}
}

// matches reports whether a package is one of the patterns.
func matches(path string, patterns []string) bool {
	for _, pattern := range patterns {
		// The standard library's packages are those without a dot in the first element.
		first, _, _ := strings.Cut(path, "/")
		if pattern == "*" || (pattern == "std" && !strings.Contains(first, ".")) {
			return true
		}
		if matchesPath(path, qualified(pattern)) {
			return true
		}
	}
	return false
}

// qualified gives a pattern of our own tree its module.
func qualified(pattern string) string {
	switch folder, _, _ := strings.Cut(pattern, "/"); folder {
	case "api", "cmd", "internal", "test":
		return module + "/" + pattern
	}
	return pattern
}

func matchesPath(path, pattern string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == folder || strings.HasPrefix(path, folder+"/")
	}
	return path == pattern
}

func relative(path string) string { return strings.TrimPrefix(path, module+"/") }
