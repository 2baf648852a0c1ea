// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// streamType is the media type of answers that go on: one JSON object a line.
const streamType = "application/x-ndjson"

// Bounds of a list of flows or events.
const (
	defaultLimit = 100
	maxLimit     = 10000
)

func flowRoutes() []route {
	flow := func(path, id, summary, body string, handle func(*request) error, params ...string) route {
		return route{
			method: http.MethodGet, path: path, handle: handle, status: http.StatusOK, id: id, summary: summary,
			body: body, params: params,
		}
	}
	flows := flow("/traces/{id}/flows", "list-flows", "List the flows that a request has traced", "Flow", listFlows,
		"since", "until", "limit", "order", "verdict", "host", "follow")
	flows.stream, flows.collection = true, true
	one := flow("/traces/{id}/flows/{flow}", "get-flow", "One traced flow", "Flow", getFlow)
	events := flow("/traces/{id}/flows/{flow}/events", "list-events", "List what happened to a traced flow", "Event", listEvents,
		"since", "until", "limit", "order", "follow")
	events.stream, events.collection = true, true
	simulate := route{
		method: http.MethodPost, path: "/simulations", handle: simulate, takes: true, status: http.StatusOK,
		id: "simulate", summary: "Try what would become of a frame, and change nothing", request: "SimulationRequest", body: "Simulation",
	}
	return tagged("flows", flows, one, events, simulate)
}

// tracedBy returns the id of the request of the path, when the caller may read what it
// traced. Of a request that is gone, with its device, what is left is for admins.
func (q *request) tracedBy() (topology.ID, error) {
	id, err := q.id("id")
	if err != nil {
		return id, err
	}
	_, err = q.pathTrace()
	if err != nil && q.who.Role == Admin && q.server.fault(err).Status == http.StatusNotFound {
		left, lost := q.server.opts.Traces.Flows(q.ctx(), id, Select{Limit: 1})
		if lost == nil && len(left) > 0 {
			return id, nil
		}
	}
	return id, err
}

// selection reads the parameters of a list, which begins with the newest unless told
// otherwise, or the oldest. Whoever follows gets the oldest first.
func (q *request) selection(newest bool) (s Select, err error) {
	values := q.r.URL.Query()
	switch values.Get("follow") {
	case "true": // whoever follows wants all that comes
	case "", "false":
		s.Limit = defaultLimit
		s.Descending = newest
	default:
		return s, violation("follow", "got %.60q, want true or false", values.Get("follow"))
	}
	for name, to := range map[string]*time.Time{"since": &s.Since, "until": &s.Until} {
		if *to, err = parseTime(values.Get(name)); err != nil {
			return s, violation(name, "got %.60q, want milliseconds since 1970 or a time as 2006-01-02T15:04:05Z", values.Get(name))
		}
	}
	if text := values.Get("limit"); text != "" {
		if s.Limit, err = strconv.Atoi(text); err != nil || s.Limit < 1 || s.Limit > maxLimit {
			return s, violation("limit", "got %.60q, want 1 to %d", text, maxLimit)
		}
	}
	switch order := values.Get("order"); order {
	case "":
	case "asc":
		s.Descending = false
	case "desc":
		s.Descending = true
	default:
		return s, violation("order", "got %.60q, want asc or desc", order)
	}
	s.Verdict = values.Get("verdict")
	if text := values.Get("host"); text != "" {
		if s.Host, err = topology.ParseID(text); err != nil {
			return s, violation("host", "%v", err)
		}
	}
	return s, nil
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms), nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// representFlow returns a flow. Where it came in at another tenant's device, its
// headers and hosts are that tenant's.
func representFlow(q *request, v *viewer, f Flow) (json.RawMessage, error) {
	members := []member{
		{"flowTraceId", f.ID},
		{"time", f.Time.UTC().Format(time.RFC3339Nano)},
		{"verdict", f.Verdict},
	}
	if f.Dropped > 0 { // how many there were tells of what is on devices of others
		members = append(members, member{"incomplete", true})
	}
	if f.Dropped > 0 && v.admin {
		members = append(members, member{"eventsDropped", f.Dropped})
	}
	if !v.sees("port", f.Ingress.String()) {
		return represent(struct{}{}, append(members, member{"redacted", true})...)
	}
	if f.Host != (topology.ID{}) {
		members = append(members, member{"host", f.Host})
	}
	if f.Ingress != (topology.ID{}) {
		members = append(members, member{"ingressPort", f.Ingress})
	}
	members = append(members, member{"hosts", v.hosts(f)})
	header := f.Header
	if len(header) == 0 {
		header = json.RawMessage("{}")
	}
	return represent(header, members...)
}

// hosts returns where a flow was traced; only an admin sees those of others' ports.
func (v *viewer) hosts(f Flow) []topology.ID {
	if v.admin || len(f.Hosts) == 0 {
		return f.Hosts
	}
	return []topology.ID{f.Host}
}

func listFlows(q *request) error {
	id, err := q.tracedBy()
	if err != nil {
		return err
	}
	s, err := q.selection(true)
	if err != nil {
		return err
	}
	v := newViewer(q)
	if q.query("follow") == "true" {
		defer q.guard(v)()
		return follow(q, func(yield func(json.RawMessage, error) bool) {
			for f, err := range q.server.opts.Traces.FollowFlows(q.ctx(), id, s) {
				var b json.RawMessage
				if err == nil {
					b, err = representFlow(q, v, f)
				}
				if !yield(b, err) {
					return
				}
			}
		})
	}
	flows, err := q.server.opts.Traces.Flows(q.ctx(), id, s)
	if err != nil {
		return err
	}
	return list(q, flows, all, func(f Flow) (json.RawMessage, error) { return representFlow(q, v, f) })
}

// tracedFlow returns the ids of the request and the flow of the path.
func (q *request) tracedFlow() (id, flow topology.ID, err error) {
	if id, err = q.tracedBy(); err != nil {
		return id, flow, err
	}
	flow, err = q.id("flow")
	return id, flow, err
}

func getFlow(q *request) error {
	id, flow, err := q.tracedFlow()
	if err != nil {
		return err
	}
	f, err := q.server.opts.Traces.Flow(q.ctx(), id, flow)
	if err != nil {
		return err
	}
	answer, err := representFlow(q, newViewer(q), f)
	if err != nil {
		return err
	}
	return q.answer(answer)
}

func listEvents(q *request) error {
	id, flow, err := q.tracedFlow()
	if err != nil {
		return err
	}
	s, err := q.selection(false)
	if err != nil {
		return err
	}
	if _, err := q.server.opts.Traces.Flow(q.ctx(), id, flow); err != nil {
		return err
	}
	v := newViewer(q)
	if q.query("follow") == "true" {
		defer q.guard(v)()
		s.Descending = false // what comes is newer
		if v.admin {
			return follow(q, q.server.opts.Traces.FollowEvents(q.ctx(), id, flow, s))
		}
		return follow(q, v.tellEach(q.server.opts.Traces.FollowEvents(q.ctx(), id, flow, Select{}), s))
	}
	of := s
	if !v.admin {
		of = Select{Unbounded: true} // what is to be told is known from all of them
	}
	events, err := q.server.opts.Traces.Events(q.ctx(), id, flow, of)
	if err != nil {
		return err
	}
	if !v.admin {
		if events, err = v.tellAll(events, s); err != nil {
			return err
		}
	}
	if events == nil {
		events = []json.RawMessage{}
	}
	return q.answer(events)
}

// simulationRequest is the body of a dry run.
type simulationRequest struct {
	port  topology.ID
	frame []byte
}

func readSimulation(raw json.RawMessage) (s simulationRequest, err error) {
	text, err := textMember(raw, "port")
	if err != nil {
		return s, err
	}
	if s.port, err = topology.ParseID(text[strings.LastIndex(text, "/")+1:]); err != nil {
		return s, faultf(http.StatusNotFound, "there is no port: %v", err)
	}
	frame, err := textMember(raw, "frame")
	if err != nil {
		return s, err
	}
	if s.frame, err = hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(frame)); err != nil {
		return s, violation("frame", "got no hexadecimal digits: %v", err)
	}
	if len(s.frame) < 14 || len(s.frame) > 65535 {
		return s, violation("frame", "got %d bytes, want 14 to 65535", len(s.frame))
	}
	return s, nil
}

// simulate makes a dry run, for who may trace the port.
func simulate(q *request) error {
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	s, err := readSimulation(raw)
	if err != nil {
		return err
	}
	p, err := q.port(s.port)
	if err != nil {
		return err
	}
	if !p.Exterior() {
		return violation("port", "port %v is bound to no interface: no frame comes in there", p.ID)
	}
	if q.server.opts.Simulator == nil {
		return faultf(http.StatusNotFound, "this hub makes no dry runs")
	}
	r, err := q.server.opts.Simulator.Simulate(q.ctx(), p.ID, s.frame)
	if err != nil {
		return err
	}
	events := append([]json.RawMessage{}, r.Events...)
	if v := newViewer(q); !v.admin {
		if events, err = v.tellAll(events, Select{}); err != nil {
			return err
		}
	}
	return q.answer(struct {
		Result string            `json:"result"`
		Events []json.RawMessage `json:"events"`
	}{r.Result, events})
}
