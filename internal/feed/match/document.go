// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weir-io/weir/changelog"
)

const documentForm = "filter"

// Parse reads a filter from a JSON object: each member a field, its value a string,
// or a list of strings, or of numbers where it has ids. Errors are of type
// *changelog.Error.
func Parse(document []byte) (*Filter, error) {
	d := documentReader{data: document, dec: json.NewDecoder(bytes.NewReader(document))}
	d.dec.UseNumber()
	if len(document) > DocumentMax {
		return nil, d.fail("", 0, strconv.Itoa(len(document))+" bytes", "at most "+strconv.Itoa(DocumentMax))
	}
	if !utf8.Valid(document) {
		return nil, d.fail("", 0, "bytes that are not UTF-8", "UTF-8")
	}
	f := new(Filter)
	if err := d.object(f); err != nil {
		return nil, err
	}
	if at := d.place(); at < len(document) {
		return nil, d.fail("", at, strconv.Quote(string(document[at:at+1])), "the end")
	}
	return f, nil
}

// UnmarshalJSON is Parse.
func (f *Filter) UnmarshalJSON(document []byte) error {
	p, err := Parse(document)
	if err != nil {
		return err
	}
	*f = *p
	return nil
}

// documentReader reads the tokens of a document with their places.
type documentReader struct {
	data []byte
	dec  *json.Decoder
}

func (d *documentReader) fail(field string, at int, got, want string) error {
	return &changelog.Error{Form: documentForm, Field: field, Offset: at, Got: got, Want: want}
}

// place is where the next token begins.
func (d *documentReader) place() int {
	at := int(d.dec.InputOffset())
	for at < len(d.data) && strings.IndexByte(" \t\r\n,:", d.data[at]) >= 0 {
		at++
	}
	return at
}

// token returns the next token and its place.
func (d *documentReader) token(field string) (json.Token, int, error) {
	at := d.place()
	t, err := d.dec.Token()
	if err != nil {
		got := "the end"
		if at < len(d.data) {
			got = strconv.Quote(string(d.data[at:min(at+16, len(d.data))]))
		}
		return nil, at, d.fail(field, at, got, "JSON")
	}
	return t, at, nil
}

func (d *documentReader) object(f *Filter) error {
	t, at, err := d.token("")
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return d.fail("", at, got(t), "an object")
	}
	var seen [fieldCount]bool
	for {
		t, at, err := d.token("")
		if err != nil {
			return err
		}
		if t == json.Delim('}') {
			return nil
		}
		name, _ := t.(string)
		to, known := fieldOf(name)
		if !known {
			return d.fail("", at, got(t), "one of "+fieldNames())
		}
		if seen[to] {
			return d.fail(name, at, "a second one", "one")
		}
		seen[to] = true
		if err := d.member(f, to); err != nil {
			return err
		}
	}
}

// member reads the value of a field.
func (d *documentReader) member(f *Filter, to field) error {
	t, at, err := d.token(to.String())
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return d.item(f, to, t, at)
	}
	if fields[to].form == formOne {
		return d.fail(to.String(), at, "a list", "a string")
	}
	items := 0
	for ; ; items++ {
		t, itemAt, err := d.token(to.String())
		if err != nil {
			return err
		}
		if t == json.Delim(']') {
			break
		}
		if err := d.item(f, to, t, itemAt); err != nil {
			return err
		}
	}
	if items == 0 {
		return d.fail(to.String(), at, "an empty list", "items, or no such field")
	}
	return nil
}

func (d *documentReader) item(f *Filter, to field, t json.Token, at int) error {
	switch t := t.(type) {
	case string:
		return f.add(to, value{text: t, form: documentForm, at: at + 1})
	case json.Number:
		if fields[to].form == formIDs {
			return f.add(to, value{text: t.String(), form: documentForm, at: at})
		}
	}
	return d.fail(to.String(), at, got(t), "a string")
}

// got shows a token in errors.
func got(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(t)
	case json.Delim:
		return t.String()
	case json.Number:
		return t.String()
	case bool:
		return strconv.FormatBool(t)
	}
	return "a value"
}
