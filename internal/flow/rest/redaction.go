// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/weir-io/weir/internal/flow/topology"
)

// viewer is who reads events, and what of the networks he may see. He sees events on
// devices of his own tenants. What happens on other devices becomes one event for each
// run of them, which says that much; how the flow ended stays.
type viewer struct {
	q     *request
	admin bool
	known map[string]bool // "kind id": whether it may be seen

	places map[topology.ID]map[topology.ID]int // of rules, in chains
	stale  atomic.Bool                         // known and places may be no longer right
}

func newViewer(q *request) *viewer {
	return &viewer{q: q, admin: q.who.Role == Admin, known: make(map[string]bool), places: make(map[topology.ID]map[topology.ID]int)}
}

// sees reports whether what an id in a member of an event is of belongs to the
// viewer. What cannot be found out is another's.
func (v *viewer) sees(name, id string) bool {
	if v.admin {
		return true
	}
	v.refresh()
	key := name + " " + id
	seen, ok := v.known[key]
	if !ok {
		parsed, err := topology.ParseID(id)
		seen = err == nil && v.q.sees(name, parsed)
		v.known[key] = seen
	}
	return seen
}

// refresh forgets what was found out, if that was some time ago.
func (v *viewer) refresh() {
	if v.stale.CompareAndSwap(true, false) {
		clear(v.known)
		clear(v.places)
	}
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

// openMembers are those of every event that say nothing of anybody's network.
var openMembers = []string{"seq", "time", "role", "run", "kind", "outcome", "reason", "flowTraceId", "expiry"}

// redact takes out of an event what the viewer may not see, and reports whether he is
// shown it at all.
func (t *telling) redact(e *told) bool {
	v, m := t.v, e.members
	device := e.text("device")
	switch {
	case e.kind == "result":
		t.redactResult(m)
		t.hidden = false
	case device == "":
		if v.sees("request", e.text("request")) {
			keep(m, append(openMembers, "request")...)
		} else {
			keep(m, openMembers...)
		}
	case !v.sees("device", device):
		if t.hidden {
			return false
		}
		t.hidden, t.last = true, false
		keep(m, "seq", "time", "role", "run")
		m["kind"] = "redacted"
	default:
		t.hidden, t.last = false, true
		v.scrub(m)
	}
	return true
}

// redactResult leaves of the end what is on the viewer's devices, and the verdict.
func (t *telling) redactResult(e map[string]any) {
	v := t.v
	outputs, _ := e["outputs"].([]any)
	own := slices.DeleteFunc(slices.Clone(outputs), func(o any) bool {
		m, _ := o.(map[string]any)
		port, _ := m["port"].(string)
		return !v.sees("port", port)
	})
	if !t.last || len(own) < len(outputs) {
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

// requestOf returns the request of a trace rule, which may be gone since.
func (v *viewer) requestOf(rule, otherwise string) string {
	id, err := topology.ParseID(rule)
	if err != nil {
		return otherwise
	}
	r, _, err := v.q.inventory().Rule(v.q.ctx(), id)
	if err != nil {
		return otherwise
	}
	return r.Request.String()
}

// keep takes all other members away.
func keep(e map[string]any, names ...string) {
	for name := range e {
		if !slices.Contains(names, name) {
			delete(e, name)
		}
	}
}

// scrub takes ids of what the viewer may not see out of an event that he may see. Hosts
// of his own ports he knows.
func (v *viewer) scrub(e map[string]any) {
	v.replace(e)
	for name, value := range e {
		switch value := value.(type) {
		case map[string]any:
			v.scrub(value)
		case []any:
			for _, element := range value {
				if m, ok := element.(map[string]any); ok {
					v.scrub(m)
				}
			}
			if name == "tags" {
				delete(e, name)
			}
		case string:
			if v.foreign(name, value) {
				delete(e, name)
				if name == "chain" {
					delete(e, "name")
				}
			}
		}
	}
}

// replace gives the position of a rule the number that it has for the viewer, who may
// not see all rules of the chain. A rule that is gone has none.
func (v *viewer) replace(e map[string]any) {
	if _, there := e["position"]; !there {
		return
	}
	chain, _ := e["chain"].(string)
	rule, _ := e["rule"].(string)
	if n := v.place(chain, rule); n > 0 {
		e["position"] = json.Number(strconv.Itoa(n))
	} else {
		delete(e, "position")
	}
}

// place returns the position of a rule among those of its chain that the viewer may
// see, 0 if that cannot be told.
func (v *viewer) place(chain, rule string) int {
	chainID, err := topology.ParseID(chain)
	if err != nil || !v.sees("chain", chain) {
		return 0
	}
	ruleID, err := topology.ParseID(rule)
	if err != nil {
		return 0
	}
	places, known := v.places[chainID]
	if !known {
		placed, err := v.q.shownRules(chainID)
		if err != nil {
			return 0
		}
		places = make(map[topology.ID]int, len(placed))
		for _, r := range placed {
			places[r.ID] = r.position
		}
		v.places[chainID] = places
	}
	return places[ruleID]
}

// foreign reports whether a text is an id of what the viewer may not see.
func (v *viewer) foreign(name, text string) bool {
	if name == "host" || name == "flowTraceId" {
		return false
	}
	_, err := topology.ParseID(text)
	return err == nil && !v.sees(name, text)
}
