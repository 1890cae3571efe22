// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// UninstallOptions say what an Uninstaller is for.
type UninstallOptions struct {
	// Cluster is the cluster id whose ports go. Required.
	Cluster string
	// Node spares the ports of every other node; empty: those of none.
	Node string
	// Concurrency is how many ports are deleted at once at most; how many there
	// are below it is the client's to decide. Zero: neutron.DefaultConcurrency.
	Concurrency int
}

// Uninstaller removes what a cluster has made in the cloud, by the mark in the
// cloud alone: no agent is asked, and whether one runs it cannot know. What
// bears another cluster's mark, or none, and what users own, is never touched.
type Uninstaller struct {
	client  *neutron.Client
	options UninstallOptions
}

// NewUninstaller makes one. It makes no request. An error is Invalid.
func NewUninstaller(client *neutron.Client, o UninstallOptions) (*Uninstaller, error) {
	// A space would let a name be another cluster's mark and more.
	if o.Cluster == "" || strings.ContainsAny(o.Cluster+o.Node, " \t\n") {
		return nil, fault.New(fault.Invalid, "supply: uninstall: want the name of a cluster, and names without spaces")
	}
	if o.Concurrency <= 0 {
		o.Concurrency = neutron.DefaultConcurrency
	}
	return &Uninstaller{client: client, options: o}, nil
}

// Inventory is what there is of a cluster, as far as the credentials see.
type Inventory struct {
	// Ports were made by the cluster, sorted by node and age.
	Ports []OwnPort
	// Adopted counts the ports of users that Kuryr uses. Which cluster does they
	// do not say.
	Adopted int
	// Others counts the ports of other clusters, and of nodes that are spared.
	Others int
}

// OwnPort is a port that a cluster made.
type OwnPort struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Node is the node that it was made for, and Use what for: the rest of the
	// mark, "pool=…" or "sandbox=… interface=…".
	Node string `json:"node"`
	Use  string `json:"use"`
	// Active tells that it is wired on a node.
	Active bool `json:"active"`
	// Since is when it was made; zero when the cloud does not say.
	Since time.Time `json:"since,omitzero"`
}

// List finds what there is. The lists are filtered by the server.
func (u *Uninstaller) List(ctx context.Context) (Inventory, error) {
	ctx = neutron.WithPriority(ctx, neutron.Collection)
	var all Inventory
	made, err := u.client.Ports(ctx, neutron.PortFilter{DeviceOwner: OwnerMade})
	if err != nil {
		return all, fmt.Errorf("supply: uninstall: %w", err)
	}
	adopted, err := u.client.Ports(ctx, neutron.PortFilter{DeviceOwner: OwnerAdopted, Host: u.options.Node})
	if err != nil {
		return all, fmt.Errorf("supply: uninstall: %w", err)
	}
	all.Adopted = len(adopted)
	for _, p := range made {
		if own, ok := u.own(p); ok {
			all.Ports = append(all.Ports, own)
		} else {
			all.Others++
		}
	}
	slices.SortFunc(all.Ports, func(a, b OwnPort) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// own describes a port; ok is false for one that is not to be touched. Whatever
// a server's filter lets through, this is what decides.
func (u *Uninstaller) own(p neutron.Port) (own OwnPort, ok bool) {
	rest, marked := strings.CutPrefix(p.Description, mark(u.options.Cluster))
	if p.DeviceOwner != OwnerMade || !marked {
		return own, false
	}
	word, use, _ := strings.Cut(rest, " ")
	node, named := strings.CutPrefix(word, "node=")
	if u.options.Node != "" && (!named || node != u.options.Node) {
		return own, false
	}
	return OwnPort{ID: p.ID, Name: p.Name, Node: node, Use: use, Active: p.Status == "ACTIVE", Since: p.CreatedAt}, true
}

// Removal is what became of a port. Err is nil when it is gone.
type Removal struct {
	Port OwnPort
	Err  error
}

// uninstallBatch is how many ports are looked at again, by one request, right
// before they are deleted: their ids fit into one address.
const uninstallBatch = 64

// futileBatches is how many batches in a row may fail as a whole before the
// rest is left for another time.
const futileBatches = 2

// Remove deletes ports that List gave, if they still are what they were, and
// tells done of each, one at a time. One that fails does not stop the others.
// It may be called again for what is left. The error says why it ended before
// all were tried: ctx, or a cloud that does nothing any more.
func (u *Uninstaller) Remove(ctx context.Context, ports []OwnPort, done func(Removal)) error {
	ctx = neutron.WithPriority(ctx, neutron.Collection)
	futile := 0
	for batch := range slices.Chunk(ports, uninstallBatch) {
		removed, err := u.removeBatch(ctx, batch, done)
		if ctx.Err() != nil {
			return fmt.Errorf("supply: uninstall: %w", context.Cause(ctx))
		}
		if futile++; removed > 0 {
			futile = 0
		}
		if futile == futileBatches {
			return fmt.Errorf("supply: uninstall: none of the last %d batches of ports could be removed: %w", futile, err)
		}
	}
	return nil
}

// removeBatch deletes some ports. It tells how many are gone, and the last
// failure.
func (u *Uninstaller) removeBatch(ctx context.Context, batch []OwnPort, done func(Removal)) (removed int, last error) {
	var mu sync.Mutex
	tell := func(p OwnPort, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ctx.Err() != nil && err != nil:
			return // it was not tried, or may be gone: another run tells
		case err == nil:
			removed++
		default:
			last = err
		}
		done(Removal{Port: p, Err: err})
	}
	there, err := u.lookAgain(ctx, batch)
	var work errgroup.Group
	work.SetLimit(u.options.Concurrency)
	for _, p := range batch {
		if err != nil {
			tell(p, err)
			continue
		}
		work.Go(func() error {
			tell(p, u.remove(ctx, p, there))
			return nil
		})
	}
	_ = work.Wait() // each was told
	return removed, last
}

// lookAgain gives the ports as they are now, by id.
func (u *Uninstaller) lookAgain(ctx context.Context, batch []OwnPort) (map[string]neutron.Port, error) {
	ids := make([]string, 0, len(batch))
	for _, p := range batch {
		ids = append(ids, p.ID)
	}
	ports, err := u.client.Ports(ctx, neutron.PortFilter{IDs: ids})
	byID := map[string]neutron.Port{}
	for _, p := range ports {
		byID[p.ID] = p
	}
	return byID, err
}

func (u *Uninstaller) remove(ctx context.Context, p OwnPort, there map[string]neutron.Port) error {
	now, ok := there[p.ID]
	if !ok {
		return nil
	}
	if _, ours := u.own(now); !ours {
		return fault.New(fault.Conflict, "port %s belongs to somebody else now", describePort(now))
	}
	if err := u.client.DeletePort(ctx, p.ID); !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}
