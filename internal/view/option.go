// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Names is a set of the places where names of fields are printed.
type Names uint8

// Places of names.
const (
	NamePayload Names = 1 << iota
	NameContext
	NameHeader
	NameScope

	AllNames = NamePayload | NameContext | NameHeader | NameScope
)

// Fields is a set of the words that a line may have before the event's name.
type Fields uint8

// Words before the event's name.
const (
	FieldTrace Fields = 1 << iota // the trace's name
	FieldHostname
	FieldDomain
	FieldProcname
	FieldVPID
	FieldLogLevel
	FieldEMF

	AllFields = FieldTrace | FieldHostname | FieldDomain | FieldProcname | FieldVPID | FieldLogLevel | FieldEMF
)

// TextOptions say how lines of text look. See [DefaultTextOptions].
type TextOptions struct {
	Names  Names
	Fields Fields

	Cycles  bool // times and differences in cycles of the clock
	Date    bool // times with their date
	Seconds bool // times as seconds and nanoseconds since the clock's origin
	NoDelta bool // no difference to the event before

	Location *time.Location // of times with hours; nil: UTC
	Palette  Palette
	Warnings io.Writer // told once of what cannot be printed as asked; nil: nobody
}

// DefaultTextOptions are those of babeltrace2, for times in UTC.
func DefaultTextOptions() TextOptions {
	return TextOptions{
		Names:  NamePayload | NameContext,
		Fields: FieldHostname | FieldProcname | FieldVPID,
	}
}

// nameWords are the words of [ParseNames].
var nameWords = words[Names]{
	{"payload", NamePayload},
	{"args", NamePayload},
	{"arg", NamePayload},
	{"context", NameContext},
	{"ctx", NameContext},
	{"header", NameHeader},
	{"scope", NameScope},
	{"all", AllNames},
	{"none", 0},
}

// fieldWords are the words of [ParseFields].
var fieldWords = words[Fields]{
	{"trace", FieldTrace},
	{"trace:hostname", FieldHostname},
	{"trace:domain", FieldDomain},
	{"trace:procname", FieldProcname},
	{"trace:vpid", FieldVPID},
	{"loglevel", FieldLogLevel},
	{"emf", FieldEMF},
	{"callsite", 0}, // was in babeltrace 1, prints nothing
	{"all", AllFields},
	{"none", 0},
}

// ParseNames reads a list of places of names, such as "payload,scope", as
// babeltrace2's option --names has it.
func ParseNames(list string) (Names, error) { return nameWords.parse("name", list) }

// ParseFields reads a list of words before the event's name, such as
// "trace,loglevel", as babeltrace2's option --fields has it.
func ParseFields(list string) (Fields, error) { return fieldWords.parse("field", list) }

// words are the words for the members of a set.
type words[T ~uint8] []struct {
	word  string
	means T
}

func (w words[T]) parse(what, list string) (T, error) {
	var set T
next:
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		for _, known := range w {
			if known.word == word {
				set |= known.means
				continue next
			}
		}
		return 0, fmt.Errorf("unknown %s %q: want %s", what, word, w)
	}
	return set, nil
}

// String lists the words for messages.
func (w words[T]) String() string {
	var b strings.Builder
	for i, known := range w {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(known.word)
	}
	return b.String()
}
