// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"maps"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// wrong is a call that is refused.
type wrong struct {
	request agentapi.CNIRequest
	code    agentapi.CNICode
	want    string // in the message or the details
}

// changed is a well-formed ADD but for one thing.
func changed(change func(*agentapi.CNIRequest)) agentapi.CNIRequest {
	r := add("")
	change(&r)
	return r
}

// configured is an ADD with a configuration of its own.
func configured(stdin string) agentapi.CNIRequest {
	return changed(func(r *agentapi.CNIRequest) { r.Stdin = []byte(stdin) })
}

var wrongEnvironment = map[string]wrong{
	"no command":        {changed(func(r *agentapi.CNIRequest) { r.Command = "" }), 4, "CNI_COMMAND: missing"},
	"unknown command":   {changed(func(r *agentapi.CNIRequest) { r.Command = "UPDATE" }), 4, `CNI_COMMAND: "UPDATE" is unknown`},
	"no container":      {changed(func(r *agentapi.CNIRequest) { r.ContainerID = "" }), 4, "CNI_CONTAINERID: missing"},
	"odd container":     {changed(func(r *agentapi.CNIRequest) { r.ContainerID = "../etc" }), 4, "CNI_CONTAINERID: "},
	"huge container":    {changed(func(r *agentapi.CNIRequest) { r.ContainerID = strings.Repeat("a", 5000) }), 4, "CNI_CONTAINERID: has 5000 bytes"},
	"no interface":      {changed(func(r *agentapi.CNIRequest) { r.IfName = "" }), 4, "CNI_IFNAME: missing"},
	"long interface":    {changed(func(r *agentapi.CNIRequest) { r.IfName = "sixteen-bytes-xx" }), 4, "CNI_IFNAME: "},
	"dotted interface":  {changed(func(r *agentapi.CNIRequest) { r.IfName = ".." }), 4, "CNI_IFNAME: "},
	"slashed interface": {changed(func(r *agentapi.CNIRequest) { r.IfName = "a/b" }), 4, "CNI_IFNAME: "},
	"spaced interface":  {changed(func(r *agentapi.CNIRequest) { r.IfName = "a b" }), 4, "CNI_IFNAME: "},
	"no namespace":      {changed(func(r *agentapi.CNIRequest) { r.Netns = "" }), 4, "CNI_NETNS: missing"},
}

var wrongDocument = map[string]wrong{
	"empty stdin":      {configured(""), 6, "stdin: the network configuration is empty"},
	"no JSON":          {configured("network: blue"), 6, "stdin: "},
	"half JSON":        {configured(`{"name":"x"`), 6, "stdin: "},
	"two objects":      {configured(`{"name":"x"}{}`), 6, "stdin: "},
	"a list":           {configured(`[]`), 6, "is a list; want an object"},
	"null":             {configured(`null`), 6, "is null; want an object"},
	"not UTF-8":        {configured("{\"name\":\"\xff\"}"), 6, "not UTF-8"},
	"too deep":         {configured(`{"name":"x","args":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`), 6, "stdin: "},
	"unknown version":  {configured(`{"cniVersion":"2.0.0","name":"x"}`), 1, `cniVersion: "2.0.0" is not spoken`},
	"version's type":   {configured(`{"cniVersion":1.1,"name":"x"}`), 7, "cniVersion: want a version of the CNI specification, as a string, got a number"},
	"no name":          {configured(`{"cniVersion":"1.0.0"}`), 7, "name: missing"},
	"odd name":         {configured(`{"name":"a b"}`), 7, `name: "a b" does not fit`},
	"name's type":      {configured(`{"name":[]}`), 7, "name: want the name of the network configuration, got a list"},
	"a key twice":      {configured(`{"name":"x","securityGroups":["a"],"securityGroups":[]}`), 7, "securityGroups: the key stands twice"},
	"a whole list":     {configured(`{"name":"x","plugins":[]}`), 7, "configuration list"},
	"other plugin":     {configured(`{"name":"x","bridge":"cni0"}`), 7, "Kuryr's keys are network, subnets"},
	"other case":       {add(`"SecurityGroups":["web"]`), 7, `did you mean "securityGroups"?`},
	"underscores":      {add(`"security_groups":["web"]`), 7, `did you mean "securityGroups"?`},
	"a letter missing": {add(`"securityGroup":["web"]`), 7, `did you mean "securityGroups"?`},
	"one subnet":       {add(`"subnet":"a"`), 7, `did you mean "subnets"?`},
	"fixed_ip":         {add(`"fixed_ip":"a"`), 7, `did you mean "fixedIPs"?`},
	"long unknown key": {add(`"` + strings.Repeat("x", 4000) + `":1`), 7, "unknown key"},
}

var wrongKeys = map[string]wrong{
	"network's type":        {add(`"network":7`), 7, "network: want the name or id of a network, got a number"},
	"network empty":         {add(`"network":""`), 7, "network: empty; want the name or id of a network"},
	"network null":          {add(`"network":null`), 7, "network: want the name or id of a network, got null"},
	"network long":          {add(`"network":"` + strings.Repeat("n", 256) + `"`), 7, "network: 256 bytes long; at most 255"},
	"subnets' type":         {add(`"subnets":"a"`), 7, "subnets: want a list of strings (names or ids of subnets), got a string"},
	"a subnet's type":       {add(`"subnets":["a",{}]`), 7, "subnets[1]: want names or ids of subnets, got an object"},
	"a subnet twice":        {add(`"subnets":["a","a"]`), 7, `subnets[1]: "a" stands twice`},
	"too many groups":       {add(`"securityGroups":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 257), ",") + `]`), 7, "securityGroups: more than 256 items"},
	"groups null":           {add(`"securityGroups":null`), 7, "securityGroups: want a list of strings (names or ids of security groups), got null"},
	"a group empty":         {add(`"securityGroups":["web",""]`), 7, "securityGroups[1]: empty"},
	"project's type":        {add(`"project":{}`), 7, "project: want the name or id of a project, got an object"},
	"addresses' type":       {add(`"fixedIPs":"10.0.0.5"`), 7, "fixedIPs: want a list of IP addresses, got a string"},
	"no address":            {add(`"fixedIPs":["10.0.0.256"]`), 7, `fixedIPs[0]: "10.0.0.256" is not an IP address`},
	"odd length":            {add(`"fixedIPs":["10.0.0.5/33"]`), 7, `fixedIPs[0]: "10.0.0.5/33" is not an IP address`},
	"zone":                  {add(`"fixedIPs":["fe80::1%eth0"]`), 7, "fixedIPs[0]: fe80::1%eth0 is not an address that a port can have"},
	"multicast":             {add(`"fixedIPs":["224.0.0.1"]`), 7, "not an address that a port can have"},
	"mapped":                {add(`"fixedIPs":["::ffff:10.0.0.1"]`), 7, "not an address that a port can have"},
	"address twice":         {add(`"fixedIPs":["10.0.0.5","10.0.0.5/24"]`), 7, "fixedIPs[1]: 10.0.0.5 stands twice"},
	"mac's type":            {add(`"mac":5`), 7, "mac: want a MAC address, got a number"},
	"no mac":                {add(`"mac":"fa:16:3e"`), 7, `mac: "fa:16:3e" is not a MAC address of six bytes`},
	"long mac":              {add(`"mac":"00:00:5e:00:53:01:00:00"`), 7, "is not a MAC address of six bytes"},
	"group mac":             {add(`"mac":"01:00:5e:00:00:01"`), 7, "mac: 01:00:5e:00:00:01 is a group address"},
	"zero mac":              {add(`"mac":"00:00:00:00:00:00"`), 7, "mac: 00:00:00:00:00:00 is no address"},
	"port's type":           {add(`"port":["a"]`), 7, "port: want the name or id of a port, got a list"},
	"port and groups":       {add(`"port":"a","securityGroups":["b"]`), 7, "securityGroups: excluded by port: an existing port is used as it is"},
	"port and mac":          {add(`"port":"a","runtimeConfig":{"mac":"fa:16:3e:00:00:01"}`), 7, "runtimeConfig.mac: excluded by port"},
	"port name's type":      {add(`"portName":true`), 7, "portName: want a name for the port, got a boolean"},
	"dns name's type":       {add(`"dnsName":1`), 7, "dnsName: want a host name, got a number"},
	"qos' type":             {add(`"qosPolicy":1`), 7, "qosPolicy: want the name or id of a QoS policy, got a number"},
	"pairs' type":           {add(`"allowedAddressPairs":{}`), 7, "allowedAddressPairs: want a list of address pairs, got an object"},
	"too many pairs":        {add(`"allowedAddressPairs":[` + strings.TrimSuffix(strings.Repeat(`{},`, 257), ",") + `]`), 7, "allowedAddressPairs: more than 256 items"},
	"a pair's type":         {add(`"allowedAddressPairs":["10.0.0.1"]`), 7, "allowedAddressPairs[0]: want an object, got a string"},
	"pair without address":  {add(`"allowedAddressPairs":[{"macAddress":"fa:16:3e:00:00:01"}]`), 7, "allowedAddressPairs[0].ipAddress: missing"},
	"pair's odd key":        {add(`"allowedAddressPairs":[{"ip_address":"10.0.0.1"}]`), 7, `allowedAddressPairs[0].ip_address: unknown key`},
	"pair's odd address":    {add(`"allowedAddressPairs":[{"ipAddress":"ten"}]`), 7, `allowedAddressPairs[0].ipAddress: "ten" is neither an IP address nor a prefix`},
	"port security's type":  {add(`"portSecurity":"false"`), 7, "portSecurity: want true or false, got a string"},
	"groups without effect": {add(`"portSecurity":false,"securityGroups":["web"]`), 7, "portSecurity: false excludes securityGroups"},
	"pairs without effect":  {add(`"portSecurity":false,"allowedAddressPairs":[{"ipAddress":"10.0.0.1"}]`), 7, "portSecurity: false excludes allowedAddressPairs"},
	"mtu's type":            {add(`"mtu":"1500"`), 7, "mtu: want a whole number from 68 to 65535, got a string"},
	"mtu too small":         {add(`"mtu":67`), 7, "mtu: 67 is out of range; want a whole number from 68 to 65535"},
	"mtu's fraction":        {add(`"mtu":1500.5`), 7, "mtu: 1500.5 is out of range"},
	"mtu huge":              {add(`"mtu":1e99`), 7, "mtu: 1e99 is out of range"},
	"default route's type":  {add(`"defaultRoute":0`), 7, "defaultRoute: want true or false, got a number"},
	"socket's type":         {add(`"socket":1`), 7, "socket: want the path of the agent's socket, got a number"},
	"relative socket":       {add(`"socket":"agent.sock"`), 7, `socket: "agent.sock" is not an absolute path`},
}

var wrongCommonKeys = map[string]wrong{
	"ipam":               {add(`"ipam":{"type":"host-local"}`), 7, "ipam: not supported: Neutron assigns the addresses"},
	"masquerade":         {add(`"ipMasq":true`), 7, "ipMasq: not supported"},
	"foreign capability": {add(`"capabilities":{"portMappings":true}`), 7, "capabilities.portMappings: not a capability of kuryr-cni"},
	"dns' odd key":       {add(`"dns":{"nameserver":["10.0.0.1"]}`), 7, `dns.nameserver: unknown key in dns`},
	"dns server":         {add(`"dns":{"nameservers":["ns1"]}`), 7, `dns.nameservers: "ns1" is not an IP address`},
	"not first":          {add(`"prevResult":{"ips":[]}`), 7, "prevResult: kuryr-cni makes the interface, so it must be the first plugin of the list"},
}

var wrongSources = map[string]wrong{
	"two address sources": {add(`"fixedIPs":["10.0.0.6"],"runtimeConfig":{"ips":["10.0.0.5"]}`), 7, "fixedIPs: asks for [10.0.0.6], but runtimeConfig.ips asks for [10.0.0.5]"},
	"two mac sources":     {withArgs(add(`"mac":"fa:16:3e:00:00:01"`), "MAC=fa:16:3e:00:00:02"), 7, "mac: asks for fa:16:3e:00:00:01, but CNI_ARGS MAC asks for fa:16:3e:00:00:02"},
	"args over Mesos":     {mesos(`{"ip_addresses":[{"ip_address":"10.0.0.6"}]}`, `"fixedIPs":["10.0.0.5"]`), 7, "fixedIPs: asks for [10.0.0.5], but network_info.ip_addresses asks for [10.0.0.6]"},
	"runtime ips' type":   {add(`"runtimeConfig":{"ips":"10.0.0.5"}`), 7, "runtimeConfig.ips: want a list of IP addresses, got a string"},
	"args ip":             {withArgs(add(""), "IP=ten"), 4, `CNI_ARGS IP: "ten" is not an IP address`},
	"args mac":            {withArgs(add(""), "MAC=ten"), 4, `CNI_ARGS MAC: "ten" is not a MAC address`},
	"args form":           {withArgs(add(""), "IP"), 4, `CNI_ARGS: "IP" is not of the form KEY=VALUE`},
	"args twice":          {withArgs(add(""), "IP=10.0.0.1;IP=10.0.0.2"), 4, `CNI_ARGS: "IP" stands twice`},
	"args unknown":        {withArgs(add(""), "FOO=1"), 4, `CNI_ARGS: "FOO" is unknown; IgnoreUnknown=1 has unknown keys ignored`},
	"args near":           {withArgs(add(""), "Mac=fa:16:3e:00:00:01"), 4, `did you mean "MAC"?`},
	"args flag":           {withArgs(add(""), "IgnoreUnknown=yes"), 4, `CNI_ARGS IgnoreUnknown: "yes"; want 1, true, 0 or false`},
}

var wrongForMesos = map[string]wrong{
	"unknown label":        {mesos(labels("kuryr.security_groups", "web"), ""), 7, `label kuryr.security_groups: unknown to Kuryr; did you mean "kuryr.security-groups"?`},
	"label's case":         {mesos(labels("Kuryr.Network", "n"), ""), 7, `did you mean "kuryr.network"?`},
	"far label":            {mesos(labels("kuryr.project", "n"), ""), 7, "Kuryr's labels are kuryr.network, kuryr.subnet"},
	"label twice":          {mesos(labels("kuryr.network", "n", "kuryr.network", "m"), ""), 7, "label kuryr.network: stands twice"},
	"label without value":  {mesos(`{"labels":{"labels":[{"key":"kuryr.security-groups"}]}}`, ""), 7, "label kuryr.security-groups: has no value"},
	"label's empty value":  {mesos(labels("kuryr.security-groups", ""), ""), 7, "label kuryr.security-groups: empty"},
	"label's empty item":   {mesos(labels("kuryr.security-groups", "web,"), ""), 7, `label kuryr.security-groups: "web," has an empty item`},
	"label against file":   {mesos(labels("kuryr.security-groups", "open"), `"securityGroups":["closed"]`), 7, `label kuryr.security-groups: asks for "open", but the network configuration's securityGroups says otherwise`},
	"port around groups":   {mesos(labels("kuryr.port", "open"), `"securityGroups":["closed"]`), 7, "securityGroups: excluded by label kuryr.port"},
	"label and port":       {mesos(labels("kuryr.port", "p", "kuryr.subnet", "s"), ""), 7, "label kuryr.subnet: excluded by label kuryr.port"},
	"groups of Mesos":      {mesos(`{"groups":["web"]}`, ""), 7, "network_info.groups: not supported; name Neutron security groups in the label kuryr.security-groups"},
	"family":               {mesos(`{"ip_addresses":[{"protocol":"IPv6","ip_address":"10.0.0.5"}]}`, ""), 7, `network_info.ip_addresses[0].protocol: "IPv6", but 10.0.0.5 is an IPv4 address`},
	"odd Mesos address":    {mesos(`{"ip_addresses":[{},{"ip_address":"x"}]}`, ""), 7, `network_info.ip_addresses[1].ip_address: "x" is not an IP address`},
	"network_info's type":  {mesos(`[]`, ""), 7, "network_info: want an object, got a list"},
	"labels' type":         {mesos(`{"labels":[]}`, ""), 7, "network_info.labels: want an object, got a list"},
	"labels' missing keys": {mesos(`{"labels":{"labels":[{"value":"x"}]}}`, ""), 7, "network_info.labels.labels[0].key: missing"},
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	all := map[string]wrong{}
	for _, table := range []map[string]wrong{wrongEnvironment, wrongDocument, wrongKeys, wrongCommonKeys, wrongSources, wrongForMesos} {
		maps.Copy(all, table)
	}
	for name, tt := range all {
		t.Run(name, func(t *testing.T) {
			call, err := Parse(tt.request)
			if err == nil {
				t.Fatalf("accepted as %+v", call)
			}
			got := Failure(call, err)
			if text := got.Msg + "; " + got.Details; got.Code != tt.code || !strings.Contains(text, tt.want) {
				t.Errorf("code %d, %s\nwant %d, %s", got.Code, text, tt.code, tt.want)
			}
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("class %s", fault.ClassOf(err))
			}
			if len(got.Msg) > 1000 {
				t.Errorf("a message of %d bytes", len(got.Msg))
			}
		})
	}
}
