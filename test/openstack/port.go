// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// port is a Neutron port with its binding.
type port struct {
	ports.Port
	portsbinding.PortsBindingExt
}

func getPort(ctx context.Context, client *gophercloud.ServiceClient, id string) (port, error) {
	var p port
	if err := ports.Get(ctx, client, id).ExtractInto(&p); err != nil {
		return p, fmt.Errorf("get port %s: %w", id, err)
	}
	return p, nil
}

// bindPort says where a port is and whose it is, as Nova does; empty strings unbind it.
func bindPort(ctx context.Context, client *gophercloud.ServiceClient, id, host, device string) error {
	owner := ""
	if device != "" {
		owner = "compute:nova"
	}
	var p port
	if err := ports.Update(ctx, client, id, portsbinding.UpdateOptsExt{
		UpdateOptsBuilder: ports.UpdateOpts{DeviceID: &device, DeviceOwner: &owner}, HostID: &host,
	}).ExtractInto(&p); err != nil {
		return fmt.Errorf("bind port %s: %w", id, err)
	}
	if host != "" && p.VIFType != "ovs" {
		return fmt.Errorf("bind port %s: Neutron answers vif_type %q on %s", id, p.VIFType, host)
	}
	return nil
}

// portActive is content when the port's status is ACTIVE.
func portActive(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
	p, err := getPort(ctx, client, id)
	if err != nil {
		return err
	}
	if p.Status != "ACTIVE" {
		return fmt.Errorf("port %s is %s", id, p.Status)
	}
	return nil
}

// newUUID gives a random UUID (version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
