// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// The first thread does not end with a goroutine that keeps it: the main one
// has it, so that no sandbox is made there, to live as long as the process.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSandbox opens a new namespace that lives while it is open.
func newSandbox(t *testing.T) *Sandbox {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("KURYR_TEST_REQUIRE") == "1" {
			t.Fatal("cannot run: not root")
		}
		t.Skip("cannot run: not root")
	}
	type opened struct {
		fd  int
		err error
	}
	made := make(chan opened)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		fd := -1
		if err == nil {
			fd, err = unix.Open(ownNamespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		made <- opened{fd, err}
	}()
	o := <-made
	if o.err != nil {
		t.Fatal(o.err)
	}
	s := &Sandbox{path: "test", fd: o.fd}
	t.Cleanup(s.Close)
	return s
}

// addInterface makes eth0 with its peer in the same namespace.
func addInterface(t *testing.T, s *Sandbox, c Config) {
	t.Helper()
	err := s.Do(func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.HardwareAddr = c.Name, c.MTU, c.MAC
		veth := netlink.NewVeth(attrs)
		veth.PeerName = "peer0"
		if err := h.LinkAdd(veth); err != nil {
			return err
		}
		peer, err := h.LinkByName("peer0")
		return errors.Join(err, h.LinkSetUp(peer))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func planned(t *testing.T) Config {
	t.Helper()
	c, err := Plan(binder.Request{Interface: "eth0", Lease: lease.Lease{
		MAC:       "fa:16:3e:00:00:01",
		Addresses: []lease.Address{fixedIP("10.0.0.5/24", "10.0.0.1"), fixedIP("192.168.1.5/32", ""), fixedIP("fd00::5/128", "fd00::1")},
		Routes: []lease.Route{
			{Dst: cidr("172.16.0.0/12"), Via: addr("192.168.1.1")},
			{Dst: cidr("172.15.0.0/16"), Via: addr("0.0.0.0")},
			{Dst: cidr("fd99::/64"), Via: addr("fe80::1")},
		},
	}}, 1442)
	if err != nil {
		t.Fatal(err)
	}
	c.NoTxChecksum = true
	return c
}

func TestConfigureMakesWhatDifferencesFindsNoFaultWith(t *testing.T) {
	s, c := newSandbox(t), planned(t)
	addInterface(t, s, c)
	before, err := s.Differences(c)
	want := []string{
		"eth0 is down",
		"tx checksum offload of eth0 is on, the switch needs it off",
		"address 10.0.0.5/24 of eth0 is missing",
		"address 192.168.1.5/32 of eth0 is missing",
		"address fd00::5/128 of eth0 is missing",
		"route 172.16.0.0/12 via 192.168.1.1 of eth0 is missing",
		"route 172.15.0.0/16 of eth0 is missing",
		"route fd99::/64 via fe80::1 metric 1024 of eth0 is missing",
		"route 0.0.0.0/0 via 10.0.0.1 of eth0 is missing",
		"route ::/0 via fd00::1 metric 1024 of eth0 is missing",
	}
	if d := cmp.Diff(want, before); d != "" || err != nil {
		t.Error("before (-want +got):\n", d, err)
	}
	if err := s.Configure(c); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Differences(c); len(after) > 0 || err != nil {
		t.Error("after:", after, err)
	}
}

func TestAnIPv6AddressIsUsableAtOnceAndSwitchesIPv6On(t *testing.T) {
	s, c := newSandbox(t), planned(t)
	if err := s.Do(func(*netlink.Handle) error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	}); err != nil {
		t.Fatal(err)
	}
	addInterface(t, s, c)
	if err := s.Configure(c); err != nil {
		t.Fatal(err)
	}
	err := s.Do(func(*netlink.Handle) error {
		for key, want := range map[string]string{"disable_ipv6": "0", "accept_ra": "0"} {
			if got, err := os.ReadFile("/proc/sys/net/ipv6/conf/eth0/" + key); err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%s is %s (%v)", key, got, err)
			}
		}
		// A tentative address cannot be bound to.
		l, err := net.Listen("tcp", "[fd00::5]:0")
		if err == nil {
			err = l.Close()
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDifferencesOfAnInterfaceThatIsNotThere(t *testing.T) {
	s, c := newSandbox(t), planned(t)
	if got, err := s.Differences(c); err != nil || !cmp.Equal(got, []string{"interface eth0 is missing"}) {
		t.Error(got, err)
	}
	if err := s.Configure(c); err == nil {
		t.Error("configured nothing")
	}
}

func TestARouteThatIsThereIsAConflict(t *testing.T) {
	s, c := newSandbox(t), planned(t)
	addInterface(t, s, c)
	c.Routes = append(c.Routes, c.Routes[0])
	if err := s.Configure(c); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
}

func TestDoComesHomeAndLeaksNothing(t *testing.T) {
	s := newSandbox(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := namespace(t)
	fds := openFiles(t)
	for range 200 {
		var there unix.Stat_t
		failure := errors.New("failed")
		err := s.Do(func(*netlink.Handle) error {
			if err := unix.Stat(ownNamespace, &there); err != nil {
				return err
			}
			return failure
		})
		if !errors.Is(err, failure) {
			t.Fatal(err)
		}
		if there.Ino == home {
			t.Fatal("not in the sandbox")
		}
	}
	// Any thread may have been used: none may have stayed.
	for range 50 {
		done := make(chan uint64)
		go func() { done <- namespace(t) }()
		if now := <-done; now != home {
			t.Fatal("a thread stayed in the sandbox")
		}
	}
	if now := openFiles(t); now > fds {
		t.Errorf("%d files were open, now %d", fds, now)
	}
}

func namespace(t *testing.T) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(ownNamespace, &st); err != nil {
		t.Error(err)
	}
	return st.Ino
}

func openFiles(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err)
	}
	return len(list)
}

func TestAnInterruptedDumpIsRepeated(t *testing.T) {
	calls := 0
	got, err := Dump(func() (int, error) {
		if calls++; calls < 3 {
			return 0, netlink.ErrDumpInterrupted
		}
		return 7, nil
	})
	if got != 7 || err != nil || calls != 3 {
		t.Error(got, err, calls)
	}
	got, err = Dump(func() (int, error) { return 5, netlink.ErrDumpInterrupted })
	if got != 5 || err != nil {
		t.Error("one interrupted for ever:", got, err)
	}
	if _, err = Dump(func() (int, error) { return 0, os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}
