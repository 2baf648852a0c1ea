// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/kernel/ftrace"
)

// happened is an event, as far as both recorders say the same of it.
type happened struct {
	cpu, tid int
	name     string
}

// key is an event with the values of its fields, as a sum of them; 0 without.
type key struct {
	happened

	values uint64
}

// seed is that of all sums.
var seed = maphash.MakeSeed()

// values are those of an event's fields, in the order of its declaration, in a form
// that does not depend on how they are shown.
type values struct {
	b    []byte
	ends []int // of the fields
}

func (v *values) reset() { v.b, v.ends = v.b[:0], v.ends[:0] }

func (v *values) sum() uint64 { return maphash.Bytes(seed, v.b) }

// field is the form of one.
func (v *values) field(i int) []byte {
	from := 0
	if i > 0 {
		from = v.ends[i-1]
	}
	return v.b[from:v.ends[i]]
}

// add ends a field.
func (v *values) add(form byte, b []byte) {
	v.b = append(append(append(v.b, form), b...), ';')
	v.ends = append(v.ends, len(v.b))
}

// text appends a text up to its first zero.
func (v *values) text(s []byte) {
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	v.add('"', s)
}

// bytes appends the bytes of an array.
func (v *values) bytes(b []byte) { v.add('[', b) }

// function appends a place in the kernel's code.
func (v *values) function(name string, offset uint64) {
	v.add('f', strconv.AppendUint(append([]byte(name), '+'), offset, 16))
}

// declared is the declaration of an event, as values are read with it.
type declared struct {
	*ftrace.Format

	base     map[string]uint8 // fields that trace-cmd prints in other than decimal digits
	nameOnly map[string]bool  // that it prints as a function without an offset, as was found
}

func newDeclared(f *ftrace.Format) *declared {
	return &declared{Format: f, base: f.Display().Base, nameOnly: make(map[string]bool)}
}

// unset are fields, by event, that the kernel declares and never sets: they have what was in
// the ring before, which is another one for each recorder.
var unset = map[string][]string{"wbt_stat": {"rtime", "wtime"}}

// isArgument reports whether a field is a system call's argument.
func (d *declared) isArgument(field *ftrace.Field) bool {
	return d.System == "syscalls" && strings.HasPrefix(d.Name, "sys_enter_") && field.Size == 8
}

// reader reads the values of events.
type reader struct {
	values

	names *names
}

// number appends a number of so many bytes. An argument of a system call has a slot of
// 8 whatever its size: what is above it is the sign, or zeros. An address of the
// kernel's code is a function, and one of a constant text that text.
func (r *reader) number(n uint64, d *declared, field *ftrace.Field) {
	n = low(n, field.Size)
	if slices.Contains(unset[d.Name], field.Name) {
		n = 0
	}
	if field.Size == 8 {
		if text := r.names.texts[n]; field.IsPointer() && len(text) > 0 {
			r.text([]byte(text[0]))
			return
		}
		if name, offset, ok := r.names.function(n); ok {
			if d.nameOnly[field.Name] {
				offset = 0
			}
			r.function(name, offset)
			return
		}
	}
	if low := uint64(uint32(n)); d.isArgument(field) && n == uint64(int64(int32(low))) {
		n = low
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	r.add('#', b[:])
}

// ours reads those of an event in a trace of weir's.
func (r *reader) ours(d *declared, payload ctf.Value) error {
	r.reset()
	for i := range d.Fields {
		field := &d.Fields[i]
		got, ok := payload.Field(field.Name)
		if !ok {
			return fmt.Errorf("event %s has no field %s", d.Name, field.Name)
		}
		switch c := got.Class().(type) {
		case *schema.Integer:
			r.number(got.Uint(), d, field)
		case *schema.String, *schema.Text:
			r.text(got.Bytes())
		case *schema.Array:
			r.array(elements(got, c), field)
		default:
			return fmt.Errorf("event %s: field %s of class %T", d.Name, field.Name, c)
		}
	}
	return nil
}

// array appends an array as trace-cmd prints it: one of bytes is a text when all that is
// before its first zero can be printed, and then says no more than that.
func (r *reader) array(b []byte, field *ftrace.Field) {
	if isOfBytes(field) && isPrintable(b) {
		r.text(b)
		return
	}
	r.bytes(b)
}

// isOfBytes reports whether trace-cmd looks whether the elements are characters.
func isOfBytes(field *ftrace.Field) bool {
	return field.Kind != ftrace.Plain && (strings.Contains(field.Type, "u8") || strings.Contains(field.Type, "s8"))
}

// isPrintable reports whether all up to the first zero are printable characters or
// blanks of ASCII.
func isPrintable(b []byte) bool {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return !bytes.ContainsFunc(b, func(c rune) bool { return (c < ' ' || c > '~') && (c < '\t' || c > '\r') })
}

// elements are the bytes of an array of integers.
func elements(v ctf.Value, c *schema.Array) (b []byte) {
	size := 1
	if e, ok := c.Element.(*schema.Integer); ok {
		size = int(e.Size) / 8
	}
	var word [8]byte
	for i := range v.Len() {
		binary.NativeEndian.PutUint64(word[:], v.Index(i).Uint())
		b = append(b, word[:size]...)
	}
	return b
}

// theirs reads those of an event as "trace-cmd report -R" prints them: NAME=VALUE,
// with a blank between them, in the order of the declaration.
func (r *reader) theirs(d *declared, text string) error {
	r.reset()
	all, err := d.split(text)
	if err != nil {
		return err
	}
	for i, value := range all {
		if err := r.their(d, &d.Fields[i], value); err != nil {
			return fmt.Errorf("event %s: field %s: %w", d.Name, d.Fields[i].Name, err)
		}
	}
	return nil
}

// split returns what is printed for each field.
func (d *declared) split(text string) (all []string, err error) {
	text = strings.TrimLeft(text, " ")
	for i := range d.Fields {
		name := d.Fields[i].Name
		value, ok := strings.CutPrefix(text, name+"=")
		if !ok {
			return nil, fmt.Errorf("event %s: got %.40q, want field %s", d.Name, text, name)
		}
		text = ""
		if i+1 < len(d.Fields) {
			next := d.Fields[i+1].Name
			at := strings.Index(value, " "+next+"=")
			if at < 0 {
				return nil, fmt.Errorf("event %s: got %.40q, want field %s behind %s", d.Name, value, next, name)
			}
			value, text = value[:at], value[at+1:]
		}
		all = append(all, value)
	}
	return all, nil
}

// their reads the value of a field.
func (r *reader) their(d *declared, field *ftrace.Field, text string) error {
	array, isArray, err := theirArray(text)
	switch {
	case err != nil:
		return err
	case field.IsText() && isArray: // it has what cannot be printed
		r.text(array)
		return nil
	case field.IsText():
		r.text([]byte(text))
		return nil
	case isOfBytes(field) && !isArray:
		// It prints up to a zero, which may be behind the array.
		if field.Kind == ftrace.Array {
			text = text[:min(len(text), field.Size)]
		}
		r.text([]byte(text))
		return nil
	case isArray:
		r.bytes(array)
		return nil
	}
	n, err := theirNumber(text, d.base[field.Name])
	if err == nil {
		r.number(n, d, field)
		return nil
	}
	if name, offset, hasOffset, ok := r.names.parse(text); ok {
		if !hasOffset {
			d.nameOnly[field.Name] = true
		}
		r.function(name, offset)
		return nil
	}
	if field.IsPointer() {
		r.text([]byte(text))
		return nil
	}
	return err
}

// theirArray reads "ARRAY[01, ff]".
func theirArray(s string) (b []byte, ok bool, err error) {
	inner, ok := strings.CutPrefix(s, "ARRAY[")
	if !ok {
		return nil, false, nil
	}
	inner, ok = strings.CutSuffix(inner, "]")
	if !ok {
		return nil, true, fmt.Errorf("got %.40q, want an array", s)
	}
	for word := range strings.SplitSeq(inner, ", ") {
		if word == "" {
			continue
		}
		n, err := strconv.ParseUint(word, 16, 8)
		if err != nil {
			return nil, true, err
		}
		b = append(b, byte(n))
	}
	return b, true, nil
}

// theirNumber reads a number. Some are printed in a base of 8 or 16, perhaps without a
// prefix that says so; 0 stands for 10.
func theirNumber(s string, base uint8) (uint64, error) {
	s = strings.TrimSpace(s)
	if s == "(nil)" {
		return 0, nil
	}
	if strings.HasPrefix(s, "-") {
		n, err := strconv.ParseInt(s, 10, 64)
		return uint64(n), err
	}
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		s, base = digits, 16
	}
	if base == 0 {
		base = 10
	}
	return strconv.ParseUint(s, int(base), 64)
}
