// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// Table is the events of a channel: how they are declared in the trace's
// metadata and how their records become events. It is safe for concurrent use;
// events may be declared while converters run.
type Table struct {
	// Immutable after NewTable.
	opts    Options
	trace   *schema.Trace
	context contextPlan
	own     int // events that are not the kernel's, which come first
	ownIDs  [numOwn]int

	plans    atomic.Pointer[[]*plan] // by the kernel's id; replaced, never changed
	newTasks atomic.Bool             // the event that tells most of new threads is declared

	mu       sync.Mutex // guards what follows
	stream   *schema.Stream
	formats  []*ftrace.Format  // in the order of declaration
	ids      map[string]uint32 // by system:name; the newest of them
	begun    bool              // the metadata
	declared int               // events in the metadata
}

// maxEvents is the number of ids of the short event header.
const maxEvents = 1<<16 - 1

// NewTable makes a table without events of the kernel.
func NewTable(o Options) (*Table, error) {
	t := new(Table)
	if err := t.init(o); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Table) init(o Options) error {
	if err := o.defaults(); err != nil {
		return err
	}
	t.opts, t.ids = o, map[string]uint32{}
	t.trace = &schema.Trace{
		Version: schema.CTF1, ByteOrder: nativeOrder(), UUID: &t.opts.UUID, Env: o.Env, Clocks: []*schema.Clock{o.Clock},
	}
	t.declareStream()
	t.context = newContextPlan(&t.opts)
	t.plans.Store(new([]*plan))
	t.declareOwn()
	return nil
}

// nativeOrder is the byte order of this machine, whose kernel wrote the records:
// values are copied as they are.
func nativeOrder() schema.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return schema.LittleEndian
	}
	return schema.BigEndian
}

// long is the size of the kernel's long. A 64-bit kernel serves programs of 32
// bits, so that this program's int does not tell; a kernel of 32 bits has
// stacks of 32-bit words, which no test of this package has seen.
func (t *Table) long() int { return 8 }

// declareStream declares the packets' and the events' headers.
func (t *Table) declareStream() {
	role := func(name string, bytes int, r schema.Role) schema.Member {
		i := t.integer(bytes, false, 10)
		i.Role = r
		return schema.Member{Name: name, Class: i}
	}
	clocked := func(name string, bytes int, r schema.Role) schema.Member {
		m := role(name, bytes, r)
		m.Class.(*schema.Integer).Clock = t.opts.Clock
		return m
	}
	t.trace.PacketHeader = &schema.Struct{Members: []schema.Member{
		role("magic", 4, schema.RolePacketMagic),
		{Name: "uuid", Class: &schema.Array{Element: t.integer(1, false, 10), Length: 16, Role: schema.RoleUUID}},
		role("stream_id", 4, schema.RoleStreamClassID),
		role("stream_instance_id", 8, schema.RoleStreamInstanceID),
	}}
	s := &schema.Stream{ID: t.opts.StreamID, Trace: t.trace, Clock: t.opts.Clock}
	s.PacketContext = &schema.Struct{Members: []schema.Member{
		clocked("timestamp_begin", 8, schema.RoleTimestampBegin),
		clocked("timestamp_end", 8, schema.RoleTimestampEnd),
		role("content_size", 8, schema.RoleContentSize),
		role("packet_size", 8, schema.RolePacketSize),
		role("packet_seq_num", 8, schema.RolePacketNumber),
		role("events_discarded", 8, schema.RoleEventsDiscarded),
		role("cpu_id", 4, schema.RoleNone),
	}}
	id := role("id", 2, schema.RoleEventClassID)
	compact, extended := []schema.Range{{Low: 0, High: maxEvents - 1}}, []schema.Range{{Low: extendedID, High: extendedID}}
	id.Class.(*schema.Integer).Mappings = []schema.Mapping{{Label: "compact", Ranges: compact}, {Label: "extended", Ranges: extended}}
	s.EventHeader = &schema.Struct{MinAlign: 8, Members: []schema.Member{id, {Name: "v", Class: &schema.Variant{
		Tag: &schema.Ref{Scope: schema.EventHeader, Path: []string{"id"}},
		Options: []schema.Option{
			{Name: "compact", Ranges: compact, Class: &schema.Struct{Members: []schema.Member{
				clocked("timestamp", 4, schema.RoleTimestamp),
			}}},
			{Name: "extended", Ranges: extended, Class: &schema.Struct{Members: []schema.Member{
				role("id", 4, schema.RoleEventClassID),
				clocked("timestamp", 8, schema.RoleTimestamp),
			}}},
		},
	}}}}
	members := []schema.Member{
		field("tid", t.integer(4, true, 10)),
		field("common_flags", t.integer(1, false, 16)),
		field("common_preempt_count", t.integer(1, false, 10)),
	}
	for _, c := range t.opts.Contexts {
		members = t.contextMembers(members, c)
	}
	s.EventContext = &schema.Struct{Members: members}
	t.trace.Streams = []*schema.Stream{s}
	t.stream = s
}

// Options returns what the table was made with, defaults filled in.
func (t *Table) Options() Options {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.opts
	clock := *o.Clock
	o.Clock = &clock
	return o
}

// Declare declares an event of the kernel and returns its id in the trace: the
// next one, or that which it has already. An event whose fields have changed, as
// after a module was replaced, gets another.
func (t *Table) Declare(f *ftrace.Format) (id uint32, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, p, err := t.declare(f)
	if err != nil {
		return 0, err
	}
	t.publish([]*plan{p}, []uint16{f.ID})
	return id, nil
}

func (t *Table) declare(f *ftrace.Format) (uint32, *plan, error) {
	key := f.System + ":" + f.Name
	if id, ok := t.ids[key]; ok {
		if old := t.formats[int(id)-t.own]; reflect.DeepEqual(old.Fields, f.Fields) {
			return id, t.planFor(f, id), nil
		}
	}
	id := uint32(len(t.stream.Events))
	if id >= maxEvents {
		return 0, nil, fmt.Errorf("event %s: the channel has %d types of events already", key, id)
	}
	p, payload := t.compile(f)
	p.id = id
	name := t.opts.Naming.EventName(f.System, f.Name)
	e := &schema.Event{ID: uint64(id), Name: name, HasName: true, LogLevel: schema.NoLogLevel, Payload: payload}
	e.Stream = t.stream
	if _, err := tsdl.AppendEvent(nil, e); err != nil {
		return 0, nil, fmt.Errorf("event %s: %w", key, err)
	}
	t.stream.AddEvent(e)
	t.formats = append(t.formats, f)
	t.ids[key] = id
	return id, p, nil
}

// planFor is the plan of a declared event, compiled again as the kernel's id may
// be another.
func (t *Table) planFor(f *ftrace.Format, id uint32) *plan {
	p, _ := t.compile(f)
	p.id = id
	return p
}

// publish makes plans visible to converters.
func (t *Table) publish(plans []*plan, kernelIDs []uint16) {
	old := *t.plans.Load()
	size := len(old)
	for _, k := range kernelIDs {
		size = max(size, int(k)+1)
	}
	next := make([]*plan, size)
	copy(next, old)
	for i, p := range plans {
		next[kernelIDs[i]] = p
	}
	t.plans.Store(&next)
}

// Len is the number of events that the kernel's ids have been given for.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.formats)
}

// Format returns the declaration of the kernel's event with an id in the trace.
func (t *Table) Format(id uint32) (*ftrace.Format, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := int(id) - t.own
	if i < 0 || i >= len(t.formats) {
		return nil, false
	}
	return t.formats[i], true
}

// Metadata returns the text of what was declared since the last call; the first
// begins with the trace, its clock and the stream class. It has to be in the
// trace before the events that it declares.
func (t *Table) Metadata() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b []byte
	if !t.begun {
		t.begun = true
		b = t.preamble()
	}
	for _, e := range t.stream.Events[t.declared:] {
		b = must(tsdl.AppendEvent(b, e))
	}
	t.declared = len(t.stream.Events)
	return b
}

// FullMetadata returns the text of all that was declared, as a new chunk of the
// trace begins with. It does not count as a call of Metadata. A new clock, nil
// for the one that there is, has an offset that was measured again.
func (t *Table) FullMetadata(clock *schema.Clock) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if clock != nil {
		t.opts.Clock.OffsetSeconds, t.opts.Clock.OffsetCycles = clock.OffsetSeconds, clock.OffsetCycles
	}
	b := t.preamble()
	for _, e := range t.stream.Events {
		b = must(tsdl.AppendEvent(b, e))
	}
	return b
}

func (t *Table) preamble() []byte {
	var b []byte
	if !t.opts.StreamOnly {
		b = must(tsdl.AppendTrace(b, t.trace))
	}
	return must(tsdl.AppendStream(b, t.stream))
}

// must is for texts of what has been rendered before.
func must(b []byte, err error) []byte {
	if err != nil {
		panic("kerneltrace: metadata of a checked declaration: " + err.Error())
	}
	return b
}
