// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Record is an event with where and when it happened: the form in which it is stored
// and shown.
type Record struct {
	Seq  int   // in a flow, on a host
	Time int64 // nanoseconds since 1970; 0 in a dry run
	Host topology.ID
	Role string // ingress or egress
	Dry  bool   // nothing is kept of what the packet did
	Event
}

// MarshalJSON returns the record as an object, with objects as their IDs.
func (r *Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil, nil), nil }

// AppendJSON appends the record as an object. Names are what objects are called; nil
// is that all are called by their IDs.
func (r *Record) AppendJSON(b []byte, names func(topology.ID) string) []byte {
	w := &recordWriter{b: append(b, '{'), names: names, dry: r.Dry}
	w.int("seq", int64(r.Seq))
	if r.Time != 0 {
		w.int("time", r.Time)
	}
	w.id("host", r.Host)
	w.text("role", r.Role)
	w.int("run", int64(r.Run))
	w.text("kind", r.Kind.String())
	w.event(&r.Event)
	return append(w.b, '}')
}

// recordWriter writes the members of an object.
type recordWriter struct {
	b     []byte
	names func(topology.ID) string
	dry   bool
}

func (w *recordWriter) key(k string) {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
	if k != "" {
		w.b = append(append(append(w.b, '"'), k...), '"', ':')
	}
}

func (w *recordWriter) int(k string, v int64) {
	w.key(k)
	w.b = strconv.AppendInt(w.b, v, 10)
}

func (w *recordWriter) bool(k string, v bool) {
	w.key(k)
	w.b = strconv.AppendBool(w.b, v)
}

// text writes a text, unless it is empty.
func (w *recordWriter) text(k, v string) {
	if v == "" {
		return
	}
	w.key(k)
	for i := range len(v) {
		if c := v[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(v)
			w.b = append(w.b, quoted...)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), v...), '"')
}

// id writes what an object is called, unless there is none.
func (w *recordWriter) id(k string, id topology.ID) {
	if id == (topology.ID{}) {
		return
	}
	if w.names != nil {
		if name := w.names(id); name != "" {
			w.text(k, name)
			return
		}
	}
	w.key(k)
	w.b = append(w.b, '"')
	at := 0
	for _, n := range [...]int{4, 2, 2, 2, 6} { // the groups of a UUID
		if at > 0 {
			w.b = append(w.b, '-')
		}
		w.b = hex.AppendEncode(w.b, id[at:at+n])
		at += n
	}
	w.b = append(w.b, '"')
}

func (w *recordWriter) mac(k string, m packet.MAC) {
	w.key(k)
	w.b = append(w.b, '"')
	w.b, _ = m.AppendText(w.b)
	w.b = append(w.b, '"')
}

func (w *recordWriter) addr(k string, a packet.IPv4) {
	w.key(k)
	w.b = append(a.AppendTo(append(w.b, '"')), '"')
}

// open begins an object or array.
func (w *recordWriter) open(k string, bracket byte) {
	w.key(k)
	w.b = append(w.b, bracket)
}

// close ends what open began.
func (w *recordWriter) close(bracket byte) { w.b = append(w.b, bracket) }

func (w *recordWriter) event(e *Event) {
	switch e.Kind {
	case EventStart:
		w.start(e)
	case EventRestart:
		w.text("reason", string(e.Reason))
		w.id("request", e.Request)
		w.id("device", e.Device)
		w.id("port", e.Port)
		if e.Addr != 0 {
			w.addr("ip", e.Addr)
		}
	case EventPortIn, EventPortOut:
		w.id("port", e.Port)
		w.id("device", e.Device)
		w.text("attachment", attachment(e))
	case EventChain:
		w.id("chain", e.Chain)
		w.text("name", e.Name)
		w.id("device", e.Device)
		w.text("direction", e.Dir.String())
		w.text("warning", e.Result)
	case EventRule:
		w.rule(e)
	case EventResult:
		w.result(e)
	default:
		w.step(e)
	}
}

func attachment(e *Event) string {
	switch {
	case e.Exterior:
		return "exterior"
	case e.Interior:
		return "interior"
	default:
		return "unplugged"
	}
}

func (w *recordWriter) start(e *Event) {
	w.match(e.Match)
	w.id("inputPort", e.Port)
	w.id("device", e.Device)
	w.text("interface", e.Interface)
	w.int("length", int64(e.Length))
	w.int("gsoSize", 0)
	w.key("bytes")
	w.b = append(hex.AppendEncode(append(w.b, '"'), e.Frame), '"')
}

func (w *recordWriter) rule(e *Event) {
	w.id("chain", e.Chain)
	w.id("rule", e.Rule)
	w.int("position", int64(e.Position))
	w.text("type", string(e.RuleType))
	w.id("device", e.Device)
	w.text("direction", e.Dir.String())
	w.bool("matched", e.Matched)
	w.bool("applied", e.Applied)
	w.text("result", e.Result)
	if e.Before != e.After {
		w.open("change", '{')
		w.text("from", e.Before.String())
		w.text("to", e.After.String())
		w.bool("allocated", e.Allocated)
		if e.Allocated && w.dry {
			w.text("note", "would allocate")
		}
		w.close('}')
	}
}

func (b Binding) String() string {
	return b.Addr.String() + ":" + strconv.Itoa(int(b.Port))
}

// step writes what devices do, apart from filters.
func (w *recordWriter) step(e *Event) {
	w.id("device", e.Device)
	switch e.Kind {
	case EventBridge, EventLearn:
		w.mac("mac", e.MAC)
		w.int("vlan", int64(e.VLAN))
	case EventRoute:
		w.addr("destination", e.Addr)
		w.id("route", e.Route)
		w.text("prefix", e.Name)
		w.int("candidates", int64(e.Candidates))
	case EventARP:
		w.addr("ip", e.Addr)
		if !e.MAC.IsZero() {
			w.mac("mac", e.MAC)
		}
	case EventConntrack:
		w.conntrack(e)
	case EventICMP:
		w.int("type", int64(e.Code[0]))
		w.int("code", int64(e.Code[1]))
	}
	w.id("port", e.Port)
	w.text("result", e.Result)
}

func (w *recordWriter) conntrack(e *Event) {
	w.open("key", '{')
	w.addr("networkSrc", e.Key.Src)
	w.int("srcPort", int64(e.Key.SrcPort))
	w.addr("networkDst", e.Key.Dst)
	w.int("dstPort", int64(e.Key.DstPort))
	w.int("networkProto", int64(e.Key.Proto))
	w.id("device", e.Key.Device)
	w.close('}')
	if e.Applied {
		w.text("direction", "return")
	} else {
		w.text("direction", "forward")
	}
}

func (w *recordWriter) result(e *Event) {
	w.text("outcome", e.Outcome.String())
	w.match(e.Match)
	w.modifications(e.Orig, e.Match)
	w.open("outputs", '[')
	for i := range e.Outputs {
		o := &e.Outputs[i]
		w.open("", '{')
		w.id("port", o.Port.ID)
		w.id("host", o.Port.Host)
		w.text("interface", o.Port.Interface)
		if o.Match != *e.Match {
			w.modifications(e.Orig, &o.Match)
		}
		w.close('}')
	}
	w.close(']')
	if e.Reason == "" {
		return
	}
	w.open("dropReason", '{')
	w.text("reason", string(e.Reason))
	w.id("device", e.Device)
	w.id("chain", e.Chain)
	w.id("rule", e.Rule)
	if e.Position > 0 {
		w.int("position", int64(e.Position))
	}
	w.close('}')
}

// match writes headers.
func (w *recordWriter) match(m *packet.Match) {
	w.open("match", '{')
	defer w.close('}')
	w.mac("ethSrc", m.EthSrc)
	w.mac("ethDst", m.EthDst)
	w.int("etherType", int64(m.EtherType))
	if m.NumTags > 0 {
		w.open("vlanIds", '[')
		for _, t := range m.Tags[:m.NumTags] {
			w.int("", int64(t.VLAN()))
		}
		w.close(']')
	}
	if m.Net == packet.NoNet {
		return
	}
	w.addr("networkSrc", m.Src)
	w.addr("networkDst", m.Dst)
	w.int("networkProto", int64(m.Proto))
	if m.Net == packet.NetARP {
		return
	}
	w.int("networkTTL", int64(m.TTL))
	w.int("networkTOS", int64(m.TOS))
	w.text("fragmentType", m.Fragment.String())
	if m.Transport != packet.NoTransport {
		w.int("srcPort", int64(m.SrcPort))
		w.int("dstPort", int64(m.DstPort))
	}
	if m.HasID() {
		w.int("icmpId", int64(m.ID))
	}
	if m.Transport == packet.ICMPError {
		w.quote(&m.Quote)
	}
}

func (w *recordWriter) quote(q *packet.Quote) {
	w.open("icmpData", '{')
	defer w.close('}')
	w.addr("networkSrc", q.Src)
	w.addr("networkDst", q.Dst)
	w.int("networkProto", int64(q.Proto))
	if q.Ports {
		w.int("srcPort", int64(q.SrcPort))
		w.int("dstPort", int64(q.DstPort))
	}
}

// modifications writes which headers changed, and to what.
func (w *recordWriter) modifications(from, to *packet.Match) {
	w.open("modifications", '{')
	defer w.close('}')
	if from.EthSrc != to.EthSrc {
		w.mac("ethSrc", to.EthSrc)
	}
	if from.EthDst != to.EthDst {
		w.mac("ethDst", to.EthDst)
	}
	if from.Tags != to.Tags || from.NumTags != to.NumTags {
		w.open("vlanIds", '[')
		for _, t := range to.Tags[:to.NumTags] {
			w.int("", int64(t.VLAN()))
		}
		w.close(']')
	}
	if from.Src != to.Src {
		w.addr("networkSrc", to.Src)
	}
	if from.Dst != to.Dst {
		w.addr("networkDst", to.Dst)
	}
	if from.TTL != to.TTL {
		w.int("networkTTL", int64(to.TTL))
	}
	if from.SrcPort != to.SrcPort {
		w.int("srcPort", int64(to.SrcPort))
	}
	if from.DstPort != to.DstPort {
		w.int("dstPort", int64(to.DstPort))
	}
	if from.Quote != to.Quote {
		w.quote(&to.Quote)
	}
}
