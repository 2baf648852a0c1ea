// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weir-io/weir/changelog"
)

// Limits of a filter.
const (
	DocumentMax = 64 << 10    // bytes of JSON
	ListMax     = 1000        // items of a field
	valueMax    = globMax + 1 // bytes of an item: a pattern and !
)

// Filter is the text of a filter, with the places of its parts for errors. The zero
// Filter has no fields and lets every record pass.
type Filter struct {
	values [fieldCount][]value
}

// field is a field of filters.
type field uint8

const (
	fieldTypes field = iota
	fieldUID
	fieldGID
	fieldOwner
	fieldPath
	fieldName
	fieldKind
	fieldComm
	fieldJob
	fieldPID
	fieldSynth
	fieldMerged
	fieldCount
)

// form says how a field is written.
type form uint8

const (
	formOne  form = iota // one text
	formIDs              // a list; commas part its items on the command line
	formList             // a list; each item is a flag of its own on the command line
)

var fields = [fieldCount]struct {
	name string
	form form
}{
	fieldTypes: {"types", formOne}, fieldUID: {"uid", formIDs}, fieldGID: {"gid", formIDs}, fieldOwner: {"owner", formIDs},
	fieldPath: {"path", formList}, fieldName: {"name", formList}, fieldKind: {"kind", formOne}, fieldComm: {"comm", formList},
	fieldJob: {"job", formList}, fieldPID: {"pid", formIDs}, fieldSynth: {"synth", formOne}, fieldMerged: {"merged", formOne},
}

func (f field) String() string { return fields[f].name }

// fieldNames are all fields, for errors.
func fieldNames() string {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

func fieldOf(name string) (field, bool) {
	for f := range fieldCount {
		if fields[f].name == name {
			return f, true
		}
	}
	return 0, false
}

// value is one text of a field and where it was.
type value struct {
	text string
	form string // what it was read from, for errors
	at   int    // offset of its first byte there
}

func (v value) fail(f field, offset int, got, want string) error {
	return &changelog.Error{Form: v.form, Field: f.String(), Offset: v.at + offset, Got: got, Want: want}
}

// add takes a value of a field.
func (f *Filter) add(to field, v value) error {
	switch {
	case len(v.text) > valueMax:
		return v.fail(to, 0, strconv.Itoa(len(v.text))+" bytes", "at most "+strconv.Itoa(valueMax))
	case v.text == "" || v.text == "!":
		return v.fail(to, 0, strconv.Quote(v.text), "a text")
	case fields[to].form == formOne && len(f.values[to]) > 0:
		return v.fail(to, 0, "a second one", "one")
	case len(f.values[to]) >= ListMax:
		return v.fail(to, 0, "more", "at most "+strconv.Itoa(ListMax)+" items")
	}
	f.values[to] = append(f.values[to], v)
	return nil
}

// IsZero reports whether the filter has no fields.
func (f *Filter) IsZero() bool {
	for _, values := range f.values {
		if len(values) > 0 {
			return false
		}
	}
	return true
}

// ParseFlags reads a filter from the command line, each flag FIELD=VALUE. Lists of
// ids have commas; patterns may hold any character and are given one a flag. Errors
// are of type *changelog.Error and count flags from 1.
func ParseFlags(flags []string) (*Filter, error) {
	f := new(Filter)
	for i, flag := range flags {
		v := value{form: "filter " + strconv.Itoa(i+1)}
		name, text, found := strings.Cut(flag, "=")
		to, known := fieldOf(name)
		if !found || !known {
			return nil, &changelog.Error{Form: v.form, Got: strconv.Quote(flag), Want: "FIELD=VALUE with one of " + fieldNames()}
		}
		v.at = len(name) + 1
		if !utf8.ValidString(text) {
			return nil, v.fail(to, 0, strconv.Quote(text), "UTF-8; ? stands for any byte that is not")
		}
		if fields[to].form != formIDs {
			v.text = text
			if err := f.add(to, v); err != nil {
				return nil, err
			}
			continue
		}
		for _, item := range strings.Split(text, ",") {
			v.text = item
			if err := f.add(to, v); err != nil {
				return nil, err
			}
			v.at += len(item) + 1
		}
	}
	return f, nil
}

// MarshalJSON returns the filter as a document that UnmarshalJSON reads.
func (f *Filter) MarshalJSON() ([]byte, error) {
	doc := make(map[string]any)
	for to := range fieldCount {
		values := f.values[to]
		if len(values) == 0 {
			continue
		}
		if fields[to].form == formOne {
			doc[to.String()] = values[0].text
			continue
		}
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = v.text
		}
		doc[to.String()] = list
	}
	return json.Marshal(doc)
}
