// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"time"
)

// Kinds of devices that trace requests are for.
const (
	Bridge = "BRIDGE"
	Router = "ROUTER"
	Port   = "PORT"
)

// TraceRequest asks for a record of what becomes of packets that meet a condition at a
// device.
type TraceRequest struct {
	ID         string    `json:"id,omitempty"`
	URI        string    `json:"uri,omitempty"`
	Name       string    `json:"name"`
	TenantID   string    `json:"tenantId,omitempty"` // of the device
	DeviceType string    `json:"deviceType"`
	DeviceID   string    `json:"deviceId"`
	Condition  Condition `json:"condition"`
	CreatedMS  int64     `json:"creationTimestampMs,omitempty"`
	Limit      int64     `json:"limit,omitempty"` // flows of each host; 0 for all
	Enabled    bool      `json:"enabled"`

	Warning string       `json:"warning,omitempty"`    // "rule missing": nothing is traced
	Hosts   []HostStatus `json:"hostStatus,omitempty"` // of a single request

	FlowsDropped uint64 `json:"flowsDropped,omitempty"` // of a single request: flows that have made room for others
}

// HostStatus is how a host counts for a request.
type HostStatus struct {
	Host         string `json:"host"`
	Hits         int64  `json:"hits"`
	LimitReached bool   `json:"limitReached"`
}

// Condition is what a packet must be: a JSON object, or words in a JSON string. The
// zero Condition is met by all.
type Condition json.RawMessage

// Words returns the condition of words such as "src 10.0.0.0/8 proto 6 dst-port 80".
func Words(text string) Condition {
	b, _ := json.Marshal(text) // a string can always be written
	return b
}

// MarshalJSON returns the condition.
func (c Condition) MarshalJSON() ([]byte, error) {
	if len(c) == 0 {
		return []byte("{}"), nil
	}
	return c, nil
}

// UnmarshalJSON keeps the condition.
func (c *Condition) UnmarshalJSON(b []byte) error {
	*c = append(Condition(nil), b...)
	return nil
}

// String returns the condition as JSON, {} for the empty one.
func (c Condition) String() string {
	if len(c) == 0 {
		return "{}"
	}
	return string(c)
}

// CreateTrace makes a trace request and returns its ID.
func (c *Client) CreateTrace(ctx context.Context, t TraceRequest) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := c.call(ctx, "POST", t, &made, nil, "traces")
	return made.ID, err
}

// Traces returns the trace requests that the user may see, of a tenant if one is named.
func (c *Client) Traces(ctx context.Context, tenant string) ([]TraceRequest, error) {
	query := url.Values{}
	if tenant != "" {
		query.Set("tenant_id", tenant)
	}
	var list []TraceRequest
	err := c.Get(ctx, &list, query, "traces")
	return list, err
}

// Trace returns a trace request.
func (c *Client) Trace(ctx context.Context, id string) (TraceRequest, error) {
	var t TraceRequest
	err := c.Get(ctx, &t, nil, "traces", id)
	return t, err
}

// UpdateTrace changes the name, condition, limit and state of a trace request.
func (c *Client) UpdateTrace(ctx context.Context, t TraceRequest) error {
	return c.Update(ctx, t, "traces", t.ID)
}

// EnableTrace has packets traced.
func (c *Client) EnableTrace(ctx context.Context, id string) error {
	return c.Update(ctx, nil, "traces", id, "enabled")
}

// DisableTrace has no more packets traced.
func (c *Client) DisableTrace(ctx context.Context, id string) error {
	return c.Delete(ctx, "traces", id, "enabled")
}

// DeleteTrace deletes a trace request, with what it has traced. One that is not there
// is no error.
func (c *Client) DeleteTrace(ctx context.Context, id string) error {
	return c.Delete(ctx, "traces", id)
}

// Order is the order of flows or events by time.
type Order string

// Orders.
const (
	Ascending  Order = "asc"
	Descending Order = "desc"
)

// Query chooses flows or events.
type Query struct {
	Since, Until time.Time // zero: open
	Limit        int       // 0: the hub's default, 100
	Order        Order     // the zero value: flows the newest first, events the oldest
	Verdict      string    // of flows
	Host         string    // of flows
}

func (q *Query) values() url.Values {
	v := url.Values{}
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	for name, s := range map[string]string{"order": string(q.Order), "verdict": q.Verdict, "host": q.Host} {
		if s != "" {
			v.Set(name, s)
		}
	}
	return v
}

// Flow is a packet that was traced.
type Flow struct {
	ID           string    `json:"flowTraceId"`
	Time         time.Time `json:"time"`
	Verdict      string    `json:"verdict"`
	Host         string    `json:"host,omitempty"` // where it came in
	Hosts        []string  `json:"hosts,omitempty"`
	IngressPort  string    `json:"ingressPort,omitempty"`
	EthSrc       string    `json:"ethSrc,omitempty"`
	EthDst       string    `json:"ethDst,omitempty"`
	EtherType    int       `json:"etherType,omitempty"`
	NetworkSrc   string    `json:"networkSrc,omitempty"`
	NetworkDst   string    `json:"networkDst,omitempty"`
	NetworkProto int       `json:"networkProto,omitempty"`
	SrcPort      int       `json:"srcPort,omitempty"`
	DstPort      int       `json:"dstPort,omitempty"`
	Redacted     bool      `json:"redacted,omitempty"` // it came in at another tenant's

	Incomplete    bool   `json:"incomplete,omitempty"`    // it has more events than are kept
	EventsDropped uint64 `json:"eventsDropped,omitempty"` // how many more; administrators are told
}

// Event is a step of what became of a packet, as JSON: its members depend on its kind.
type Event struct {
	Kind string
	JSON json.RawMessage
}

// UnmarshalJSON keeps the event.
func (e *Event) UnmarshalJSON(b []byte) error {
	var kind struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(b, &kind); err != nil {
		return err
	}
	*e = Event{Kind: kind.Kind, JSON: append(json.RawMessage(nil), b...)}
	return nil
}

// MarshalJSON returns the event as it came.
func (e Event) MarshalJSON() ([]byte, error) { return e.JSON, nil }

// Flows returns flows that a request has traced.
func (c *Client) Flows(ctx context.Context, id string, q Query) ([]Flow, error) {
	var list []Flow
	err := c.Get(ctx, &list, q.values(), "traces", id, "flows")
	return list, err
}

// FollowFlows walks flows that a request has traced, and goes on with those that come
// until ctx ends.
func (c *Client) FollowFlows(ctx context.Context, id string, q Query) iter.Seq2[Flow, error] {
	return stream[Flow](ctx, c, q.values(), "traces", id, "flows")
}

// Events returns what happened to a traced flow.
func (c *Client) Events(ctx context.Context, id, flow string, q Query) ([]Event, error) {
	var list []Event
	err := c.Get(ctx, &list, q.values(), "traces", id, "flows", flow, "events")
	return list, err
}

// FollowEvents walks what happened to a traced flow, and goes on with what comes.
func (c *Client) FollowEvents(ctx context.Context, id, flow string, q Query) iter.Seq2[Event, error] {
	return stream[Event](ctx, c, q.values(), "traces", id, "flows", flow, "events")
}

// Simulation is what would become of a frame.
type Simulation struct {
	Result string  `json:"result"`
	Events []Event `json:"events"`
}

// Simulate tries what would become of a frame that enters by an exterior port; nothing
// is sent, and nothing changes.
func (c *Client) Simulate(ctx context.Context, port string, frame []byte) (Simulation, error) {
	var s Simulation
	err := c.call(ctx, "POST", map[string]string{"port": port, "frame": hex.EncodeToString(frame)}, &s, nil, "simulations")
	return s, err
}
