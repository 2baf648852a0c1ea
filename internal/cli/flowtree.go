// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weir-io/weir/client/flow"
)

// treeEvent is what a tree says of an event.
type treeEvent struct {
	Kind      string `json:"kind"`
	Run       int    `json:"run"`
	Device    string `json:"device"`
	Port      string `json:"port"`
	Chain     string `json:"chain"`
	Name      string `json:"name"`
	Direction string `json:"direction"`
	Reason    string `json:"reason"`
	Request   string `json:"request"`

	Position int    `json:"position"`
	Type     string `json:"type"`
	Matched  bool   `json:"matched"`
	Applied  bool   `json:"applied"`
	Result   string `json:"result"`
	Change   *struct {
		From, To string
	} `json:"change"`

	Outcome string          `json:"outcome"`
	Match   json.RawMessage `json:"match"`
	Drop    *treeEvent      `json:"dropReason"`
	Outputs []treeEvent     `json:"outputs"`
}

// eventTree writes events for people: below each run the ports, devices and chains that
// the packet came by, with the position of each rule.
type eventTree struct {
	w     io.Writer
	names map[string]string // of devices, ports and chains

	placed, chained bool // what follows is below a port, below a chain
}

// writeTree writes a tree. The names of objects are asked for.
func writeTree(ctx context.Context, w io.Writer, api *flow.Client, events []flow.Event) error {
	t := &eventTree{w: w, names: make(map[string]string)}
	all := make([]treeEvent, len(events))
	for i := range events {
		if err := json.Unmarshal(events[i].JSON, &all[i]); err != nil {
			return fmt.Errorf("event: %w", err)
		}
		if err := t.learn(ctx, api, &all[i]); err != nil {
			return err
		}
	}
	for i := range all {
		if err := t.write(&all[i], events[i]); err != nil {
			return err
		}
	}
	return nil
}

// learn notes the names of what an event is about.
func (t *eventTree) learn(ctx context.Context, api *flow.Client, e *treeEvent) error {
	if e.Name != "" && e.Chain != "" {
		t.names[e.Chain] = e.Name
	}
	if err := t.ask(ctx, api, e.Device, "bridges", "routers", "ports"); err != nil {
		return err
	}
	for i := range e.Outputs {
		if err := t.ask(ctx, api, e.Outputs[i].Port, "ports"); err != nil {
			return err
		}
	}
	return t.ask(ctx, api, e.Port, "ports")
}

// ask asks for the name of an object, which is of one of some kinds. It may be gone, or
// have none.
func (t *eventTree) ask(ctx context.Context, api *flow.Client, id string, kinds ...string) error {
	if _, known := t.names[id]; id == "" || known {
		return nil
	}
	t.names[id] = id
	for _, kind := range kinds {
		var object struct {
			Name string `json:"name"`
		}
		err := api.Get(ctx, &object, nil, kind, id)
		if _, refused := errors.AsType[*flow.Error](err); refused {
			continue
		}
		if object.Name != "" {
			t.names[id] = object.Name
		}
		return err
	}
	return nil
}

// name returns what an object is called.
func (t *eventTree) name(id string) string {
	if name, ok := t.names[id]; ok {
		id = name
	}
	return printable(id)
}

func (t *eventTree) write(e *treeEvent, whole flow.Event) error {
	depth, text := 1, ""
	switch e.Kind {
	case "start":
		t.placed, t.chained = false, false
		depth, text = 0, fmt.Sprintf("run %d: %s", e.Run, matchText(e.Match))
	case "restart":
		t.placed, t.chained = false, false
		text = "starts again: " + printable(strings.TrimSpace(e.Reason+" "+e.Request))
	case "port-in", "port-out":
		t.placed, t.chained = true, false
		text = fmt.Sprintf("%s by port %s of %s", strings.TrimPrefix(e.Kind, "port-"), t.name(e.Port), t.name(e.Device))
	case "chain":
		t.chained = true
		depth, text = t.depth(false), fmt.Sprintf("%sbound filter of %s: chain %s", printable(e.Direction), t.name(e.Device), t.name(e.Chain))
	case "rule":
		depth, text = t.depth(t.chained), t.rule(e)
	case "redacted":
		t.placed, t.chained = false, false
		text = "another tenant's device"
	case "result":
		depth, text = 0, t.result(e)
	default:
		members, err := eventMembers(whole)
		if err != nil {
			return err
		}
		for _, of := range []string{"device", "port", "chain"} {
			if id, ok := members[of].(string); ok {
				members[of] = t.name(id)
			}
		}
		t.chained = false
		depth, text = t.depth(false), printable(e.Kind)+eventText(members)
	}
	_, err := fmt.Fprintf(t.w, "  %s%s\n", strings.Repeat("  ", depth), text)
	return err
}

// depth is that of a line below the device, or below its chain.
func (t *eventTree) depth(chained bool) int {
	depth := 1
	if t.placed {
		depth++
	}
	if chained {
		depth++
	}
	return depth
}

func (t *eventTree) rule(e *treeEvent) string {
	text := fmt.Sprintf("rule %d of chain %s (%s): ", e.Position, t.name(e.Chain), printable(e.Type))
	switch {
	case !e.Matched:
		return text + "no match"
	case !e.Applied:
		return text + "matches, does not apply: " + printable(e.Result)
	case e.Change != nil:
		text += fmt.Sprintf("%s becomes %s: ", printable(e.Change.From), printable(e.Change.To))
	}
	return text + printable(e.Result)
}

// result is how the packet ended, where it left, and what decided.
func (t *eventTree) result(e *treeEvent) string {
	text := printable(e.Outcome)
	for _, o := range e.Outputs {
		text += ", out by port " + t.name(o.Port)
	}
	switch d := e.Drop; {
	case d == nil:
		return text
	case d.Position > 0:
		return text + fmt.Sprintf(": rule %d of chain %s at %s", d.Position, t.name(d.Chain), t.name(d.Device))
	default:
		return text + fmt.Sprintf(": %s at %s", printable(d.Reason), t.name(d.Device))
	}
}

// matchText is headers in words.
func matchText(raw json.RawMessage) string {
	var m struct {
		EthSrc, EthDst, NetworkSrc, NetworkDst    string
		EtherType, NetworkProto, SrcPort, DstPort *int
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.EthSrc == "" {
		return "headers unknown"
	}
	text := m.EthSrc + " > " + m.EthDst
	if m.EtherType != nil {
		text += fmt.Sprintf(", type %#04x", *m.EtherType)
	}
	if m.NetworkSrc != "" {
		text += fmt.Sprintf(", %s > %s", m.NetworkSrc, m.NetworkDst)
	}
	if m.NetworkProto != nil {
		text += fmt.Sprintf(", protocol %d", *m.NetworkProto)
	}
	if m.SrcPort != nil && m.DstPort != nil {
		text += fmt.Sprintf(", %d > %d", *m.SrcPort, *m.DstPort)
	}
	return printable(text)
}
