// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/supply"
)

// uninstallJSON is the output with -o json.
type uninstallJSON struct {
	Cluster string          `json:"cluster"`
	Node    string          `json:"node,omitempty"`
	Ports   []uninstallPort `json:"ports"`
	Adopted int             `json:"adopted"`
	Others  int             `json:"others"`
}

// uninstallPort is a port and what became of it.
type uninstallPort struct {
	supply.OwnPort
	// Removed tells that it is gone; Error why it is not. Neither: it was not tried.
	Removed bool   `json:"removed"`
	Error   string `json:"error,omitempty"`
}

// json words what was found and what became of it.
func (u *uninstall) json(found supply.Inventory, outcome map[string]supply.Removal) uninstallJSON {
	all := uninstallJSON{Cluster: u.cluster, Node: u.node, Ports: []uninstallPort{}, Adopted: found.Adopted, Others: found.Others}
	for _, p := range found.Ports {
		row := uninstallPort{OwnPort: p}
		if r, tried := outcome[p.ID]; tried && r.Err != nil {
			row.Error = r.Err.Error()
		} else {
			row.Removed = tried
		}
		all.Ports = append(all.Ports, row)
	}
	return all
}

// show prints what there is, and removes nothing.
func (u *uninstall) show(w io.Writer, found supply.Inventory) error {
	if u.out.value == formatJSON {
		return printJSON(w, u.json(found, nil))
	}
	n := len(found.Ports)
	if n == 0 {
		fmt.Fprintf(w, "There is no port of %s.%s\n", u.whose(), spared(found))
		return nil
	}
	now, nodes := time.Now(), map[string]bool{}
	rows := [][]string{{"PORT", "NAME", "NODE", "FOR", "ACTIVE", "AGE"}}
	for _, p := range found.Ports {
		old, active := "-", "no"
		if !p.Since.IsZero() {
			old = age(now.Sub(p.Since))
		}
		if p.Active {
			active = "yes"
		}
		nodes[p.Node] = true
		rows = append(rows, []string{orDash(p.ID), orDash(p.Name), orDash(p.Node), orDash(p.Use), active, old})
	}
	if err := printRows(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d %s of %s on %d %s would be deleted: run again with --apply when its agents are stopped.%s\n",
		n, plural(n, "port"), u.whose(), len(nodes), plural(len(nodes), "node"), spared(found))
	return err
}

// spared tells of what is left alone; empty when there is no such thing.
func spared(found supply.Inventory) string {
	text := ""
	if n := found.Others; n > 0 {
		text += fmt.Sprintf("\n%d %s of other clusters or nodes %s left alone.", n, plural(n, "port"), verb(n, "is", "are"))
	}
	if n := found.Adopted; n > 0 {
		text += fmt.Sprintf("\n%d %s of users that Kuryr uses (device_owner %s) %s left alone: %s own.",
			n, plural(n, "port"), supply.OwnerAdopted, verb(n, "is", "are"), verb(n, "it is the user's", "they are the users'"))
	}
	return text
}

// report tells what became of the ports. ended is why not all were tried.
func (u *uninstall) report(cmd *cobra.Command, found supply.Inventory, outcome map[string]supply.Removal, ended error) error {
	var removed, failed int
	for _, p := range found.Ports {
		switch r, tried := outcome[p.ID]; {
		case !tried:
		case r.Err == nil:
			removed++
		default:
			failed++
			fmt.Fprintf(cmd.ErrOrStderr(), "port %s: %s\n", p.ID, plain(r.Err.Error()))
		}
	}
	n := len(found.Ports)
	w := cmd.OutOrStdout()
	if u.out.value == formatJSON {
		if err := printJSON(w, u.json(found, outcome)); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "%d of %d %s of %s deleted.%s\n", removed, n, plural(n, "port"), u.whose(), spared(found))
	}
	switch left := n - removed; {
	case interrupted(ended):
		return fmt.Errorf("interrupted: %d %s left; run it again to go on", left, plural(left, "port"))
	case ended != nil:
		return fmt.Errorf("given up with %d %s left: %w\nrun it again when the reason is gone", left, plural(left, "port"), ended)
	case failed > 0:
		return fmt.Errorf("%d %s could not be deleted; run it again when the reason is gone", failed, plural(failed, "port"))
	}
	return nil
}
