// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Flow is what is known of a traced flow without its events.
type Flow struct {
	ID      topology.ID
	Time    time.Time   // of the first record that came
	Ingress topology.ID // the port where it entered the network; zero for unknown
	Host    topology.ID // of that port
	Hosts   []topology.ID
	Verdict string          // outcome of the simulation at the ingress; empty until it is known
	Header  json.RawMessage // an object: ethSrc … dstPort of the packet as it came
	Dropped uint64          // events that are not kept, because there were too many
}

// flowValue is a Flow as it is stored.
type flowValue struct {
	Ingress topology.ID     `json:"ingress,omitzero"`
	Host    topology.ID     `json:"host,omitzero"`
	Hosts   []topology.ID   `json:"hosts"`
	Verdict string          `json:"verdict,omitempty"`
	Header  json.RawMessage `json:"header,omitempty"`
	Done    uint64          `json:"done,omitempty"` // number among the flows whose verdict is known
	Events  int             `json:"events"`         // how many are kept
	Bytes   int64           `json:"bytes"`          // of these and the flow itself
	Lost    []hostLoss      `json:"lost,omitempty"`
}

// Roles of hosts.
const (
	ingress = "ingress"
	egress  = "egress"
)

// eventView is what the archive reads of an event.
type eventView struct {
	Seq       uint64      `json:"seq"`
	Time      int64       `json:"time"`
	Host      topology.ID `json:"host"`
	Role      string      `json:"role"`
	Kind      string      `json:"kind"`
	InputPort topology.ID `json:"inputPort"`
	Outcome   string      `json:"outcome"`
}

// learn takes from a record what is known of its flow, and reports whether the verdict
// is known now and was not before.
func (f *flowValue) learn(r *record.Record, e *eventView) (decided bool) {
	if !slices.Contains(f.Hosts, r.Scope.Host) {
		f.Hosts = append(f.Hosts, r.Scope.Host)
	}
	if e.Role == egress {
		return false
	}
	f.Host = r.Scope.Host
	if len(f.Header) == 0 {
		f.Header = header(r.Scope)
	}
	if e.Kind == "start" && e.InputPort != (topology.ID{}) {
		f.Ingress = e.InputPort
	}
	if e.Kind != "result" || e.Outcome == "" {
		return false
	}
	decided = f.Verdict == ""
	f.Verdict = e.Outcome
	return decided
}

// header returns the headers of a packet as an object.
func header(s *record.Scope) json.RawMessage {
	fields := make(map[string]any)
	for _, a := range s.Attrs() {
		switch a.Key {
		case record.KeyCookie, record.KeyFlow, record.KeyRequests, record.KeyHost:
		default:
			fields[a.Key] = a.Value.Any()
		}
	}
	if len(fields) == 0 {
		return nil
	}
	b, _ := json.Marshal(fields) // strings and numbers
	return b
}

// Select says which flows or events are wanted. The zero value is all of them, up to
// MaxLimit, the oldest first.
type Select struct {
	Since, Until time.Time // from, and before; zero: open
	Limit        int       // 0: MaxLimit; of those who follow: none
	Descending   bool
	Verdict      string      // of flows, in whatever case
	Host         topology.ID // of flows: that it was on; zero: any
	Unbounded    bool        // of Events: all of them, whatever Limit and MaxLimit say
}

// MaxLimit is how many flows or events are returned at most unless all events are wanted.
const MaxLimit = 10_000

func (s *Select) limit() int {
	if s.Limit <= 0 || s.Limit > MaxLimit {
		return MaxLimit
	}
	return s.Limit
}

// matches reports whether a flow is wanted.
func (s *Select) matches(f *Flow) bool {
	return s.covers(f.Time) && (s.Verdict == "" || strings.EqualFold(s.Verdict, f.Verdict)) &&
		(s.Host == topology.ID{} || slices.Contains(f.Hosts, s.Host))
}

func (s *Select) covers(t time.Time) bool {
	return (s.Since.IsZero() || !t.Before(s.Since)) && (s.Until.IsZero() || t.Before(s.Until))
}

// HostStatus is how a host counts for a trace request.
type HostStatus struct {
	Host         topology.ID `json:"host"`
	Hits         int64       `json:"hits"`
	LimitReached bool        `json:"limitReached"`
}
