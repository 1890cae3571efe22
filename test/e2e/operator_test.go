// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/rig"
)

func TestTheOperatorSeesWhatIsAttached(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.70.0.0/24"))
	must[string](t)(tn.Group(ctx, "web"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cluster: "operator"})
	at := attach(t, agent, agent.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{"web"}}))
	link := must[rig.Link](t)(at.Link("eth0"))

	out, err := agent.Command(ctx, "ports", "--socket", agent.Socket, "-o", "json")
	ok(t, err)
	var list []agentapi.Attachment
	ok(t, json.Unmarshal([]byte(out), &list))
	var row agentapi.Attachment
	for _, r := range list {
		if r.Sandbox == at.ID {
			row = r
		}
	}
	if row.State != "attached" || row.MAC != link.MAC || row.Network != "net" || len(row.SecurityGroups) != 1 || row.SecurityGroups[0] != "web" ||
		len(row.Addresses) != 1 || row.Addresses[0] != link.Addresses[0].String() || row.PortID != portOf(t, tn, at).ID {
		t.Errorf("row %+v", row)
	}
	table, err := agent.Command(ctx, "ports", "--socket", agent.Socket)
	ok(t, err)
	if !strings.Contains(table, link.Addresses[0].Addr().String()) || !strings.Contains(table, "web") {
		t.Errorf("table:\n%s", table)
	}
	t.Logf("kuryr ports:\n%s", table)
	status, err := agent.Command(ctx, "status", "--socket", agent.Socket)
	t.Logf("kuryr status:\n%s", status)
	ok(t, err)
	for _, want := range []string{agent.Node.Name, "br-int", "netdev"} {
		if !strings.Contains(status, want) {
			t.Errorf("kuryr status does not say %q", want)
		}
	}
}

func TestTheAgentIsMonitoredOverHTTP(t *testing.T) {
	agent, ctx := world.agents[0], within(t, stateTime)
	for page, want := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/metrics": "kuryr_agent_attachments{state=\"attached\"}"} {
		status, body, err := agent.Page(ctx, page)
		ok(t, err)
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d without %q", page, status, want)
		}
	}
	for _, metric := range []string{
		"kuryr_agent_attach_duration_seconds", "kuryr_neutron_request_duration_seconds", "kuryr_cni_request_duration_seconds",
		"kuryr_ovs_connected 1", "kuryr_step_duration_seconds", "process_resident_memory_bytes",
	} {
		_, body, err := agent.Page(ctx, "/metrics")
		ok(t, err)
		if !strings.Contains(body, metric) {
			t.Errorf("metric %s is missing", metric)
		}
	}
}

func TestTheSocketIsRootsAloneAndTheLogHoldsNoSecret(t *testing.T) {
	agent := world.agents[0]
	fi, err := os.Stat(agent.Socket)
	ok(t, err)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v", fi.Mode())
	}
	log, err := os.ReadFile(agent.LogFile())
	ok(t, err)
	login := world.Cloud.Logins()["appcred"]
	for name, secret := range map[string]string{"the credential's secret": login.ApplicationCredentialSecret, "a token": "gAAAA"} {
		if secret != "" && strings.Contains(string(log), secret) {
			t.Errorf("%s is in the log", name)
		}
	}
}
