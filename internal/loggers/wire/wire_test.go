// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// message is one with its reader, which tells what it has read.
type message struct {
	name  string
	bytes []byte
	want  any
	read  func([]byte) (any, error)
}

// command reads a command with what follows it.
func command(b []byte) (any, error) {
	h, err := ParseHeader(b[:min(len(b), HeaderLen)])
	if err != nil {
		return nil, err
	}
	body := b[HeaderLen:]
	if uint64(len(body)) != h.Len {
		return nil, fmt.Errorf("%d bytes follow, want %d", len(body), h.Len)
	}
	switch h.Op {
	case OpEnable:
		return again(ParseRule(body))
	case OpDisable:
		return again(ParseName(body))
	case OpAddContext, OpRemoveContext:
		return again(ParseContext(body))
	}
	return h.Op, nil
}

func again[T any](v T, err error) (any, error) { return v, err }

// list reads the answer to OpList.
func list(b []byte) (any, error) {
	s, err := ParseStatus(b[:min(len(b), StatusLen)])
	if err != nil {
		return nil, err
	}
	b = b[StatusLen:]
	if s != OK {
		return nil, s
	}
	l, err := ParseList(b[:min(len(b), ListLen)])
	if err != nil {
		return nil, err
	}
	return again(l.ParseNames(b[ListLen:]))
}

func messages() []message {
	reg := Registration{Python, 77, 2, 0}
	rule := Rule{Name: "app.*", Level: -3, LevelType: LevelRange, Filter: `logger_name == "app.*"`}
	all := Rule{Name: "*"}
	context := Context{"provider", "c"}
	return []message{
		{"registration", reg.Append(nil), reg, func(b []byte) (any, error) { return again(ParseRegistration(b)) }},
		{"status", []byte{0, 0, 0, 3}, UnknownLogger, func(b []byte) (any, error) { return again(ParseStatus(b)) }},
		{"list", AppendPlain(nil, OpList), OpList, command},
		{"done", AppendPlain(nil, OpDone), OpDone, command},
		{"enable", AppendEnable(nil, &rule), rule, command},
		{"enable all", AppendEnable(nil, &all), all, command},
		{"disable", AppendDisable(nil, "app.one"), "app.one", command},
		{"context", AppendContext(nil, OpAddContext, context), context, command},
		{"names", AppendList(nil, OK, []string{"a", "", "b.c"}), []string{"a", "", "b.c"}, list},
		{"no names", AppendList(nil, OK, nil), []string{}, list},
	}
}

// TestMessages reads each message as it was written; cut at any byte, or with one too
// many, it is refused.
func TestMessages(t *testing.T) {
	for _, m := range messages() {
		if got, err := m.read(m.bytes); err != nil || !reflect.DeepEqual(got, m.want) {
			t.Errorf("%s: %+v, %v; want %+v", m.name, got, err, m.want)
		}
		for n := range len(m.bytes) {
			if got, err := m.read(m.bytes[:n]); err == nil {
				t.Errorf("%s: cut after %d bytes: %+v", m.name, n, got)
			}
		}
		if got, err := m.read(append(bytes.Clone(m.bytes), 0)); err == nil {
			t.Errorf("%s: with a byte behind it: %+v", m.name, got)
		}
	}
}

// TestEnableAsSessiond writes what LTTng's session daemon 2.13.9 sends.
func TestEnableAsSessiond(t *testing.T) {
	want := "\x00\x00\x00\x00\x00\x00\x01\x21\x00\x00\x00\x02\x00\x00\x00\x00" +
		"\x80\x00\x00\x00\x00\x00\x00\x00c.*" + strings.Repeat("\x00", NameLen-3) + "\x00\x00\x00\x15logger_name == \"c.*\"\x00"
	got := AppendEnable(nil, &Rule{Name: "c.*", Level: -1 << 31, Filter: `logger_name == "c.*"`})
	if string(got) != want {
		t.Errorf("%q, want\n%q", got, want)
	}
}

// TestRefused has members refused that cannot be.
func TestRefused(t *testing.T) {
	number := func(b []byte, at int, v uint32) []byte {
		b = bytes.Clone(b)
		be.PutUint32(b[at:], v)
		return b
	}
	reg := Registration{JUL, 1, 2, 5}
	rule := AppendEnable(nil, &Rule{Name: "a", Filter: "x"})
	names := AppendList(nil, OK, []string{"ab", "c"})
	for name, err := range map[string]error{
		"domain 2":      errorOf(ParseRegistration(number(reg.Append(nil), 0, 2))),
		"domain 6":      errorOf(ParseRegistration(number(reg.Append(nil), 0, 6))),
		"process 0":     errorOf(ParseRegistration(number(reg.Append(nil), 4, 0))),
		"process -1":    errorOf(ParseRegistration(number(reg.Append(nil), 4, 1<<32-1))),
		"version 1":     errorOf(ParseRegistration(number(reg.Append(nil), 8, 1))),
		"status 0":      errorOf(ParseStatus(make([]byte, 4))),
		"status 4":      errorOf(ParseStatus([]byte{0, 0, 0, 4})),
		"length":        errorOf(command(number(rule, 0, 1))),
		"command 0":     errorOf(command(number(rule, 8, 0))),
		"command 7":     errorOf(command(number(rule, 8, 7))),
		"level type":    errorOf(command(number(rule, HeaderLen+4, 3))),
		"filter length": errorOf(command(number(rule, HeaderLen+8+NameLen, 1))),
		"name":          errorOf(ParseName(bytes.Repeat([]byte{'a'}, NameLen))),
		"context":       errorOf(ParseContext([]byte{0xff, 0xff, 0xff, 0xff})),
		"list length":   errorOf(list(number(names, 4, MaxListBytes+1))),
		"list count":    errorOf(list(number(names, 8, MaxLoggers+1))),
		"more names":    errorOf(list(number(names, 8, 1))),
		"fewer names":   errorOf(list(number(names, 8, 3))),
		"no end":        errorOf(List{2, 1}.ParseNames([]byte("ab"))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

// FuzzMessages reads anything as any message: what is read is written as it was.
func FuzzMessages(f *testing.F) {
	for _, m := range messages() {
		f.Add(m.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseRegistration(b); err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Errorf("registration %+v of %x", r, b)
		}
		if names, err := list(b); err == nil {
			if out := AppendList(nil, OK, names.([]string)); !bytes.Equal(out, b) {
				t.Errorf("list %q of %x", names, b)
			}
		}
		if len(b) < HeaderLen {
			return
		}
		switch v, err := command(b); v := v.(type) {
		case Rule:
			if w, _ := command(AppendEnable(nil, &v)); err == nil && w != v {
				t.Errorf("rule %+v is read again as %+v", v, w)
			}
		case Context:
			if w, _ := command(AppendContext(nil, OpAddContext, v)); err == nil && w != v {
				t.Errorf("context %+v is read again as %+v", v, w)
			}
		}
	})
}
