// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
)

// badRequest is a 400 of an exception of Neutron's.
func badRequest(kind, format string, args ...any) *api.Error {
	return api.Errorf(http.StatusBadRequest, kind, format, args...)
}

// badResource is Neutron's exception BadRequest.
func badResource(resource, format string, args ...any) *api.Error {
	e := badRequest("BadRequest", format, args...)
	e.Message = "Bad " + resource + " request: " + e.Message + "."
	return e
}

func networkNotFound(id string) *api.Error {
	return rest.NotFound("NetworkNotFound", "Network %s could not be found.", id)
}

func subnetNotFound(id string) *api.Error {
	return rest.NotFound("SubnetNotFound", "Subnet %s could not be found.", id)
}

func portNotFound(id string) *api.Error {
	return rest.NotFound("PortNotFound", "Port %s could not be found.", id)
}

// exhausted is a 503 for want of something.
func exhausted(kind, format string, args ...any) *api.Error {
	return api.Errorf(http.StatusServiceUnavailable, kind, format, args...)
}

// notImplemented is a 501.
func notImplemented(message string) *api.Error {
	return api.Errorf(http.StatusNotImplemented, "HTTPNotImplemented", "%s", message)
}
