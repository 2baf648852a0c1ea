// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/sim"
	"github.com/weir-io/weir/internal/flow/topology"
)

// WriteTree writes a step for people: what each device did, with the chain, rule and
// position of each decision, and what was delivered.
func (s *Step) WriteTree(w io.Writer) error {
	b := &treeBuilder{root: &node{}}
	for i := range s.Events {
		b.add(&s.Events[i])
	}
	var out strings.Builder
	b.root.write(&out, "")
	fmt.Fprintf(&out, "%s\n", s.Summary())
	for _, d := range s.Delivered {
		fmt.Fprintf(&out, "  %s: %s\n", d.Port, d.describe())
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Summary is the result in words, with the rule that decided.
func (s *Step) Summary() string {
	text := s.Result
	switch {
	case s.Outcome == sim.Forward:
		return text + ": delivered"
	case len(s.Events) > 0:
		last := &s.Events[len(s.Events)-1]
		if last.Kind == sim.EventResult && last.Reason != "" {
			text += ": " + describeReason(last.Reason, last.Device, last.Chain, last.Position, last.names)
		}
		if last.Kind == sim.EventRestart {
			text += fmt.Sprintf(": nobody told %s where %s is", last.names.Of(last.Device), last.Addr)
		}
	}
	if len(s.Delivered) > 0 {
		text += "; delivered"
	}
	return text
}

// describeReason is why a packet ended, with the rule if it was one.
func describeReason(r sim.Reason, device, chain topology.ID, position int, names *Names) string {
	if r == sim.ReasonRule || r == sim.ReasonPortsExhausted {
		return fmt.Sprintf("rule %d of chain %s at %s", position, names.Of(chain), names.Of(device))
	}
	return fmt.Sprintf("%s at %s", r, names.Of(device))
}

// describe is a frame that was delivered, in words.
func (d *Delivery) describe() string {
	var m packet.Match
	text := fmt.Sprintf("%d bytes", len(d.Frame))
	if m.Parse(d.Frame) == nil {
		text += ", " + describeMatch(&m)
	}
	if d.Generated {
		text += ", made by a device"
	}
	return text + "\n    " + hex.EncodeToString(d.Frame)
}

// describeMatch is headers in words.
func describeMatch(m *packet.Match) string {
	text := fmt.Sprintf("%s > %s", m.EthSrc, m.EthDst)
	for _, t := range m.Tags[:m.NumTags] {
		text += fmt.Sprintf(", VLAN %d", t.VLAN())
	}
	switch {
	case m.Net == packet.NetARP && m.Proto == packet.ARPRequest:
		return text + fmt.Sprintf(", ARP: %s asks for %s", m.Src, m.Dst)
	case m.Net == packet.NetARP:
		return text + fmt.Sprintf(", ARP: %s is at %s", m.Src, m.SHA)
	case m.Net == packet.NoNet:
		return text + fmt.Sprintf(", type %#04x", m.EtherType)
	}
	text += fmt.Sprintf(", %s > %s", m.Src, m.Dst)
	switch {
	case m.Transport == packet.Ports && m.Proto == packet.ProtoTCP:
		text += fmt.Sprintf(", TCP %d > %d", m.SrcPort, m.DstPort)
	case m.Transport == packet.Ports:
		text += fmt.Sprintf(", UDP %d > %d", m.SrcPort, m.DstPort)
	case m.Transport != packet.NoTransport:
		text += fmt.Sprintf(", ICMP type %d code %d", m.SrcPort, m.DstPort)
	default:
		text += fmt.Sprintf(", protocol %d", m.Proto)
	}
	return text + fmt.Sprintf(", TTL %d", m.TTL)
}

// node is a line of a tree with what belongs to it.
type node struct {
	text     string
	children []*node
}

func (n *node) add(format string, args ...any) *node {
	child := &node{text: fmt.Sprintf(format, args...)}
	n.children = append(n.children, child)
	return child
}

func (n *node) write(w *strings.Builder, indent string) {
	for i, c := range n.children {
		branch, below := "├─ ", "│  "
		if i == len(n.children)-1 {
			branch, below = "└─ ", "   "
		}
		fmt.Fprintf(w, "%s%s%s\n", indent, branch, c.text)
		c.write(w, indent+below)
	}
}

// treeBuilder makes a tree of records, one after the other.
type treeBuilder struct {
	root   *node
	run    *node
	place  *node // the port or device where the packet is
	chains []chainNode
}

// chainNode is a chain that is being evaluated.
type chainNode struct {
	id   topology.ID
	node *node
}

func (b *treeBuilder) add(r *Record) {
	n := r.names
	switch r.Kind {
	case sim.EventStart:
		b.run = b.root.add("run %d: %s", r.Run, describeMatch(r.Match))
		b.place = b.run
	case sim.EventRestart:
		b.run.add("%s", describeRestart(r))
	case sim.EventPortIn:
		b.place = b.run.add("in by port %s of %s", n.Of(r.Port), n.Of(r.Device))
	case sim.EventPortOut:
		b.place = b.run.add("out by port %s of %s", n.Of(r.Port), n.Of(r.Device))
	case sim.EventChain:
		b.chain(r)
	case sim.EventRule:
		b.rule(r)
	case sim.EventResult:
	default:
		b.chains = nil
		b.place.add("%s", describeStep(r))
	}
}

// chain opens a chain: a filter, or where a rule jumped to.
func (b *treeBuilder) chain(r *Record) {
	parent := b.place
	if len(b.chains) > 0 && b.jumped() {
		parent = b.chains[len(b.chains)-1].node
		parent = parent.children[len(parent.children)-1]
	} else {
		b.chains = nil
	}
	word := "inbound"
	if r.Dir == sim.Out {
		word = "outbound"
	}
	b.chains = append(b.chains, chainNode{r.Chain, parent.add("%s filter of %s: chain %s", word, r.names.Of(r.Device), r.names.Of(r.Chain))})
}

// jumped reports whether the last line is of a rule that jumped.
func (b *treeBuilder) jumped() bool {
	c := b.chains[len(b.chains)-1].node.children
	return len(c) > 0 && strings.HasSuffix(c[len(c)-1].text, ": JUMP")
}

func (b *treeBuilder) rule(r *Record) {
	for len(b.chains) > 1 && b.chains[len(b.chains)-1].id != r.Chain {
		b.chains = b.chains[:len(b.chains)-1]
	}
	if len(b.chains) == 0 {
		return
	}
	text := fmt.Sprintf("rule %d of chain %s (%s)", r.Position, r.names.Of(r.Chain), r.RuleType)
	switch {
	case !r.Matched:
		text += ": no match"
	case !r.Applied:
		text += ": matches, does not apply: " + r.Result
	case r.Before != r.After:
		text += fmt.Sprintf(": %s becomes %s: %s", r.Before, r.After, r.Result)
	default:
		text += ": " + r.Result
	}
	b.chains[len(b.chains)-1].node.add("%s", text)
}

func describeRestart(r *Record) string {
	if r.Reason == sim.ReasonNeighbour {
		return fmt.Sprintf("waits: %s does not know where %s is", r.names.Of(r.Device), r.Addr)
	}
	return fmt.Sprintf("starts again: %s", r.Reason)
}

// describeStep is what a device does, apart from its filters.
func describeStep(r *Record) string {
	n := r.names
	switch r.Kind {
	case sim.EventLearn:
		return fmt.Sprintf("bridge %s learns: %s is on port %s (%s)", n.Of(r.Device), r.MAC, n.Of(r.Port), r.Result)
	case sim.EventBridge:
		return fmt.Sprintf("bridge %s: %s", n.Of(r.Device), describeLookup(r))
	case sim.EventRoute:
		if r.Route == (topology.ID{}) {
			return fmt.Sprintf("router %s: no route to %s", n.Of(r.Device), r.Addr)
		}
		text := fmt.Sprintf("router %s: %s takes the route to %s", n.Of(r.Device), r.Addr, r.Name)
		if r.Port != (topology.ID{}) {
			text += " by port " + n.Of(r.Port)
		}
		if r.Result != string(topology.NormalRoute) {
			text += ", which is " + r.Result
		}
		return text
	case sim.EventARP:
		text := fmt.Sprintf("router %s: %s is %s", n.Of(r.Device), r.Addr, r.Result)
		if !r.MAC.IsZero() {
			text += " at " + r.MAC.String()
		}
		return text
	case sim.EventConntrack:
		direction := "forward"
		if r.Applied {
			direction = "return"
		}
		return fmt.Sprintf("connection tracking at %s: %s flow", n.Of(r.Device), direction)
	case sim.EventICMP:
		return fmt.Sprintf("router %s sends ICMP type %d code %d", n.Of(r.Device), r.Code[0], r.Code[1])
	default:
		return fmt.Sprintf("%s sends a frame by port %s", n.Of(r.Device), n.Of(r.Port))
	}
}

func describeLookup(r *Record) string {
	switch r.Result {
	case "port":
		return fmt.Sprintf("%s is on port %s", r.MAC, r.names.Of(r.Port))
	case "flood":
		return fmt.Sprintf("%s goes to all ports", r.MAC)
	case "same-port":
		return fmt.Sprintf("%s is where the frame came from", r.MAC)
	default:
		return "answers itself"
	}
}
