// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Format is the declaration of an event.
type Format struct {
	System, Name string
	ID           uint16
	Common       []Field // of all events: id, flags, preemption count, thread
	Fields       []Field
	Print        string // how the kernel prints the event: what follows "print fmt: "
}

// maxFormat is the longest text that is read: the kernel's are at most a few
// pages.
const maxFormat = 1 << 20

// ParseFormat reads the text of events/SYSTEM/EVENT/format.
func ParseFormat(system string, text []byte) (*Format, error) {
	p := formatParser{f: Format{System: system}}
	if len(text) > maxFormat {
		return nil, p.fail("at most 1 MiB", fmt.Sprintf("%d bytes", len(text)))
	}
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		p.line++
		done, err := p.take(string(line), text)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
	}
	p.line = 0
	switch {
	case p.f.Name == "":
		return nil, p.fail("a line name:", "none")
	case !p.hasID:
		return nil, p.fail("a line ID:", "none")
	case !p.inFields:
		return nil, p.fail("a line format:", "none")
	case !p.hasPrint:
		return nil, p.fail("a line print fmt:", "none")
	}
	return &p.f, nil
}

// formatParser is the state between two lines.
type formatParser struct {
	f        Format
	line     int
	hasID    bool
	inFields bool // behind "format:"
	common   bool // behind the empty line that ends the common fields
	hasPrint bool
}

func (p *formatParser) fail(want, got string) error {
	name := p.f.Name
	if name == "" {
		name = "?"
	}
	return &FormatError{Text: "format of " + p.f.System + ":" + name, Line: p.line, Want: want, Got: got}
}

// take reads a line; rest is what follows it. It reports true at the print
// format, the last item, which may have line breaks in its strings.
func (p *formatParser) take(line string, rest []byte) (done bool, err error) {
	switch {
	case strings.HasPrefix(line, "print fmt: "):
		p.hasPrint = true
		p.f.Print = line[len("print fmt: "):]
		if len(rest) > 0 {
			p.f.Print = strings.TrimRight(p.f.Print+"\n"+string(rest), "\n")
		}
		return true, nil
	case p.inFields && line == "":
		p.common = p.common || len(p.f.Common) > 0
	case p.inFields && strings.HasPrefix(line, "\tfield:"):
		field, err := p.field(line)
		if err != nil {
			return false, err
		}
		if p.common {
			p.f.Fields = append(p.f.Fields, field)
		} else {
			p.f.Common = append(p.f.Common, field)
		}
	case p.inFields:
		return false, p.fail("a field", line)
	case line == "format:":
		p.inFields = true
	default:
		return false, p.head(line)
	}
	return false, nil
}

// head reads a line before the fields.
func (p *formatParser) head(line string) error {
	key, value, ok := strings.Cut(line, ": ")
	switch {
	case ok && key == "name" && value != "":
		p.f.Name = value
	case ok && key == "ID":
		id, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return p.fail("an id of 16 bits", value)
		}
		p.f.ID, p.hasID = uint16(id), true
	default:
		return p.fail("name:, ID: or format:", line)
	}
	return nil
}

// maxRecord bounds offsets and sizes: a record fits in a sub-buffer of the ring.
const maxRecord = 1 << 20

// field reads "\tfield:DECL;\toffset:N;\tsize:N;\tsigned:N;".
func (p *formatParser) field(line string) (Field, error) {
	decl, rest, ok := strings.Cut(line[len("\tfield:"):], ";\toffset:")
	if !ok {
		return Field{}, p.fail("field:…; offset:", line)
	}
	offset, rest, ok := strings.Cut(rest, ";\tsize:")
	if !ok {
		return Field{}, p.fail("offset:N; size:", line)
	}
	size, signed, ok := strings.Cut(rest, ";\tsigned:")
	if !ok {
		return Field{}, p.fail("size:N; signed:", line)
	}
	f, ok := parseDeclaration(decl)
	if !ok {
		return Field{}, p.fail("a type and a name", decl)
	}
	var err error
	if f.Offset, err = strconv.Atoi(offset); err != nil || f.Offset < 0 || f.Offset > maxRecord {
		return Field{}, p.fail("an offset in a record", offset)
	}
	if f.Size, err = strconv.Atoi(size); err != nil || f.Size < 0 || f.Size > maxRecord {
		return Field{}, p.fail("a size in a record", size)
	}
	switch signed {
	case "0;":
	case "1;":
		f.Signed = true
	default:
		return Field{}, p.fail("signed:0; or signed:1;", signed)
	}
	f.settle()
	return f, nil
}
