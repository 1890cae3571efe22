// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// loginPause is how long refused credentials are not tried again. Many clouds
// lock an account after a handful of failures in a row, and a node under load
// would make them within a second.
const loginPause = 5 * time.Second

// Scope is what the credentials turned out to be.
type Scope struct {
	// ProjectID and ProjectName say where objects are made when nobody names
	// another project.
	ProjectID, ProjectName string
	// UserName is who acts.
	UserName string
	// Endpoint is Neutron's address, from the service catalogue.
	Endpoint string
}

// session is a login. The token in it is renewed by gophercloud.
type session struct {
	provider *gophercloud.ProviderClient
	// network and identity end in the version and a slash.
	network, identity string
	scope             Scope
}

// refusal remembers a login that was refused.
type refusal struct {
	until time.Time
	err   error
}

// Scope logs in, if that has not happened yet, and says as whom and where.
func (c *Client) Scope(ctx context.Context) (Scope, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	s, err := c.login(ctx)
	if err != nil {
		return Scope{}, err
	}
	return s.scope, nil
}

// login gives the session. Callers that come at the same time share one
// login, which does not end with the context of whoever came first.
func (c *Client) login(ctx context.Context) (*session, error) {
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	result := c.logins.DoChan("", func() (any, error) {
		if s := c.session.Load(); s != nil {
			return s, nil
		}
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.RequestTimeout)
		defer cancel()
		s, err := c.authenticate(detached)
		if err != nil {
			return nil, err
		}
		c.session.Store(s)
		return s, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*session), nil
	case <-ctx.Done():
		return nil, c.failure(ctx, authentication, ctx.Err())
	}
}

// authentication is the call under which a login is named in errors.
var authentication = call{service: keystone, operation: "log in"}

func (c *Client) authenticate(ctx context.Context) (*session, error) {
	if err := c.lastRefusal(); err != nil {
		return nil, err
	}
	s, err := c.openSession(withOperation(ctx, authentication.operation))
	if err == nil {
		return s, nil
	}
	return nil, c.remember(c.failure(ctx, authentication, err))
}

// lastRefusal is why a login must not be tried yet; nil: it may be.
func (c *Client) lastRefusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.refused.until) {
		return c.refused.err
	}
	return nil
}

// remember sees to it that a login that was refused is not tried again too
// soon: by us not within loginPause, and by nobody while Keystone asks for
// fewer requests. It gives the error.
func (c *Client) remember(err error) error {
	pause := loginPause
	switch refused, _ := fault.As(err); {
	case refused == nil:
		return err
	case refused.Class == fault.OverLimit:
		pause = max(refused.RetryAfter, firstBarePause)
		c.scheduler.pause(apiKeystone, pause)
	case refused.Class != fault.Unauthorized:
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = refusal{until: time.Now().Add(pause), err: err}
	return err
}

func (c *Client) openSession(ctx context.Context) (*session, error) {
	provider, err := openstack.NewClient(c.creds.auth.IdentityEndpoint)
	if err != nil {
		return nil, fault.New(fault.Invalid, "neutron: auth_url %q: %w", c.creds.auth.IdentityEndpoint, err)
	}
	provider.HTTPClient = c.http
	provider.UserAgent.Prepend("kuryr/" + c.options.Version)
	auth := c.creds.auth
	if err := openstack.AuthenticateV3(ctx, provider, &auth, gophercloud.EndpointOpts{}); err != nil {
		return nil, err
	}
	if renew := provider.ReauthFunc; renew != nil {
		provider.ReauthFunc = func(ctx context.Context) error {
			if err := c.lastRefusal(); err != nil {
				return err
			}
			err := renew(ctx)
			if err != nil {
				// The bare error goes on: who waits looks into it.
				_ = c.remember(c.failure(ctx, authentication, err))
			}
			return err
		}
	}
	return c.describeSession(provider)
}

// tokenResult is what gophercloud's answers to a login have in common.
type tokenResult interface {
	ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
	ExtractProject() (*tokens.Project, error)
	ExtractUser() (*tokens.User, error)
}

func (c *Client) describeSession(provider *gophercloud.ProviderClient) (*session, error) {
	token, ok := provider.GetAuthResult().(tokenResult)
	if !ok {
		return nil, fault.New(fault.Internal, "neutron: log in: gophercloud gave a %T", provider.GetAuthResult())
	}
	catalog, err := token.ExtractServiceCatalog()
	if err != nil {
		return nil, err
	}
	network, err := c.networkEndpoint(catalog)
	if err != nil {
		return nil, err
	}
	s := &session{
		provider: provider,
		network:  network,
		identity: provider.IdentityBase + "v3/",
		scope:    Scope{Endpoint: strings.TrimSuffix(network, "v2.0/")},
	}
	project, err := token.ExtractProject()
	if err != nil {
		return nil, err
	}
	if project != nil {
		s.scope.ProjectID, s.scope.ProjectName = project.ID, project.Name
	}
	user, err := token.ExtractUser()
	if err != nil {
		return nil, err
	}
	if user != nil {
		s.scope.UserName = user.Name
	}
	return s, nil
}

// networkEndpoint is Neutron's address with its version. It is taken from the
// catalogue as it stands: Neutron has had one version since 2013, and asking
// which would be a request that can fail.
func (c *Client) networkEndpoint(catalog *tokens.ServiceCatalog) (string, error) {
	//nolint:staticcheck // V3Endpoint would discover versions over the network.
	url, err := openstack.V3EndpointURL(catalog, gophercloud.EndpointOpts{
		Type:         "network",
		Region:       c.creds.endpoint.Region,
		Availability: c.creds.endpoint.Availability,
	})
	if err != nil {
		e := fault.New(fault.Invalid, "neutron: log in: the service catalogue has no %s endpoint of type network in region %q",
			c.creds.endpoint.Availability, c.creds.endpoint.Region)
		e.Hint = "check region_name and interface in clouds.yaml"
		e.Err = err
		return "", e
	}
	if strings.HasSuffix(url, "/v2.0/") {
		return url, nil
	}
	return url + "v2.0/", nil
}

// sameHost follows a redirect only within a host: net/http would carry the
// X-Auth-Token header to any other.
func sameHost(req *http.Request, via []*http.Request) error {
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme || len(via) > 3 {
		return http.ErrUseLastResponse
	}
	return nil
}
