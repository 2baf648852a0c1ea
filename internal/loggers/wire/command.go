// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"fmt"
)

// Op is what a command asks for.
type Op uint32

// Commands. Their comments name what follows the header.
const (
	OpList          Op = 1 // nothing
	OpEnable        Op = 2 // Rule
	OpDisable       Op = 3 // a name
	OpDone          Op = 4 // nothing; there is no answer: the program need not wait any more
	OpAddContext    Op = 5 // Context
	OpRemoveContext Op = 6 // Context
)

// Sizes.
const (
	HeaderLen = 16
	NameLen   = 256 // of a logger, with the zero byte at its end

	// MaxBodyLen bounds what follows a header: a filter is of 64 KiB at most.
	MaxBodyLen = 1<<16 + 8 + NameLen + 4
)

// Header begins a command.
type Header struct {
	Len uint64 // of what follows
	Op  Op
}

func (h Header) append(b []byte) []byte {
	return be.AppendUint32(be.AppendUint32(be.AppendUint64(b, h.Len), uint32(h.Op)), 0)
}

// ParseHeader reads a header.
func ParseHeader(b []byte) (Header, error) {
	const what = "command"
	if len(b) != HeaderLen {
		return Header{}, &Error{what, 0, len(b), fmt.Sprintf("%d bytes", HeaderLen)}
	}
	h := Header{be.Uint64(b), Op(be.Uint32(b[8:]))}
	switch {
	case h.Len > MaxBodyLen:
		return h, &Error{what, 0, h.Len, fmt.Sprintf("at most %d bytes", MaxBodyLen)}
	case h.Op < OpList || h.Op > OpRemoveContext:
		return h, &Error{what, 8, uint32(h.Op), "1 to 6"}
	}
	return h, nil
}

// How the level of a message is compared.
const (
	LevelAll    = 0
	LevelRange  = 1 // that and higher ones
	LevelSingle = 2
)

// Rule chooses messages of loggers.
type Rule struct {
	Name      string // of a logger; a * at its end stands for anything
	Level     int32
	LevelType uint32
	Filter    string // by which LTTng-UST will choose; for the agent to know
}

// AppendPlain appends a command that nothing follows.
func AppendPlain(b []byte, o Op) []byte { return Header{0, o}.append(b) }

// AppendEnable appends the command that enables a rule.
func AppendEnable(b []byte, r *Rule) []byte {
	filter := r.Filter
	if filter != "" {
		filter += "\x00"
	}
	b = Header{uint64(8 + NameLen + 4 + len(filter)), OpEnable}.append(b)
	b = be.AppendUint32(be.AppendUint32(b, uint32(r.Level)), r.LevelType)
	b = appendName(b, r.Name)
	b = be.AppendUint32(b, uint32(len(filter)))
	return append(b, filter...)
}

// ParseRule reads what follows the header of OpEnable.
func ParseRule(b []byte) (r Rule, err error) {
	const what, fixed = "rule", 8 + NameLen + 4
	if len(b) < fixed {
		return r, &Error{what, 0, len(b), fmt.Sprintf("%d bytes at least", fixed)}
	}
	r.Level, r.LevelType = int32(be.Uint32(b)), be.Uint32(b[4:])
	if r.LevelType > LevelSingle {
		return r, &Error{what, 4, r.LevelType, "0 to 2"}
	}
	if r.Name, err = name(what, 8, b[8:8+NameLen]); err != nil {
		return r, err
	}
	if n := be.Uint32(b[8+NameLen:]); int64(n) != int64(len(b)-fixed) {
		return r, &Error{what, 8 + NameLen, n, fmt.Sprint(len(b) - fixed)}
	}
	if len(b) == fixed {
		return r, nil
	}
	r.Filter, err = name(what, fixed, b[fixed:])
	return r, err
}

// AppendDisable appends the command that takes back one rule of a name.
func AppendDisable(b []byte, logger string) []byte {
	return appendName(Header{NameLen, OpDisable}.append(b), logger)
}

// ParseName reads what follows the header of OpDisable.
func ParseName(b []byte) (string, error) {
	if len(b) != NameLen {
		return "", &Error{"name", 0, len(b), fmt.Sprintf("%d bytes", NameLen)}
	}
	return name("name", 0, b)
}

// Context is something that the program tells with each message.
type Context struct{ Provider, Name string }

// AppendContext appends a command about a context.
func AppendContext(b []byte, o Op, c Context) []byte {
	b = Header{uint64(8 + len(c.Provider) + len(c.Name) + 2), o}.append(b)
	for _, s := range [...]string{c.Provider, c.Name} {
		b = be.AppendUint32(b, uint32(len(s)+1))
		b = append(append(b, s...), 0)
	}
	return b
}

// ParseContext reads what follows the header of such a command.
func ParseContext(b []byte) (c Context, err error) {
	at := 0
	for _, to := range [...]*string{&c.Provider, &c.Name} {
		rest := b[at:]
		if len(rest) < 4 || int64(be.Uint32(rest)) > int64(len(rest)-4) {
			return c, &Error{"context", at, fmt.Sprintf("%d bytes", len(rest)), "a text with its length"}
		}
		n := int(be.Uint32(rest))
		if *to, err = name("context", at+4, rest[4:4+n]); err != nil {
			return c, err
		}
		at += 4 + n
	}
	if at != len(b) {
		return c, &Error{"context", at, fmt.Sprintf("%d bytes more", len(b)-at), "none"}
	}
	return c, nil
}

// name reads a text that ends at a zero byte.
func name(message string, at int, b []byte) (string, error) {
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return "", &Error{message, at, "a text without end", fmt.Sprintf("a zero byte within %d", len(b))}
	}
	return string(b[:n]), nil
}

// appendName appends a name, cut so that a zero byte follows.
func appendName(b []byte, s string) []byte {
	s = s[:min(len(s), NameLen-1)]
	b = append(b, s...)
	return append(b, make([]byte, NameLen-len(s))...)
}
