// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestOneUnitThatIsRefusedHoldsUpNothingElse(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	b := c.backend(crowd.tables, nil)
	settled(t, b)
	seq := crowd.commit(t, func(tx *store.Tx) {
		crowd.tables.Trunks.Put(tx, &model.Trunk{Meta: model.Meta{ID: id(5, 1)}, PortID: id(0xc, 1), SubPorts: []model.SubPort{{PortID: id(0xc, 2), SegmentationID: 5000}}})
		for n := range 9 {
			crowd.tables.Ports.Put(tx, &model.Port{Meta: model.Meta{ID: id(0xc, n)}, NetworkID: id(0xa, 1)})
		}
	})
	crowd.settle(t, b, seq)
	if got := c.nbctl("--bare", "--columns=name", "find", "Logical_Switch_Port", "type=\"\""); len(strings.Fields(got)) != 8 || strings.Contains(got, id(0xc, 2)) {
		t.Errorf("ports: %v", strings.Fields(got))
	}
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), id(0xc, 2)) || !strings.Contains(err.Error(), "5000") {
		t.Errorf("health: %v", err)
	}
	crowd.settle(t, b, crowd.commit(t, func(tx *store.Tx) { crowd.tables.Trunks.Delete(tx, id(5, 1)) }))
	if err := b.Healthy(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAfterTheDatabaseWasAwayEverythingIsInStep(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	b := c.backend(crowd.tables, nil)
	settled(t, b)
	crowd.settle(t, b, crowd.grow(t, 10))
	c.kill("nb")
	eventually(t, func() error {
		if b.Healthy() == nil {
			return errors.New("healthy without a database")
		}
		return nil
	})
	crowd.grow(t, 10)
	seq := crowd.commit(t, func(tx *store.Tx) { crowd.tables.Ports.Delete(tx, id(0xc, 3)) })
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := b.Settle(ctx, seq); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("settle without a database: %v", err)
	}
	c.startDB("nb")
	crowd.settle(t, b, seq)
	settled(t, b)
	if err := compare(c.spy(), crowd.tables, b); err != nil {
		t.Error(err)
	}
}

func TestWhatADeadProcessLeftIsAdopted(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	b := c.backend(crowd.tables, nil)
	settled(t, b)
	crowd.settle(t, b, crowd.grow(t, 10))
	b.Close()
	uuids := func() string { return c.nbctl("--bare", "--columns=_uuid,name", "list", "Logical_Switch_Port") }
	before := uuids()
	crowd.commit(t, func(tx *store.Tx) { crowd.tables.Ports.Delete(tx, id(0xc, 10)) })
	settled(t, c.backend(crowd.tables, nil))
	after := uuids()
	if strings.Contains(after, id(0xc, 10)) {
		t.Errorf("what was deleted meanwhile is there:\n%s", after)
	}
	for _, line := range strings.Split(after, "\n\n") {
		if !strings.Contains(before, line) {
			t.Errorf("made anew: %s", line)
		}
	}
}

func TestStrangersAreLeftAlone(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	c.nbctl("ls-add", "strange", "--", "lsp-add", "strange", "strange-port", "--", "lr-add", "strange-router", "--",
		"lrp-add", "strange-router", "strange-router-port", "00:00:00:00:00:01", "192.0.2.1/24", "--",
		"lr-nat-add", "strange-router", "snat", "192.0.2.1", "10.0.0.0/8", "--", "pg-add", "strange_group", "strange-port", "--",
		"create", "Address_Set", "name=strange_set", "--", "create", "DHCP_Options", "cidr=192.0.2.0/24", "--", "create", "DNS", "records:x=y")
	b := c.backend(crowd.tables, nil)
	settled(t, b)
	c.nbctl("lsp-add", "neutron-"+id(0xa, 1), "strange-guest")
	crowd.settle(t, b, crowd.grow(t, 1))
	settled(t, b)
	for table, want := range map[string]string{
		tableSwitch: "strange", tableRouter: "strange-router", tableRouterPort: "strange-router-port", tableAddressSet: "strange_set",
		tablePortGroup: "strange_group", tableSwitchPort: "strange-port",
	} {
		if got := c.nbctl("--bare", "--columns=name", "list", table); !strings.Contains(got, want) {
			t.Errorf("%s: %s", table, got)
		}
	}
	for table, want := range map[string]int{tableDHCP: 2, tableDNS: 1, tableNAT: 1} {
		if got := c.nbctl("--bare", "--columns=_uuid", "list", table); len(strings.Fields(got)) != want {
			t.Errorf("%s: %s", table, got)
		}
	}
	if got := c.nbctl("--bare", "--columns=name", "list", tableSwitchPort); !strings.Contains(got, "strange-guest") {
		t.Error("the guest in our switch is gone")
	}
}

// heard records events.
type heard struct {
	mu    sync.Mutex
	up    map[string]bool
	count int
}

func (h *heard) PortUp(id string, up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up[id] = up
	h.count++
}

func (h *heard) MemberStatus(string, bool) {}

func (h *heard) is(id string, up bool) func() error {
	return func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if got, told := h.up[id]; !told || got != up {
			return fmt.Errorf("port %s: told %v, up %v", id, told, got)
		}
		return nil
	}
}

func TestAClaimedPortIsToldAlsoWhenItHappenedUnheard(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	c.startNorthd()
	c.addChassis("node1", "", "")
	h := &heard{up: map[string]bool{}}
	b := c.backend(crowd.tables, h)
	settled(t, b)
	crowd.settle(t, b, crowd.grow(t, 3))
	c.nbctl("--wait=sb", "sync")
	one, two := id(0xc, 1), id(0xc, 2)
	claim := func(port string, up string) { c.sbctl("set", "Port_Binding", port, "up="+up) }
	c.sbctl("lsp-bind", one, "node1")
	claim(one, "true")
	eventually(t, h.is(one, true))
	claim(one, "false")
	eventually(t, h.is(one, false))
	b.Close()
	c.sbctl("lsp-bind", two, "node1")
	claim(two, "true")
	c.nbctl("--wait=sb", "sync")
	// The tables still say that the first is up.
	crowd.commit(t, func(tx *store.Tx) {
		p := *crowd.tables.Ports.Get(tx, one)
		p.Claimed = true
		crowd.tables.Ports.Put(tx, &p)
	})
	h = &heard{up: map[string]bool{}}
	c.backend(crowd.tables, h)
	eventually(t, h.is(two, true))
	eventually(t, h.is(one, false))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count != 2 {
		t.Errorf("told %d times: %v", h.count, h.up)
	}
}

func TestAPortThatIsBoundAnewWhereItIsUpAlreadyIsTold(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	c.startNorthd()
	c.addChassis("node1", "", "")
	h := &heard{up: map[string]bool{}}
	b := c.backend(crowd.tables, h)
	settled(t, b)
	crowd.settle(t, b, crowd.grow(t, 1))
	one := id(0xc, 1)
	c.nbctl("--wait=sb", "sync")
	c.sbctl("lsp-bind", one, "node1")
	c.sbctl("set", "Port_Binding", one, "up=true")
	eventually(t, h.is(one, true))
	claim := func(claimed bool) {
		h.mu.Lock()
		delete(h.up, one)
		h.mu.Unlock()
		crowd.settle(t, b, crowd.commit(t, func(tx *store.Tx) {
			p := *crowd.tables.Ports.Get(tx, one)
			p.Claimed, p.RevisionNumber = claimed, p.RevisionNumber+1
			crowd.tables.Ports.Put(tx, &p)
		}))
	}
	claim(true)
	claim(false)
	eventually(t, h.is(one, true))
}

// complaint is what ovn-northd logs of rows that it does not understand.
var complaint = regexp.MustCompile(`(?m)^.*\|(WARN|ERR)\|.*$`)

func TestNorthdTakesWhatIsWritten(t *testing.T) {
	c := startCentral(t)
	c.startNorthd()
	c.addChassis("node1", "physnet1:br-ex", asGateway)
	c.addChassis("node2", "physnet1:br-ex", asGateway)
	tables := neutronTables(t)
	b := c.backend(tables, nil)
	settled(t, b)
	c.nbctl("--wait=sb", "sync")
	bound := c.sbctl("--bare", "--columns=logical_port", "list", "Port_Binding")
	tables.View(func(r store.Reader) {
		for p := range tables.Ports.All(r) {
			if p.DeviceOwner != "network:floatingip" && !strings.Contains(bound, p.ID) {
				t.Errorf("not in the southbound database: %s %q", p.ID, p.Name)
			}
		}
		for r := range tables.Routers.All(r) {
			if r.AdminStateUp && !strings.Contains(bound, "cr-lrp-"+r.Gateway.PortID) {
				t.Errorf("no gateway in the southbound database: %s", r.Name)
			}
		}
	})
	log, err := os.ReadFile(c.path("northd.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range complaint.FindAllString(string(log), -1) {
		// A subnet without a gateway has a row without options, as Neutron's.
		if !strings.Contains(line, "Required DHCPv4 options not defined") {
			t.Error(line)
		}
	}
}

func TestAHypervisorIsWhatTheSouthboundDatabaseSays(t *testing.T) {
	c := startCentral(t)
	c.addChassis("node1", "physnet1:br-ex,physnet2:br-2", asGateway+",availability-zones=a:b")
	b := c.backend(model.New(), nil)
	settled(t, b)
	hosts := b.Chassis()
	if len(hosts) != 1 {
		t.Fatalf("hypervisors: %+v", hosts)
	}
	h := hosts[0]
	if h.Name != "node1" || h.Hostname != "node1" || !h.Alive || h.Seen.IsZero() || h.UUID == "" ||
		fmt.Sprint(h.EncapIPs, h.EncapTypes, h.BridgeMappings, h.Options, h.AvailabilityZones) !=
			"[198.51.100.1] [geneve] map[physnet1:br-ex physnet2:br-2] [enable-chassis-as-gw availability-zones=a:b] [a b]" {
		t.Errorf("%+v", h)
	}
	c.sbctl("chassis-del", "node1")
	eventually(t, func() error {
		if n := len(b.Chassis()); n != 0 {
			return fmt.Errorf("%d hypervisors", n)
		}
		return nil
	})
}

func TestAHypervisorThatDoesNotFollowIsDead(t *testing.T) {
	c := startCentral(t)
	c.startNorthd()
	c.addChassis("node1", "", "")
	c.addChassis("node2", "", "")
	b := c.backend(model.New(), nil, func(o *Options) { o.AgentDown = time.Second })
	settled(t, b)
	eventually(t, func() error {
		// node1 follows, node2 does not.
		c.sbctl("set", "Chassis_Private", "node1", "nb_cfg="+c.sbctl("get", "SB_Global", ".", "nb_cfg"))
		var alive []string
		for _, h := range b.Chassis() {
			if h.Alive {
				alive = append(alive, h.Name)
			}
		}
		if fmt.Sprint(alive) != "[node1]" {
			return fmt.Errorf("alive: %v", alive)
		}
		return nil
	})
	// Others begin generations too, and are not held up.
	c.nbctl("--wait=sb", "sync")
}

func TestGatewaysFollowTheHypervisors(t *testing.T) {
	c := startCentral(t)
	c.addChassis("node1", "physnet1:br-ex", asGateway)
	tables := neutronTables(t)
	b := c.backend(tables, nil)
	settled(t, b)
	var ports []string
	tables.View(func(r store.Reader) {
		for x := range tables.Routers.All(r) {
			ports = append(ports, x.Gateway.PortID)
		}
	})
	gateways := func(want ...string) func() error {
		return func() error {
			got := c.nbctl("--bare", "--columns=name,priority", "list", tableGateway)
			for _, port := range ports {
				for i, name := range ranked(port, want) {
					if line := fmt.Sprintf("lrp-%s_%s\n%d", port, name, len(want)-i); !strings.Contains(got, line) {
						return fmt.Errorf("no %q in\n%s", line, got)
					}
				}
			}
			if n := strings.Count(got, "lrp-"); n != len(ports)*len(want) {
				return fmt.Errorf("%d rows:\n%s", n, got)
			}
			return nil
		}
	}
	eventually(t, gateways("node1"))
	c.addChassis("node2", "physnet1:br-ex", asGateway)
	eventually(t, gateways("node1", "node2"))
	c.sbctl("chassis-del", "node1")
	eventually(t, gateways("node2"))
	c.sbctl("chassis-del", "node2")
	eventually(t, gateways(nobody))
}

func TestOfManyNamesOnlyTheChangedOneIsWritten(t *testing.T) {
	c, crowd := startCentral(t), newCrowd(t)
	b := c.backend(crowd.tables, nil)
	settled(t, b)
	name := func(tx *store.Tx, n int, name string) {
		p := *crowd.tables.Ports.Get(tx, id(0xc, n))
		p.DNSName = name
		crowd.tables.Ports.Put(tx, &p)
	}
	crowd.grow(t, 30)
	crowd.settle(t, b, crowd.commit(t, func(tx *store.Tx) {
		for n := range 30 {
			name(tx, n+1, fmt.Sprint("name", n+1))
		}
	}))
	var told [][]string
	spy, err := ovsdb.Dial(context.Background(), c.address("nb"), northbound, func(changes []ovsdb.Change) {
		for _, change := range changes {
			if change.Row.Table.Name == tableDNS && !change.Inserted {
				told = append(told, change.Columns)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer spy.Close()
	crowd.settle(t, b, crowd.commit(t, func(tx *store.Tx) { name(tx, 7, "other") }))
	if err := compare(spy, crowd.tables, b); err != nil {
		t.Error(err)
	}
	spy.Lock()
	defer spy.Unlock()
	if fmt.Sprint(told) != "[[records]]" {
		t.Errorf("changes: %v", told)
	}
	for row := range spy.All() {
		if row.Table.Name == tableDNS && (row.Entry("records", "other.kuryr.test") != "10.0.0.7" || row.Entry("records", "name7.kuryr.test") != "") {
			t.Error("the old name is left, or the new one is not there")
		}
	}
}
