// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kernelfilter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/filter"
	"github.com/weir-io/weir/internal/kernel/ftrace"
	"github.com/weir-io/weir/internal/kerneltrace"
	"pgregory.net/rapid"
)

// draw makes random things.
type draw struct{ *rapid.T }

var (
	words = []uint64{
		0, 1, 2, 3, 4, 5, 99, 100, 101, 120, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 1<<31 - 1, 1 << 31, 1<<32 - 100, 1<<32 - 1, 1 << 32,
		1<<63 - 1, 1 << 63, math.MaxUint64 - 99, math.MaxUint64 - 1, math.MaxUint64, 0xdeadbeef00000003, 0x12345678ffffff9c,
	}
	samples  = []string{"", "a", "ab", "abc", "aab", "abab", "b", "1", "!a", "a?", "a[b]", `a\b`, "a*b", `"`, "'", `'"`, "0123456789abcde", "\xff\x80"}
	patterns = []string{
		`""`, `"a"`, `"ab"`, `"a*"`, `"*b"`, `"*b*"`, `"*"`, `"a*b"`, `"*a*b*"`, `"ab*ab"`, `"!a"`, `"!*"`, `"1"`, `"1*"`, `"a?"`, `"a?*"`, `"a[b]*"`,
		`"a\\b"`, `"a\\*"`, `"a\*b"`, `"a\**"`, `"*\*"`, `'"'`, `"'"`, `'"*'`, `"*'*"`, `"0123456789abcde"`, `"0123456789abcdef*"`, `"0123456789abcdefg"`, `"abcdefgh*"`,
		"\"\xff*\"", `"` + strings.Repeat("x", 300) + `"`, `"` + strings.Repeat("x", 300) + `*"`,
	}
)

func (d draw) word() uint64 {
	if rapid.IntRange(0, 3).Draw(d.T, "any") == 0 {
		return rapid.Uint64().Draw(d.T, "word")
	}
	return rapid.SampledFrom(words).Draw(d.T, "word")
}

// event makes a record of an event, as the kernel does, and what is in it.
func (d draw) event(f *ftrace.Format) ([]byte, facts) {
	size := recordHead
	for _, field := range f.Fields {
		size = max(size, field.End())
	}
	b, m := make([]byte, size), facts{}
	for i := range b {
		b[i] = byte(rapid.IntRange(0, 255).Draw(d.T, "filler"))
	}
	binary.NativeEndian.PutUint16(b, f.ID)
	tid := int32(d.word())
	binary.NativeEndian.PutUint32(b[4:], uint32(tid))
	m["$ctx.tid"] = int64(tid)
	is := func(b bool) int64 { return int64(truth(b)) }
	m["$ctx.interruptible"], m["$ctx.need_reschedule"] = is(b[2]&1 == 0), is(b[2]&4 != 0)
	m["$ctx.preemptible"], m["$ctx.migratable"] = is(b[3]&0x0f == 0), is(b[3]&0xf0 == 0)
	for i := range f.Fields {
		b = d.field(f, &f.Fields[i], b, m)
	}
	for i := range f.Fields {
		if tail := &f.Fields[i]; tail.Kind == ftrace.Open {
			for j := range min(3, len(b)-tail.Offset) {
				m[fmt.Sprintf("%s[%d]", tail.Name, j)] = int64(b[tail.Offset+j])
			}
		}
	}
	return b, m
}

// field makes a field's value.
func (d draw) field(f *ftrace.Format, field *ftrace.Field, b []byte, m facts) []byte {
	name, add := kerneltrace.LTTng.FieldName(f.System, f.Name, field.Name)
	switch {
	case field.Kind == ftrace.Plain:
		size, signed := field.Size, field.Signed
		w := d.word()
		put(b[field.Offset:field.End()], w)
		if kerneltrace.IsSyscall(f) && size == 8 && !field.IsPointer() {
			size, signed = kerneltrace.Argument(field.Type)
		}
		if add != 0 {
			m[name] = int64(int32(w) + add)
		} else {
			m[name] = extend(w, size, signed)
		}
	case field.Kind == ftrace.Array && field.IsText():
		s := rapid.SampledFrom(append([]string{"abcdefgh", "aaaaaaab", "aaaaaaab"}, samples...)).Draw(d.T, "text")
		if strings.HasSuffix(name, "comm") {
			s = s[:min(len(s), field.Size-1)]
		}
		room := b[field.Offset:field.End()]
		if n := copy(room, s); n < len(room) {
			room[n] = 0 // the rest is old
		}
		m[name] = s[:min(len(s), field.Size)]
	case field.Kind == ftrace.Array:
		for i := range field.Len {
			w, size := d.word(), field.Size/field.Len
			put(b[field.Offset+i*size:][:size], w)
			m[fmt.Sprintf("%s[%d]", name, i)] = extend(w, size, field.Signed)
		}
	case field.Kind != ftrace.Open:
		var data []byte
		switch {
		case field.IsText() && field.Name == "bytes":
			data = rapid.SliceOfN(rapid.SampledFrom([]byte("ab\x00")), 0, 4).Draw(d.T, "bytes")
			text, _, _ := bytes.Cut(data, []byte{0})
			m[name] = string(text)
		case field.IsText():
			s := rapid.SampledFrom(samples).Draw(d.T, "text")
			data = append([]byte(s), 0)
			m[name] = s
		default:
			size := field.ElementSize(long)
			for i := range rapid.IntRange(0, 2).Draw(d.T, "elements") {
				w := d.word()
				data = append(data, make([]byte, size)...)
				put(data[i*size:], w)
				m[fmt.Sprintf("%s[%d]", name, i)] = extend(w, size, field.Signed)
			}
		}
		at := len(b)
		if field.Kind == ftrace.RelLoc {
			at -= field.Offset + 4
		}
		binary.NativeEndian.PutUint32(b[field.Offset:], uint32(len(data))<<16|uint32(at))
		b = append(b, data...)
	}
	return b
}

func put(b []byte, w uint64) {
	var all [8]byte
	binary.LittleEndian.PutUint64(all[:], w)
	copy(b, all[:])
}

func extend(w uint64, size int, signed bool) int64 {
	unused := 64 - 8*size
	if signed {
		return int64(w<<unused) >> unused
	}
	return int64(w << unused >> unused)
}

// names returns the fields of an event, numbers and texts.
func names(f *ftrace.Format) (numbers, texts []string) {
	if f.Name == "all" {
		numbers = []string{"arr[0]", "arr[2]", "seq[0]", "seq[1]", "rseq[0]", "rseq[7]", "tail[0]", "tail[2]"}
	}
	for i := range f.Fields {
		field := &f.Fields[i]
		name, _ := kerneltrace.LTTng.FieldName(f.System, f.Name, field.Name)
		switch {
		case field.IsText():
			texts = append(texts, name)
		case field.Kind == ftrace.Plain && name != "__syscall_nr":
			numbers = append(numbers, name, name)
		}
	}
	return append(numbers, "$ctx.tid", "$ctx.interruptible", "$ctx.need_reschedule", "$ctx.preemptible", "$ctx.migratable"), texts
}

// grammar makes random expressions of fields.
type grammar struct {
	draw
	numbers, texts []string
}

func newGrammar(t *rapid.T, f *ftrace.Format) grammar {
	numbers, texts := names(f)
	return grammar{draw{t}, numbers, texts}
}

func (g grammar) constant(depth int) string {
	switch rapid.IntRange(0, 5+depth).Draw(g.T, "constant") {
	case 0:
		return "-" + fmt.Sprint(rapid.SampledFrom(words).Draw(g.T, "negative")>>1)
	case 1:
		return "~" + fmt.Sprint(rapid.SampledFrom(words).Draw(g.T, "inverse"))
	case 6:
		return "(" + g.constant(0) + rapid.SampledFrom([]string{" | ", " & ", " ^ ", " << 3 ^ ", " >> 60 | "}).Draw(g.T, "op") + g.constant(0) + ")"
	}
	return fmt.Sprint(g.word())
}

func (g grammar) number(depth int) string {
	name := rapid.SampledFrom(g.numbers).Draw(g.T, "name")
	switch rapid.IntRange(0, 9).Draw(g.T, "number") {
	case 0, 1:
		return "(" + name + " & " + g.constant(1) + ")"
	case 2:
		return "(" + g.constant(0) + " & +" + name + ")"
	case 3:
		return "(" + name + rapid.SampledFrom([]string{" ^ ", " | "}).Draw(g.T, "op") + g.constant(0) + ")"
	case 4:
		return rapid.SampledFrom([]string{"-", "~", "+"}).Draw(g.T, "op") + name
	case 5:
		if depth > 0 {
			return "(" + g.condition(depth-1) + ")"
		}
	case 6:
		return "(" + name + " >> 4)"
	}
	return name
}

func (g grammar) condition(depth int) string {
	kind := rapid.IntRange(0, 11).Draw(g.T, "condition")
	if depth == 0 {
		kind %= 7
	}
	comparison := rapid.SampledFrom([]string{" == ", " != ", " < ", " <= ", " > ", " >= "})
	switch kind {
	case 0:
		return g.number(max(0, depth-1))
	case 1, 2:
		if len(g.texts) == 0 {
			break
		}
		return rapid.SampledFrom(g.texts).Draw(g.T, "text") + rapid.SampledFrom([]string{" == ", " != "}).Draw(g.T, "op") +
			rapid.SampledFrom(patterns).Draw(g.T, "pattern")
	case 3:
		return g.constant(1) + comparison.Draw(g.T, "op") + g.number(max(0, depth-1))
	case 7:
		return "!(" + g.condition(depth-1) + ")"
	case 8, 9:
		return "(" + g.condition(depth-1) + " && " + g.condition(depth-1) + ")"
	case 10, 11:
		return "(" + g.condition(depth-1) + " || " + g.condition(depth-1) + ")"
	}
	return g.number(max(0, depth-1)) + comparison.Draw(g.T, "op") + g.constant(1)
}

// The function must say what LTTng's rules say, the kernel's filter keep no
// less, and both together just that.
func TestTranslationMeansExpression(t *testing.T) {
	for _, event := range slices.Sorted(maps.Keys(declarations)) {
		f := format(t, event)
		if f.System == "block" || strings.HasSuffix(event, "fork") {
			continue // with fields that the trace has in two ways
		}
		t.Run(f.Name, func(t *testing.T) {
			exact, weaker, nothing := 0, 0, 0
			rapid.Check(t, func(t *rapid.T) {
				text := newGrammar(t, f).condition(4)
				e, err := filter.Parse(text)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				record, m := draw{t}.event(f)
				want := m.keeps(e.Root())
				keep, err := Compile(e, f, kerneltrace.LTTng)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if got := keep(record[:len(record):len(record)]); got != want {
					t.Fatalf("%s: function says %v, want %v\nof %v", text, got, want, m)
				}
				kernel, isExact, err := Translate(e, f, kerneltrace.LTTng)
				if err != nil || len(kernel) > maxFilter {
					t.Fatalf("%s: a filter of %d bytes, %v", text, len(kernel), err)
				}
				got, err := kernelKeeps(f, kernel, record)
				if err != nil {
					t.Fatalf("%s: kernel's %s: %v", text, kernel, err)
				}
				if want && !got || isExact && got != want {
					t.Fatalf("%s: kernel's %s says %v, want %v (exact %v)\nof %v", text, kernel, got, want, isExact, m)
				}
				s, err := Source{}.Split(e, f, kerneltrace.LTTng)
				if err != nil {
					t.Fatal(err)
				}
				if both := got && (s.Keep == nil || s.Keep(record)); both != want || s.Kernel != kernel || (s.Keep == nil) != isExact {
					t.Fatalf("%s: %s and the rest say %v, want %v", text, s.Kernel, both, want)
				}
				switch {
				case isExact:
					exact++
				case kernel != "":
					weaker++
				default:
					nothing++
				}
			})
			t.Logf("%d expressions are the kernel's, %d in part, %d not", exact, weaker, nothing)
			if exact == 0 || nothing == 0 {
				t.Errorf("%d translations exact, %d none, want some of each", exact, nothing)
			}
		})
	}
}
