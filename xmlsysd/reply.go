// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"errors"
	"strconv"
	"time"
)

// SectionState is what list tells of a section.
type SectionState struct {
	Path   string // as in "proc/stat"
	On     bool   // some of it is selected
	Class  Class
	Source string        // what is read
	Cost   time.Duration // of the last time
}

// String returns the selector that has leaves of a class, or "explicit".
func (c Class) String() string { return [...]string{"legacy", "default", "all", "explicit"}[c] }

// Ack returns the reply to a command by its ordinal in the session: that it was
// carried out, or the code and reason of a [*CommandError]. Like all messages it
// is valid until the next.
func (e *Encoder) Ack(ordinal int, err error) []byte {
	e.Begin()
	id := strconv.Itoa(ordinal)
	e.element(1, "ack", id)
	ce, refused := errors.AsType[*CommandError](err)
	switch {
	case err == nil:
		e.value(2, "status", "", "ok")
	case refused:
		e.value(2, "status", "", "error")
		e.value(2, "code", "", string(ce.Code))
		e.value(2, "text", "", ce.Reason)
	default:
		e.value(2, "status", "", "error")
		e.value(2, "code", "", string(CodeArg))
		e.value(2, "text", "", err.Error())
	}
	e.end(1, "ack")
	return e.Finish()
}

// Help returns the reply to help.
func (e *Encoder) Help() []byte {
	e.Begin()
	e.element(1, "help", "")
	for v := range verbs[1:] {
		e.named(2, "verb", verbs[v+1].name, verbs[v+1].line())
	}
	e.end(1, "help")
	return e.Finish()
}

// Sections returns the reply to list.
func (e *Encoder) Sections(all []SectionState) []byte {
	e.Begin()
	e.element(1, "sections", "")
	for i := range all {
		s := &all[i]
		state := "off"
		if s.On {
			state = "on"
		}
		e.element(2, "section", s.Path)
		e.value(3, "state", "", state)
		e.value(3, "class", "", s.Class.String())
		e.value(3, "source", "", s.Source)
		e.value(3, "cost", ` units="us"`, strconv.FormatInt(s.Cost.Microseconds(), 10))
		e.end(2, "section")
	}
	e.end(1, "sections")
	return e.Finish()
}

// The elements of replies are few and not of the model.

func (e *Encoder) margin(depth int) {
	for range depth {
		if !e.Compact {
			e.buf = append(e.buf, indentation...)
		}
	}
}

func (e *Encoder) element(depth int, tag, id string) {
	e.margin(depth)
	e.buf = append(append(e.buf, '<'), tag...)
	e.id(id)
	e.buf = append(e.buf, '>')
	e.newline()
}

func (e *Encoder) id(id string) {
	if id != "" {
		e.buf = append(e.buf, ` id="`...)
		e.buf = append(appendAttr(e.buf, []byte(id)), '"')
	}
}

func (e *Encoder) end(depth int, tag string) {
	e.margin(depth)
	e.closeTag(tag)
}

func (e *Encoder) closeTag(tag string) {
	e.buf = append(append(append(e.buf, "</"...), tag...), '>')
	e.newline()
}

// value writes a leaf. The attributes are written as they are.
func (e *Encoder) value(depth int, tag, attrs, text string) {
	e.margin(depth)
	e.buf = append(append(append(append(e.buf, '<'), tag...), attrs...), '>')
	e.buf = appendText(e.buf, []byte(text))
	e.closeTag(tag)
}

// named writes a leaf with an id.
func (e *Encoder) named(depth int, tag, id, text string) {
	e.margin(depth)
	e.buf = append(append(e.buf, '<'), tag...)
	e.id(id)
	e.buf = appendText(append(e.buf, '>'), []byte(text))
	e.closeTag(tag)
}
