// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// Version is that of a program's tracer.
type Version struct{ Major, Minor, Patch uint32 }

// Append appends it, as the body of a reply.
func (v Version) Append(b []byte) []byte {
	for _, n := range [...]uint32{v.Major, v.Minor, v.Patch} {
		b = le.AppendUint32(b, n)
	}
	return b
}

// ParseVersion reads the body of a reply.
func ParseVersion(b []byte) (Version, error) {
	if len(b) < 12 {
		return Version{}, short("version", len(b), 12)
	}
	return Version{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])}, nil
}

// Tracepoint is an event that a program has.
type Tracepoint struct {
	Name  string
	Level int32
}

// Append appends it, as the body of a reply.
func (t *Tracepoint) Append(b []byte) []byte {
	return le.AppendUint32(appendText(b, t.Name, NameLen), uint32(t.Level))
}

// ParseTracepoint reads the body of a reply.
func ParseTracepoint(b []byte) (t Tracepoint, err error) {
	if len(b) < NameLen+4 {
		return t, short("tracepoint", len(b), NameLen+4)
	}
	t.Name, err = text("tracepoint", b, 0, NameLen)
	t.Level = int32(le.Uint32(b[NameLen:]))
	return t, err
}

// FieldInfoLen is the size of what follows the reply to OpFieldGet.
const FieldInfoLen = 808

// Kinds of fields in lists.
const (
	ListOther   = 0
	ListInteger = 1
	ListEnum    = 2
	ListFloat   = 3
	ListString  = 4
)

// FieldInfo is a field in a list.
type FieldInfo struct {
	Event, Name string
	Kind, Level int32
	NotWritten  bool
}

// Append appends the message.
func (f *FieldInfo) Append(b []byte) []byte {
	b = appendText(b, f.Event, NameLen)
	b = appendText(b, f.Name, NameLen)
	b = le.AppendUint32(b, uint32(f.Kind))
	b = le.AppendUint32(b, uint32(f.Level))
	n := uint32(0)
	if f.NotWritten {
		n = 1
	}
	return appendPad(le.AppendUint32(b, n), FieldInfoLen-2*NameLen-12)
}

// ParseFieldInfo reads the message.
func ParseFieldInfo(b []byte) (f FieldInfo, err error) {
	const what = "field of a list"
	if len(b) != FieldInfoLen {
		return f, short(what, len(b), FieldInfoLen)
	}
	if f.Event, err = text(what, b, 0, NameLen); err != nil {
		return f, err
	}
	if f.Name, err = text(what, b, NameLen, NameLen); err != nil {
		return f, err
	}
	rest := b[2*NameLen:]
	f.Kind, f.Level, f.NotWritten = int32(le.Uint32(rest)), int32(le.Uint32(rest[4:])), le.Uint32(rest[8:]) != 0
	return f, nil
}

// MaxChannelLen bounds a channel object.
const MaxChannelLen = 1 << 20

// Channel says how long the channel object is that follows.
type Channel struct {
	Len  uint64
	Type int32 // 0: of the processors
}

// Append appends it, as the body of a command.
func (c *Channel) Append(b []byte) []byte {
	return le.AppendUint32(le.AppendUint64(b, c.Len), uint32(c.Type))
}

// ParseChannel reads the body of a command.
func ParseChannel(b []byte) (Channel, error) {
	if len(b) < 12 {
		return Channel{}, short("channel", len(b), 12)
	}
	c := Channel{le.Uint64(b), int32(le.Uint32(b[8:]))}
	if c.Len > MaxChannelLen {
		return c, &Error{"channel", 0, c.Len, fmt.Sprintf("at most %d bytes", MaxChannelLen)}
	}
	return c, nil
}

// Stream is the memory of a ring.
type Stream struct {
	Len    uint64
	Number uint32 // from 0, in this order
}

// Append appends it, as the body of a command.
func (s *Stream) Append(b []byte) []byte {
	return le.AppendUint32(le.AppendUint64(b, s.Len), s.Number)
}

// ParseStream reads the body of a command.
func ParseStream(b []byte) (Stream, error) {
	if len(b) < 12 {
		return Stream{}, short("stream", len(b), 12)
	}
	return Stream{le.Uint64(b), le.Uint32(b[8:])}, nil
}

// How an event's level is compared.
const (
	LevelAll    = 0
	LevelRange  = 1 // that and more severe ones, which are smaller
	LevelSingle = 2
)

// Event is a rule.
type Event struct {
	Pattern   string
	LevelType int32
	Level     int32 // -1: any
	Token     uint64
}

// Append appends it, as the body of a command.
func (e *Event) Append(b []byte) []byte {
	b = le.AppendUint32(b, 0) // tracepoints
	b = appendText(b, e.Pattern, NameLen)
	b = le.AppendUint32(b, uint32(e.LevelType))
	b = le.AppendUint32(b, uint32(e.Level))
	return le.AppendUint64(b, e.Token)
}

// ParseEvent reads the body of a command.
func ParseEvent(b []byte) (e Event, err error) {
	const n = 4 + NameLen + 16
	if len(b) < n {
		return e, short("event", len(b), n)
	}
	if kind := le.Uint32(b); kind != 0 {
		return e, &Error{"event", 0, kind, "instrumentation 0"}
	}
	e.LevelType, e.Level, e.Token = int32(le.Uint32(b[260:])), int32(le.Uint32(b[264:])), le.Uint64(b[268:])
	e.Pattern, err = text("event", b, 4, NameLen)
	return e, err
}

// MaxExclusions bounds the names that a rule leaves out.
const MaxExclusions = 1024

// Exclusion says how many names of NameLen bytes follow.
type Exclusion struct{ Count uint32 }

// Append appends it, as the body of a command.
func (x *Exclusion) Append(b []byte) []byte { return le.AppendUint32(b, x.Count) }

// AppendNames appends what follows the command.
func AppendNames(b []byte, names []string) []byte {
	for _, n := range names {
		b = appendText(b, n, NameLen)
	}
	return b
}

// ParseExclusion reads the body of a command.
func ParseExclusion(b []byte) (Exclusion, error) {
	if len(b) < 4 {
		return Exclusion{}, short("exclusion", len(b), 4)
	}
	x := Exclusion{le.Uint32(b)}
	if x.Count > MaxExclusions {
		return x, &Error{"exclusion", 0, x.Count, fmt.Sprintf("at most %d names", MaxExclusions)}
	}
	return x, nil
}

// ParseNames reads what follows the command.
func ParseNames(b []byte) (names []string, err error) {
	if len(b)%NameLen != 0 {
		return nil, &Error{"exclusion", 0, len(b), fmt.Sprintf("names of %d bytes", NameLen)}
	}
	for at := 0; at < len(b); at += NameLen {
		n, err := text("exclusion", b, at, NameLen)
		if err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, nil
}

// MaxFilterLen bounds the bytecode of a filter.
const MaxFilterLen = 65536

// Filter says how long the bytecode is that follows.
type Filter struct {
	Len, Relocations uint32
	Sequence         uint64
}

// Append appends it, as the body of a command.
func (f *Filter) Append(b []byte) []byte {
	return le.AppendUint64(le.AppendUint32(le.AppendUint32(b, f.Len), f.Relocations), f.Sequence)
}

// ParseFilter reads the body of a command.
func ParseFilter(b []byte) (Filter, error) {
	if len(b) < 16 {
		return Filter{}, short("filter", len(b), 16)
	}
	f := Filter{le.Uint32(b), le.Uint32(b[4:]), le.Uint64(b[8:])}
	if f.Len > MaxFilterLen || f.Relocations > f.Len {
		return f, &Error{"filter", 0, fmt.Sprintf("%d bytes, relocations at %d", f.Len, f.Relocations), fmt.Sprintf("at most %d", MaxFilterLen)}
	}
	return f, nil
}

// Context is something that all events of a channel tell.
type Context struct{ Type ContextType }

// ContextType is one of the contexts that a program knows.
type ContextType int32

// contextNames are LTTng's names.
var contextNames = map[ContextType]string{
	0: "vtid", 1: "vpid", 2: "pthread_id", 3: "procname", 4: "ip", 6: "cpu_id",
	8: "cgroup_ns", 9: "ipc_ns", 10: "mnt_ns", 11: "net_ns", 12: "pid_ns", 13: "user_ns", 14: "uts_ns",
	15: "vuid", 16: "veuid", 17: "vsuid", 18: "vgid", 19: "vegid", 20: "vsgid", 21: "time_ns",
}

// String is LTTng's name of it.
func (t ContextType) String() string {
	if n, ok := contextNames[t]; ok {
		return n
	}
	return fmt.Sprintf("context %d", int32(t))
}

// ParseContextName finds a context by LTTng's name.
func ParseContextName(name string) (ContextType, bool) {
	for t, n := range contextNames {
		if n == name {
			return t, true
		}
	}
	return 0, false
}

// ContextNames lists the names by their numbers.
func ContextNames() (names []string) {
	for t := ContextType(0); t <= 21; t++ {
		if n, ok := contextNames[t]; ok {
			names = append(names, n)
		}
	}
	return names
}

// Append appends it, as the body of a command.
func (c *Context) Append(b []byte) []byte { return le.AppendUint32(b, uint32(c.Type)) }

// ParseContext reads the body of a command.
func ParseContext(b []byte) (Context, error) {
	if len(b) < 4 {
		return Context{}, short("context", len(b), 4)
	}
	return Context{ContextType(le.Uint32(b))}, nil
}
