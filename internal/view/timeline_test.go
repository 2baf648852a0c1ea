// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

func TestPairName(t *testing.T) {
	tests := []struct {
		name, want string
		phase      phase
	}{
		{"irq_handler_entry", "irq_handler", pairBegin},
		{"irq_handler_exit", "irq_handler", pairEnd},
		{"app:request:begin", "app:request", pairBegin},
		{"app:request:end", "app:request", pairEnd},
		{"lttng_ust_cyg_profile:func_entry", "lttng_ust_cyg_profile:func", pairBegin},
		{"syscall_entry_read", "syscall_read", pairBegin},
		{"syscall_exit_read", "syscall_read", pairEnd},
		{"sched_waking", "sched_waking", instant},
		{"_entry", "_entry", instant},
		{"app:send", "app:send", instant},
	}
	for _, tt := range tests {
		if name, p := pairName(tt.name); name != tt.want || p != tt.phase {
			t.Errorf("pairName(%s) = %s, %d; want %s, %d", tt.name, name, p, tt.want, tt.phase)
		}
	}
}

// kernelTrace makes events of a kernel's trace: classes by name, with a thread
// in the context where contexts is set.
type kernelTrace struct {
	t      *testing.T
	stream *schema.Stream
	packet *ctf.Packet
	now    int64
}

func newKernelTrace(t *testing.T, host string, contexts bool) *kernelTrace {
	tr := &schema.Trace{Env: []schema.EnvEntry{{Name: "hostname", String: host}}}
	st := &schema.Stream{Trace: tr, Clock: &schema.Clock{}, PacketContext: structOf(member("cpu_id", uintOf(32)))}
	if contexts {
		st.EventContext = structOf(member("pid", intOf(32)), member("tid", intOf(32)), member("procname", &schema.Text{Length: 17}))
	}
	return &kernelTrace{t, st, &ctf.Packet{Class: st, Frame: ctf.Frame{Words: []uint64{1}}}, 1_000_000_000}
}

// event makes an event a microsecond and a half behind the last one.
func (k *kernelTrace) event(name string, payload *schema.Struct, values fields, context ...any) *ctf.Event {
	class := &schema.Event{Name: name, HasName: true, Payload: payload}
	class.ID = uint64(len(k.stream.Events))
	k.stream.AddEvent(class)
	all := []fields{}
	if k.stream.EventContext != nil {
		all = append(all, fields(context))
	}
	if payload != nil {
		all = append(all, values)
	}
	e := &ctf.Event{
		Class: class, Packet: k.packet, HasTime: true, Time: k.now,
		Frame: frameOf(k.t, []*schema.Struct{k.stream.EventContext, payload}, all...),
	}
	k.now += 1500
	return e
}

// timelineOf runs events through a timeline and returns its lines.
func timelineOf(t *testing.T, events ...*ctf.Event) string {
	t.Helper()
	var buf bytes.Buffer
	k := NewTimeline(NewOutput(&buf))
	for _, e := range events {
		if err := k.Event(nil, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(buf.Bytes()) {
		t.Errorf("not JSON: %s", buf.String())
	}
	return buf.String()
}

func TestTimelineThreads(t *testing.T) {
	k := newKernelTrace(t, "hst", true)
	n := structOf(member("n", uintOf(8)))
	got := timelineOf(t,
		k.event("syscall_entry_read", n, fields{3}, 10, 11, "app\x00"),
		k.event("page_fault_entry", nil, nil, 10, 11, "app\x00"),
		k.event("mark", nil, nil, 10, 12, "app2\x00"),
		k.event("syscall_exit_read", n, fields{4}, 10, 11, "app\x00"), // the page fault's exit was lost
		k.event("irq_handler_exit", nil, nil, 10, 11, "app\x00"),      // the entry was before the trace
		k.event("softirq_entry", nil, nil, 10, 11, "app\x00"),
	)
	sameLines(t, got, `{"displayTimeUnit":"ns","traceEvents":[
{"ph":"M","ts":0.000,"pid":10,"tid":11,"name":"process_name","args":{"name":"app"}},
{"ph":"M","ts":0.000,"pid":10,"tid":11,"name":"thread_name","args":{"name":"app"}},
{"ph":"B","ts":0.000,"pid":10,"tid":11,"name":"syscall_read","args":{"n":3}},
{"ph":"B","ts":1.500,"pid":10,"tid":11,"name":"page_fault"},
{"ph":"M","ts":3.000,"pid":10,"tid":12,"name":"thread_name","args":{"name":"app2"}},
{"ph":"i","ts":3.000,"pid":10,"tid":12,"s":"t","name":"mark"},
{"ph":"E","ts":4.500,"pid":10,"tid":11,"name":"page_fault"},
{"ph":"E","ts":4.500,"pid":10,"tid":11,"name":"syscall_read","args":{"n":4}},
{"ph":"i","ts":6.000,"pid":10,"tid":11,"s":"t","name":"irq_handler_exit"},
{"ph":"B","ts":7.500,"pid":10,"tid":11,"name":"softirq"},
{"ph":"E","ts":7.500,"pid":10,"tid":11,"name":"softirq"}
],"otherData":{"origin_ns":"1000000000"}}
`)
}

func TestTimelineCPUs(t *testing.T) {
	k := newKernelTrace(t, "hst", false)
	sw := structOf(member("prev_tid", intOf(32)), member("next_comm", &schema.Text{Length: 16}), member("next_tid", intOf(32)))
	other := newKernelTrace(t, "other", false)
	other.now = 1_000_004_500
	got := timelineOf(t,
		k.event("sched_switch", sw, fields{0, "a\x00", 5}),
		k.event("sched_switch", sw, fields{5, "swapper/1\x00", 0}),
		k.event("sched_switch", sw, fields{0, "b\x00", 6}),
		other.event("mark", nil, nil),
	)
	sameLines(t, got, `{"displayTimeUnit":"ns","traceEvents":[
{"ph":"M","ts":0.000,"pid":4194304,"tid":1,"name":"process_name","args":{"name":"CPUs hst"}},
{"ph":"M","ts":0.000,"pid":4194304,"tid":1,"name":"thread_name","args":{"name":"CPU 1"}},
{"ph":"X","ts":0.000,"pid":4194304,"tid":1,"dur":1.500,"name":"a","args":{"tid":5}},
{"ph":"M","ts":4.500,"pid":12582912,"tid":1,"name":"process_name","args":{"name":"CPUs other"}},
{"ph":"M","ts":4.500,"pid":12582912,"tid":1,"name":"thread_name","args":{"name":"CPU 1"}},
{"ph":"i","ts":4.500,"pid":12582912,"tid":1,"s":"t","name":"mark"},
{"ph":"X","ts":3.000,"pid":4194304,"tid":1,"dur":1.500,"name":"b","args":{"tid":6}}
],"otherData":{"origin_ns":"1000000000"}}
`)
}

// A trace of one process says so in its environment; entries without exits do
// not gather for ever; losses are shown.
func TestTimelineProcess(t *testing.T) {
	s := newSample(t, structOf(), fields{})
	s.class.Name, s.stream.EventContext = "f_entry", nil
	s.event.Frame = ctf.Frame{}
	var buf bytes.Buffer
	k := NewTimeline(NewOutput(&buf))
	for range 2 * maxOpenSlices {
		k.Event(nil, s.event)
	}
	k.Loss(s.streamOf(), &ctf.Loss{Count: 3, Counted: true, From: s.event.Time - 1500, HasRange: true})
	k.Close()
	got := buf.String()
	if b, i, e := strings.Count(got, `"ph":"B"`), strings.Count(got, `"name":"f_entry"`), strings.Count(got, `"ph":"E"`); b != maxOpenSlices || i != b || e != b {
		t.Errorf("%d slices begin, %d instants, %d slices end; want %d each", b, i, e, maxOpenSlices)
	}
	for _, want := range []string{
		`{"ph":"M","ts":0.000,"pid":4242,"tid":4242,"name":"process_name","args":{"name":"prc"}}`,
		`{"ph":"i","ts":-1.500,"pid":0,"tid":0,"s":"g","name":"events lost","args":{"trace":"hst/ust","stream":3,"count":3}}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %.300s", want, got)
		}
	}
}
