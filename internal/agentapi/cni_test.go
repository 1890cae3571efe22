// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentapi

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheEnvironmentIsHeldAgainstTheSpecification(t *testing.T) {
	long := strings.Repeat("0123456789abcdef.", 10)
	for name, tt := range map[string]struct {
		request  CNIRequest
		variable string
	}{
		"ADD":                      {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "eth0", Netns: "/n"}, ""},
		"ADD of a nested task":     {CNIRequest{Command: "ADD", ContainerID: long + "x", IfName: "eth0", Netns: "/n"}, ""},
		"longest interface":        {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "fifteen-bytes-x", Netns: "/n"}, ""},
		"interface beyond ASCII":   {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "ëth0", Netns: "/n"}, ""},
		"DEL without namespace":    {CNIRequest{Command: "DEL", ContainerID: "c", IfName: "eth0"}, ""},
		"DEL of what never was":    {CNIRequest{Command: "DEL", ContainerID: "/", IfName: "a b"}, ""},
		"GC":                       {CNIRequest{Command: "GC"}, ""},
		"STATUS":                   {CNIRequest{Command: "STATUS", Netns: "dummy"}, ""},
		"VERSION":                  {CNIRequest{Command: "VERSION", Netns: "dummy", IfName: "a/b"}, ""},
		"nothing":                  {CNIRequest{}, "CNI_COMMAND"},
		"lower case":               {CNIRequest{Command: "add"}, "CNI_COMMAND"},
		"ADD without container":    {CNIRequest{Command: "ADD", IfName: "eth0", Netns: "/n"}, "CNI_CONTAINERID"},
		"container begins badly":   {CNIRequest{Command: "ADD", ContainerID: ".c", IfName: "eth0", Netns: "/n"}, "CNI_CONTAINERID"},
		"container with a slash":   {CNIRequest{Command: "ADD", ContainerID: "a/b", IfName: "eth0", Netns: "/n"}, "CNI_CONTAINERID"},
		"CHECK without namespace":  {CNIRequest{Command: "CHECK", ContainerID: "c", IfName: "eth0"}, "CNI_NETNS"},
		"relative namespace":       {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "eth0", Netns: "ns/blue"}, "CNI_NETNS"},
		"ADD without interface":    {CNIRequest{Command: "ADD", ContainerID: "c", Netns: "/n"}, "CNI_IFNAME"},
		"interface of 16 bytes":    {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "sixteen-bytes-xx", Netns: "/n"}, "CNI_IFNAME"},
		"interface with a colon":   {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "eth0:1", Netns: "/n"}, "CNI_IFNAME"},
		"interface with a tab":     {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "e\t", Netns: "/n"}, "CNI_IFNAME"},
		"interface pattern":        {CNIRequest{Command: "ADD", ContainerID: "c", IfName: "eth%d", Netns: "/n"}, "CNI_IFNAME"},
		"interface of a dot":       {CNIRequest{Command: "ADD", ContainerID: "c", IfName: ".", Netns: "/n"}, "CNI_IFNAME"},
		"DEL without container":    {CNIRequest{Command: "DEL", IfName: "eth0"}, "CNI_CONTAINERID"},
		"DEL without an interface": {CNIRequest{Command: "DEL", ContainerID: "c"}, "CNI_IFNAME"},
	} {
		variable, problem := tt.request.CheckEnvironment()
		if variable != tt.variable || (problem == "") != (variable == "") {
			t.Errorf("%s: %s: %s; want %q", name, variable, problem, tt.variable)
		}
	}
}

func TestAnErrorIsAnsweredInAVersionThatExists(t *testing.T) {
	for asked, want := range map[string]string{"0.2.0": "0.2.0", "1.1.0": "1.1.0", "": "1.1.0", "7": "1.1.0"} {
		r := CNIError{CNIVersion: asked, Code: CodeConfig, Msg: "m\n\"", Details: "d"}.Response()
		var got CNIError
		if err := json.Unmarshal(r.Stdout, &got); err != nil || r.ExitCode != 1 {
			t.Fatal(err, r.ExitCode)
		}
		if got != (CNIError{CNIVersion: want, Code: 7, Msg: "m\n\"", Details: "d"}) {
			t.Errorf("%q: %+v", asked, got)
		}
	}
}
