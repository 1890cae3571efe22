// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Command testcloud brings up the OpenStack of package test/openstack for
// hand tests and CI, shows it, breaks parts of it on purpose, and takes it down.
//
// It promises that every command may be repeated, and that `down` leaves
// nothing but the state directory, `wipe` not even that.
//
// It must not know Kuryr, nor how the cloud is made: it calls the package and
// prints what that tells.
package main
