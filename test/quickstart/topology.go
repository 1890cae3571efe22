// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"fmt"
	"strings"
)

// topology is what the picture shows.
type topology struct {
	external, floating, router, network, vip string
	containers                               []node
}

// node is a container in the picture, from its name down.
type node struct{ lines []string }

func (t *tour) topology() topology {
	top := topology{
		external: t.external.name, floating: t.floating.String(), router: resourceName,
		network: fmt.Sprintf("%s  %s", t.net.Name, t.net.Subnets[0].CIDR),
		vip:     fmt.Sprintf("%s:%d", t.vip, balancerPort),
	}
	for _, c := range t.boxes {
		top.containers = append(top.containers, node{[]string{
			c.name, c.ip.String(), c.mac, "port " + c.port[:8], "on " + c.agent.Host.Name,
		}})
	}
	return top
}

// The picture's columns, in characters.
const (
	boxWidth = 24
	gap      = 3
)

// text draws it for a terminal.
func (t topology) text() string {
	width := len(t.boxes())*boxWidth + (len(t.boxes())-1)*gap
	var b strings.Builder
	line := func(s string) { fmt.Fprintf(&b, "  %s\n", strings.TrimRight(s, " ")) }
	centre := func(s string) { line(pad(s, width)) }
	centre("( " + t.external + " )")
	floating := "  floating IP " + t.floating + " → " + t.containers[0].lines[0]
	centre(strings.Repeat(" ", len([]rune(floating))) + "│" + floating)
	centre("[ router " + t.router + " ]")
	centre("│")
	line("═" + pad("  "+t.network+"  ", width-2, '═') + "═")
	for row := range 7 {
		var parts []string
		for _, n := range t.boxes() {
			parts = append(parts, n.row(row))
		}
		line(strings.Join(parts, strings.Repeat(" ", gap)))
	}
	return b.String()
}

// boxes are the containers with the load balancer between them.
func (t topology) boxes() []node {
	members := []string{}
	for _, c := range t.containers {
		members = append(members, c.lines[0])
	}
	lb := node{[]string{"load balancer", t.vip, "members", strings.Join(members, ", "), ""}}
	return []node{t.containers[0], lb, t.containers[1]}
}

// row is one line of a node's box.
func (n node) row(i int) string {
	switch {
	case i == 0:
		return "┌" + pad("┴", boxWidth-2, '─') + "┐"
	case i == len(n.lines)+1:
		return "└" + strings.Repeat("─", boxWidth-2) + "┘"
	default:
		return "│" + pad(n.lines[i-1], boxWidth-2) + "│"
	}
}

// pad centres a text.
func pad(s string, width int, with ...rune) string {
	fill := " "
	if len(with) > 0 {
		fill = string(with[0])
	}
	free := max(0, width-len([]rune(s)))
	return strings.Repeat(fill, free/2) + s + strings.Repeat(fill, free-free/2)
}

// svg draws it for a browser.
func (t topology) svg() string {
	var b strings.Builder
	fmt.Fprint(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 400" width="760" height="400" font-family="sans-serif" font-size="14" text-anchor="middle">
<rect width="760" height="400" fill="#ffffff"/>
<g stroke="#4a5568" stroke-width="2" fill="none"><path d="M380 62V96M380 136V176M130 190V230M380 190V230M630 190V230"/></g>
`)
	text := func(x, y int, class, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, class, escape.Replace(s))
	}
	rect := func(x, y, w, h int, fill string) {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="8" fill="%s" stroke="#4a5568"/>`+"\n", x, y, w, h, fill)
	}
	rect(280, 22, 200, 40, "#e2e8f0")
	text(380, 47, `font-weight="bold"`, t.external)
	text(490, 84, `text-anchor="start" font-size="12"`, "floating IP "+t.floating+" → "+t.containers[0].lines[0])
	rect(280, 96, 200, 40, "#bee3f8")
	text(380, 121, "", "router "+t.router)
	rect(30, 170, 700, 30, "#c6f6d5")
	text(380, 190, `font-weight="bold"`, t.network)
	for i, n := range t.boxes() {
		fill := "#fefcbf"
		if i == 1 {
			fill = "#fed7e2"
		}
		rect(30+i*250, 230, 200, 140, fill)
		for j, l := range n.lines {
			weight := ""
			if j == 0 {
				weight = `font-weight="bold"`
			}
			text(130+i*250, 258+j*24, weight, l)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
