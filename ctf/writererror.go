// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// Reasons to refuse what a writer is given. A [*WriteError] wraps one of them;
// the packet is then as it was before the call.
var (
	ErrTime     = errors.New("time goes backwards or is out of the range of the fields that carry it")
	ErrTooLarge = errors.New("event is larger than the largest packet")
	ErrValue    = errors.New("value does not fit its field")
	ErrFields   = errors.New("wrong number or kinds of values")
	ErrClass    = errors.New("class cannot be written")
	ErrClosed   = errors.New("stream writer is closed")
)

// WriteError says what a writer refused, or why it cannot go on.
type WriteError struct {
	Stream string // name of the data stream
	Event  string // name of the event class, "" for none
	Field  string // path of the field, "" for none
	Got    string // "" when Err says all
	Want   string
	Err    error // one of the reasons above, or what the sink gave
}

// Error gives the message on one line.
func (e *WriteError) Error() string {
	s := "stream " + e.Stream
	if e.Event != "" {
		s += ", event " + e.Event
	}
	if e.Field != "" {
		s += ", field " + e.Field
	}
	s += ": " + e.Err.Error()
	if e.Got != "" || e.Want != "" {
		s += fmt.Sprintf(": got %s, want %s", e.Got, e.Want)
	}
	return s
}

// Unwrap returns the reason.
func (e *WriteError) Unwrap() error { return e.Err }

// text says what a fault means.
func (f *encFault) text() (got, want string, err error) {
	num := func(v uint64) string { return strconv.FormatUint(v, 10) }
	switch f.kind {
	case encRange:
		if f.op.isSigned() {
			return strconv.FormatInt(int64(f.got), 10), "a signed integer of " + strconv.Itoa(int(f.op.size)) + " bits", ErrValue
		}
		return num(f.got), "an integer of " + strconv.Itoa(int(f.op.size)) + " bits", ErrValue
	case encLength:
		return "a length of " + num(f.got), num(f.want) + f.op.because(), ErrValue
	case encChoice:
		return "option " + f.op.optionName(int(f.got)), "the option for " + f.op.tagText(f.want) + f.op.because(), ErrValue
	case encThere:
		there := "no value"
		if f.got != 0 {
			there = "a value"
		}
		return there, "what goes with " + num(f.want) + f.op.because(), ErrValue
	case encOrder:
		return "another order of bytes or bits", "that of the bits before it in the same byte", ErrClass
	case encNUL:
		return "a code unit of zero or a part of one at byte " + num(f.got), "text without", ErrValue
	case encUnset:
		return "no value of " + f.op.needs, "one before this field", ErrFields
	case encFull:
		return num(f.got) + " bytes more", "room in the packet", ErrTooLarge
	default:
		return "a frame that refers to word or byte " + num(f.got), "at most " + num(f.want), ErrFields
	}
}

func (o *encOp) isSigned() bool {
	switch o.code {
	case encI8, encI16, encI32, encI16BE, encI32BE:
		return true
	default:
		return o.signed
	}
}

// because names the field that a length or choice comes from.
func (o *encOp) because() string {
	if o.needs == "" {
		return ""
	}
	return " as " + o.needs + " says"
}

func (o *encOp) optionName(i int) string {
	if i < len(o.variant.Options) {
		return o.variant.Options[i].Name
	}
	return strconv.Itoa(i)
}

func (o *encOp) tagText(tag uint64) string {
	s := strconv.FormatUint(tag, 10)
	if o.variant.TagSigned {
		s = strconv.FormatInt(int64(tag), 10)
	}
	if i := o.variant.Select(tag); i >= 0 {
		return s + " (" + o.variant.Options[i].Name + ")"
	}
	return s + " (none)"
}

// refusal is an error of the stream, of an event class or nil.
func (w *StreamWriter) refusal(class *schema.Event, field, got, want string, err error) error {
	e := &WriteError{Stream: w.name, Field: field, Got: got, Want: want, Err: err}
	if class != nil {
		e.Event = class.Name
	}
	return e
}

// faultError says why the encoder stopped.
func (w *StreamWriter) faultError(class *schema.Event) error {
	got, want, err := w.enc.fault.text()
	return w.refusal(class, w.enc.fault.op.field, got, want, err)
}
