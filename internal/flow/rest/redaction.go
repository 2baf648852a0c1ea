// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"

	"github.com/weir-io/weir/internal/flow/topology"
)

// viewer is who reads events, and what of the networks he may see. He sees events on
// devices of his own tenants. What happens on other devices becomes one event for each
// run of them, which says that much; how the flow ended stays.
type viewer struct {
	q     *request
	admin bool
	known map[string]bool // "kind id": whether it may be seen

	hidden bool // the event before was on a device that may not be seen
	last   bool // the device before the result may be seen
}

func newViewer(q *request) *viewer {
	return &viewer{q: q, admin: q.who.Role == Admin, known: make(map[string]bool)}
}

// sees reports whether what an id in a member of an event is of belongs to the
// viewer. What cannot be found out is another's.
func (v *viewer) sees(name, id string) bool {
	if v.admin {
		return true
	}
	key := name + " " + id
	seen, ok := v.known[key]
	if !ok {
		parsed, err := topology.ParseID(id)
		seen = err == nil && v.q.sees(name, parsed)
		v.known[key] = seen
	}
	return seen
}

// sees looks the owner of an object up; name is the member of an event that has it.
func (q *request) sees(name string, id topology.ID) bool {
	switch name {
	case "port", "inputPort":
		_, err := q.port(id)
		return err == nil
	case "device":
		if tenant, err := q.owner(id); err == nil {
			return q.who.owns(tenant)
		}
		_, err := q.port(id)
		return err == nil
	case "chain":
		_, err := q.chain(id)
		return err == nil
	case "rule":
		r, _, err := q.inventory().Rule(q.ctx(), id)
		return err == nil && !q.hides(&r) && q.sees("chain", r.Chain)
	case "route":
		r, err := q.inventory().Route(q.ctx(), id)
		return err == nil && q.sees("device", r.Router)
	case "request":
		t, err := q.inventory().Trace(q.ctx(), id)
		return err == nil && q.sees("device", t.Device)
	}
	return false
}

// redactAll redacts events as they come.
func (v *viewer) redactAll(events iter.Seq2[json.RawMessage, error]) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for raw, err := range events {
			shown := true
			if err == nil {
				raw, shown, err = v.redact(raw)
			}
			if shown && !yield(raw, err) {
				return
			}
		}
	}
}

// redactList redacts events of a list. Those on another's devices are told by what came
// before, so that a list that goes back in time is turned round for it.
func (v *viewer) redactList(events []json.RawMessage, descending bool) ([]json.RawMessage, error) {
	if descending {
		events = slices.Clone(events)
		slices.Reverse(events)
	}
	all := make([]json.RawMessage, 0, len(events))
	for raw, err := range v.redactAll(func(yield func(json.RawMessage, error) bool) {
		for _, raw := range events {
			if !yield(raw, nil) {
				return
			}
		}
	}) {
		if err != nil {
			return nil, err
		}
		all = append(all, raw)
	}
	if descending {
		slices.Reverse(all)
	}
	return all, nil
}

// openMembers are those of every event that say nothing of anybody's network.
var openMembers = []string{"seq", "time", "role", "run", "kind", "outcome", "reason", "flowTraceId", "expiry"}

// redact returns an event as the viewer may see it, and whether he is shown it at all.
func (v *viewer) redact(raw json.RawMessage) (json.RawMessage, bool, error) {
	if v.admin {
		return raw, true, nil
	}
	var e map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		return nil, false, err
	}
	kind, _ := e["kind"].(string)
	device, _ := e["device"].(string)
	switch {
	case kind == "result":
		v.redactResult(e)
		v.hidden = false
	case device == "":
		if request, ok := e["request"].(string); ok && v.sees("request", request) {
			keep(e, append(openMembers, "request")...)
		} else {
			keep(e, openMembers...)
		}
	case !v.sees("device", device):
		if v.hidden {
			return nil, false, nil
		}
		v.hidden, v.last = true, false
		keep(e, "seq", "time", "role", "run")
		e["kind"] = "redacted"
	default:
		v.hidden, v.last = false, true
		if !v.scrub(e) {
			return raw, true, nil
		}
	}
	b, err := json.Marshal(e)
	return b, true, err
}

// redactResult leaves of the end what is on the viewer's devices, and the verdict.
func (v *viewer) redactResult(e map[string]any) {
	outputs, _ := e["outputs"].([]any)
	own := slices.DeleteFunc(slices.Clone(outputs), func(o any) bool {
		m, _ := o.(map[string]any)
		port, _ := m["port"].(string)
		return !v.sees("port", port)
	})
	if !v.last || len(own) < len(outputs) {
		keep(e, openMembers...) // headers are as another's devices have made them
	}
	if len(own) > 0 {
		e["outputs"] = own
	} else if _, ok := e["outputs"]; ok {
		e["outputs"] = []any{}
	}
	reason, _ := e["dropReason"].(map[string]any)
	if device, ok := reason["device"].(string); ok && !v.sees("device", device) {
		delete(e, "dropReason")
	}
	v.scrub(e)
}

// keep takes all other members away.
func keep(e map[string]any, names ...string) {
	for name := range e {
		if !slices.Contains(names, name) {
			delete(e, name)
		}
	}
}

// scrub takes ids of what the viewer may not see out of an event that he may see, and
// reports whether there were any. Hosts of his own ports he knows.
func (v *viewer) scrub(e map[string]any) (changed bool) {
	for name, value := range e {
		switch value := value.(type) {
		case map[string]any:
			changed = v.scrub(value) || changed
		case []any:
			for _, element := range value {
				if m, ok := element.(map[string]any); ok {
					changed = v.scrub(m) || changed
				}
			}
			if name == "tags" {
				delete(e, name)
				changed = true
			}
		case string:
			if v.foreign(name, value) {
				delete(e, name)
				if name == "chain" {
					delete(e, "name")
				}
				changed = true
			}
		}
	}
	return changed
}

// foreign reports whether a text is an id of what the viewer may not see.
func (v *viewer) foreign(name, text string) bool {
	if name == "host" || name == "flowTraceId" {
		return false
	}
	_, err := topology.ParseID(text)
	return err == nil && !v.sees(name, text)
}
