// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package neutron

// Token is the token of the client's login, for tests that revoke it.
func (c *Client) Token() string { return c.session.Load().provider.Token() }
