// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// message is one kind of message: how its bytes are read, and written again.
type message struct {
	name  string
	size  int // with all that varies
	bytes []byte
	again func([]byte) ([]byte, error)
}

// again makes one of a parser whose result appends itself.
func again[T any, P interface {
	*T
	Append([]byte) []byte
}](parse func([]byte) (T, error)) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		m, err := parse(b)
		if err != nil {
			return nil, err
		}
		return P(&m).Append(nil), nil
	}
}

// noticeAgain is again of a message that begins with the number of the notice.
func noticeAgain[T any, P interface {
	*T
	Append([]byte) []byte
}](n Notice, parse func([]byte) (T, error)) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		if len(b) < NoticeLen {
			_, err := ParseNotice(b)
			return nil, err
		}
		got, err := ParseNotice(b[:NoticeLen])
		if err != nil {
			return nil, err
		}
		if got != n {
			return nil, errors.New("another notice")
		}
		return again[T, P](parse)(b[NoticeLen:])
	}
}

func messages() []message {
	reg := NewRegistration(NotifySocket)
	reg.PID, reg.PPID, reg.UID, reg.GID, reg.Name = 7, 6, 1000, 100, "a program"
	body := (&Event{Pattern: "app:*", LevelType: LevelRange, Level: 6, Token: 9}).Append(nil)
	command := Command{Handle: 3, Op: OpEvent, Body: body}
	reply := Reply{Handle: 3, Op: OpEvent, Value: 5, Body: Version{2, 13, 5}.Append(nil)}
	event := EventNotice{Session: 1, Channel: 2, Name: "app:tick", Level: 13, SignatureLen: 5, FieldsLen: 2 * FieldLen, URILen: 1}
	enum := EnumNotice{Session: 1, Name: "color", EntriesLen: EnumEntryLen}
	entry := EnumEntry{Start: EnumValue{1, true}, End: EnumValue{4, true}, Label: "RED", Auto: true}
	channel := ChannelNotice{1, 2, FieldLen}
	info := FieldInfo{"app:tick", "n", ListInteger, 13, true}
	all := []message{
		{"registration", RegistrationLen, reg.Append(nil), again(ParseRegistration)},
		{"command", CommandLen, command.Append(nil), again(ParseCommand)},
		{"reply", ReplyLen, reply.Append(nil), again(ParseReply)},
		{"field info", FieldInfoLen, info.Append(nil), again(ParseFieldInfo)},
		{"event", NoticeLen + EventNoticeLen, event.Append(nil), noticeAgain(NoticeEvent, ParseEventNotice)},
		{"channel", NoticeLen + ChannelNoticeLen, channel.Append(nil), noticeAgain(NoticeChannel, ParseChannelNotice)},
		{"enum", NoticeLen + EnumNoticeLen, enum.Append(nil), noticeAgain(NoticeEnum, ParseEnumNotice)},
		{"event answer", EventAnswerLen, (&EventAnswer{-22, 4}).Append(nil), again(ParseEventAnswer)},
		{"channel answer", ChannelAnswerLen, (&ChannelAnswer{0, 4, LargeHeader}).Append(nil), again(ParseChannelAnswer)},
		{"enum answer", EnumAnswerLen, (&EnumAnswer{0, 1 << 40}).Append(nil), again(ParseEnumAnswer)},
		{"entry", EnumEntryLen, entry.Append(nil), func(b []byte) (out []byte, err error) {
			if len(b) == 0 {
				return nil, errors.New("none")
			}
			all, err := ParseEnumEntries(b)
			for i := range all {
				out = all[i].Append(out)
			}
			return out, err
		}},
	}
	for _, f := range fields() {
		all = append(all, message{"field " + f.Name, FieldLen, f.Append(nil), again(ParseField)})
	}
	return all
}

func fields() []Field {
	return []Field{
		{Name: "integer", Kind: Integer, Bits: 32, Signed: true, Swapped: true, Base: 16, Encoding: ASCII, Align: 8},
		{Name: "string", Kind: String, Encoding: UTF8},
		{Name: "float", Kind: Float, Exponent: 11, Mantissa: 53, Align: 8},
		{Name: "enum", Kind: Enum, Enum: "color", EnumID: 77},
		{Name: "array", Kind: Array, Length: 4, Align: 8},
		{Name: "sequence", Kind: Sequence, Ref: "_sequence_length", Align: 8},
		{Name: "struct", Kind: Struct, Length: 2, Align: 8},
		{Name: "variant", Kind: Variant, Length: 2, Ref: "tag", Align: 8},
		{Name: "old struct", Kind: OldStruct, Length: 2},
		{Name: "old variant", Kind: OldVariant, Length: 2, Ref: "tag"},
	}
}

// A message is read as it was written, has the size that the protocol says, and is
// refused when it is cut at any byte or has one too many.
func TestMessages(t *testing.T) {
	for _, m := range messages() {
		if len(m.bytes) != m.size {
			t.Errorf("%s: %d bytes, want %d", m.name, len(m.bytes), m.size)
		}
		if got, err := m.again(m.bytes); err != nil || !bytes.Equal(got, m.bytes) {
			t.Errorf("%s: read and written: %x, %v; want %x", m.name, got, err, m.bytes)
		}
		for n := range len(m.bytes) {
			if _, err := m.again(m.bytes[:n]); err == nil {
				t.Errorf("%s: cut after %d bytes: no error", m.name, n)
			}
		}
		if _, err := m.again(append(bytes.Clone(m.bytes), 0)); err == nil {
			t.Errorf("%s: with a byte behind it: no error", m.name)
		}
	}
}

// Bodies of commands are read as they were written, and refused when they are cut.
func TestBodies(t *testing.T) {
	check := func(name string, want any, b []byte, parse func([]byte) (any, error)) {
		t.Helper()
		if got, err := parse(b); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
		for n := range len(b) {
			if _, err := parse(b[:n]); err == nil {
				t.Errorf("%s: cut after %d bytes: no error", name, n)
			}
		}
	}
	v := Version{2, 13, 5}
	check("version", v, v.Append(nil), func(b []byte) (any, error) { return ParseVersion(b) })
	tp := Tracepoint{"app:tick", 13}
	check("tracepoint", tp, tp.Append(nil), func(b []byte) (any, error) { return ParseTracepoint(b) })
	ch := Channel{888, 0}
	check("channel", ch, ch.Append(nil), func(b []byte) (any, error) { return ParseChannel(b) })
	st := Stream{1 << 20, 3}
	check("stream", st, st.Append(nil), func(b []byte) (any, error) { return ParseStream(b) })
	ev := Event{"app:*", LevelSingle, 6, 1 << 40}
	check("event", ev, ev.Append(nil), func(b []byte) (any, error) { return ParseEvent(b) })
	x := Exclusion{2}
	check("exclusion", x, x.Append(nil), func(b []byte) (any, error) { return ParseExclusion(b) })
	f := Filter{100, 60, 1}
	check("filter", f, f.Append(nil), func(b []byte) (any, error) { return ParseFilter(b) })
	c := Context{4}
	check("context", c, c.Append(nil), func(b []byte) (any, error) { return ParseContext(b) })
	names, err := ParseNames(AppendNames(nil, []string{"a:b", "c:*"}))
	if err != nil || !reflect.DeepEqual(names, []string{"a:b", "c:*"}) {
		t.Errorf("names: %q, %v", names, err)
	}
}

// What varies after the declaration of an event is read by its lengths.
func TestEventRest(t *testing.T) {
	all := fields()
	e := EventNotice{Name: "app:tick", SignatureLen: 6, FieldsLen: uint32(len(all)) * FieldLen, URILen: 4}
	b := append(AppendFields([]byte("int n\x00"), all), "uri\x00"...)
	signature, got, uri, err := e.ParseRest(b)
	if err != nil || signature != "int n" || uri != "uri" || !reflect.DeepEqual(got, all) {
		t.Errorf("ParseRest = %q, %+v, %q, %v", signature, got, uri, err)
	}
	if _, _, _, err := e.ParseRest(b[1:]); err == nil {
		t.Error("a byte less: no error")
	}
}

// What a program must not say is refused with the place of it.
func TestRefused(t *testing.T) {
	long := bytes.Repeat([]byte{'a'}, NameLen)
	at := func(b []byte, offset int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[offset:], v)
		return b
	}
	reg := NewRegistration(0)
	ev := (&EventNotice{Name: "a:b"}).Append(nil)[NoticeLen:]
	for _, c := range []struct {
		name   string
		offset int
		parse  func() error
	}{
		{"magic", 0, func() error { _, err := ParseRegistration(at(reg.Append(nil), 0, 0)); return err }},
		{"socket", 52, func() error { _, err := ParseRegistration(at(reg.Append(nil), 52, 2)); return err }},
		{"process name", 56, func() error { _, err := ParseRegistration(at(reg.Append(nil), 56, long[:16]...)); return err }},
		{"event name", 8, func() error { _, err := ParseEventNotice(at(ev, 8, long...)); return err }},
		{"signature", 268, func() error { _, err := ParseEventNotice(at(ev, 268, 0, 0, 0, 0xff)); return err }},
		{"fields", 272, func() error { _, err := ParseEventNotice(at(ev, 272, 1)); return err }},
		{"address", 276, func() error { _, err := ParseEventNotice(at(ev, 276, 0, 0, 0, 0xff)); return err }},
		{"type", NameLen, func() error { _, err := ParseField(at(make([]byte, FieldLen), NameLen, 3)); return err }},
		{"notice", 0, func() error { _, err := ParseNotice([]byte{3, 0, 0, 0}); return err }},
	} {
		var e *Error
		if err := c.parse(); !errors.As(err, &e) || e.Offset != c.offset {
			t.Errorf("%s: error %v, want one at offset %d", c.name, err, c.offset)
		}
	}
	for _, c := range []func(*Registration){
		func(r *Registration) { r.Major = 8 },
		func(r *Registration) { r.Major = 11 },
		func(r *Registration) { r.LongBits = 32 },
		func(r *Registration) { r.Align[3] = 64 },
	} {
		r := NewRegistration(0)
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
		if c(&r); r.Check() == nil {
			t.Errorf("registration %+v is taken", r)
		}
	}
}

// A reply is that to a command, and tells of errors.
func TestAnswers(t *testing.T) {
	c := Command{Handle: 3, Op: OpEnable}
	for _, r := range []Reply{{Handle: 4, Op: OpEnable}, {Handle: 3, Op: OpDisable}, {Handle: 3, Op: OpEnable, Code: 5}, {Handle: 3, Op: OpEnable, Code: -3}} {
		var e *Error
		if err := r.Answers(&c); !errors.As(err, &e) {
			t.Errorf("reply %+v: %v, want an *Error", r, err)
		}
	}
	if err := (&Reply{Handle: 3, Op: OpEnable}).Answers(&c); err != nil {
		t.Error(err)
	}
	if err := (&Reply{Handle: 3, Op: OpEnable, Code: CodeExists}).Answers(&c); !errors.Is(err, CodeExists) {
		t.Errorf("reply of an error: %v", err)
	}
}

// Each context has a name of its own.
func TestContexts(t *testing.T) {
	for _, name := range ContextNames() {
		if c, ok := ParseContextName(name); !ok || c.String() != name {
			t.Errorf("context %s: %v, %v", name, c, ok)
		}
	}
	if _, ok := ParseContextName("nothing"); ok {
		t.Error("a context of no name is known")
	}
}

// Whatever a peer sends, what is taken is written again as something that is read
// the same.
func FuzzMessages(f *testing.F) {
	kinds := messages()
	for i, m := range kinds {
		f.Add(uint8(i), m.bytes)
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		m := kinds[int(kind)%len(kinds)]
		once, err := m.again(b)
		if err != nil {
			return
		}
		if twice, err := m.again(once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s: %x, then %x, %v", m.name, once, twice, err)
		}
	})
}
