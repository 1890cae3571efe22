// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"

	"github.com/kuryr-go/kuryr/test/rig"
)

// logIn uses the cloud that the user has named, with this machine as the one host.
func (st *stage) logIn(ctx context.Context) error {
	if st.node == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host name: %w", err)
		}
		st.node = name
	}
	st.hosts = []rig.Host{{Name: st.node, OVSDB: st.ovsdb}}
	st.agent = rig.AgentOptions{Cloud: st.cloud, Cluster: resourceName, CloudsFile: os.Getenv("OS_CLIENT_CONFIG_FILE")}
	if err := st.connect(ctx); err != nil {
		return fmt.Errorf("log in at %s: %w", st.cloud, err)
	}
	say("logged in at %s; this machine is %s for Neutron", st.cloud, st.node)
	return nil
}

// connect logs in and makes the clients.
func (st *stage) connect(ctx context.Context) error {
	auth, endpoint, tls, err := clouds.Parse(clouds.WithCloudName(st.cloud))
	if err != nil {
		return err
	}
	provider, err := config.NewProviderClient(ctx, auth, config.WithTLSConfig(tls))
	if err != nil {
		return err
	}
	token, ok := provider.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return errors.New("it is no Keystone v3")
	}
	project, err := token.ExtractProject()
	if err != nil {
		return err
	}
	if project == nil {
		return errors.New("the login has no project")
	}
	st.project = project.ID
	if st.network, err = sdk.NewNetworkV2(provider, endpoint); err != nil {
		return err
	}
	st.balancer, err = sdk.NewLoadBalancerV2(provider, endpoint)
	return err
}

func (st *stage) findExternal(ctx context.Context) error {
	yes := true
	found, err := allExternal(ctx, st.network, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{Name: st.settings.external}, External: &yes})
	if err != nil {
		return fmt.Errorf("find the external network: %w", err)
	}
	switch {
	case len(found) == 0 && st.settings.external != "":
		return fmt.Errorf("find the external network: none is called %q", st.settings.external)
	case len(found) == 0:
		return errors.New("find the external network: there is none; the tour needs one for the floating IP")
	case len(found) > 1:
		return fmt.Errorf("find the external network: there are %d; name one with --external-network", len(found))
	}
	st.external = externalNetwork{found[0].ID, found[0].Name}
	return nil
}

func allExternal(ctx context.Context, c *gophercloud.ServiceClient, o networks.ListOptsBuilder) ([]networks.Network, error) {
	pages, err := networks.List(c, o).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return networks.ExtractNetworks(pages)
}
