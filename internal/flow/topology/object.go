// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weir-io/weir/internal/flow/packet"
)

// ParseID reads an identifier in its only form: 36 characters with hyphens.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, fmt.Errorf("identifier %.60q: got %d characters, want 36", s, len(s))
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return ID{}, fmt.Errorf("identifier %q: %w", s, err)
	}
	return id, nil
}

// object reads the members of one JSON object by name, and collects what is wrong with
// them, so that a caller hears of all at once. A member that is null is absent; one
// that nobody asks for is let be.
type object struct {
	path    string // of the object, "" for the outermost
	members []rawMember
	asked   map[string]bool // nil: not recorded
	bad     *[]Violation

	// resolve returns the id that the text of a member stands for; nil: text is ids.
	resolve func(member, text string) (ID, error)
}

// readObject takes an object apart. What is no object has no members and is a violation.
func readObject(data []byte, path string, bad *[]Violation) *object {
	o := &object{path: path, bad: bad}
	if len(data) == 0 || data[0] != '{' {
		o.reportAt(path, "got %s, want an object", describe(data))
		return o
	}
	if path == "" && !json.Valid(data) { // those inside are as valid as what they are in
		o.reportAt(path, "got no JSON")
		return o
	}
	o.members = splitObject(data)
	return o
}

// at returns the path of a member.
func (o *object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// report notes that a member is wrong.
func (o *object) report(name, format string, args ...any) {
	o.reportAt(o.at(name), format, args...)
}

func (o *object) reportAt(path, format string, args ...any) {
	*o.bad = append(*o.bad, Violation{Property: path, Message: fmt.Sprintf(format, args...)})
}

// index returns the name of an element of an array.
func index(name string, i int) string {
	return name + "[" + strconv.Itoa(i) + "]"
}

// get returns a member that is there and is not null.
func (o *object) get(name string) (json.RawMessage, bool) {
	if o.asked != nil {
		o.asked[name] = true
	}
	for i := len(o.members) - 1; i >= 0; i-- { // the last of one name counts
		if m := &o.members[i]; string(m.name) == name {
			return m.value, string(m.value) != "null"
		}
	}
	return nil, false
}

// either returns which of two names a member goes by here.
func (o *object) either(name, other string) string {
	if _, ok := o.get(other); ok {
		return other
	}
	return name
}

// unknown returns the names of members that nobody asked for, sorted.
func (o *object) unknown() []string {
	var names []string
	for _, m := range o.members {
		if name := string(m.name); !o.asked[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// want reports a member that is not there.
func (o *object) want(name, what string) {
	if _, ok := o.get(name); !ok {
		o.report(name, "got none, want %s", what)
	}
}

func (o *object) bool(name string, v *bool) {
	raw, ok := o.get(name)
	if !ok {
		return
	}
	switch string(raw) {
	case "true":
		*v = true
	case "false":
		*v = false
	default:
		o.report(name, "got %s, want true or false", describe(raw))
	}
}

// text reads a string, and reports whether it is there.
func (o *object) text(name string, v *string) bool {
	raw, ok := o.get(name)
	if !ok {
		return false
	}
	s, ok := unquote(raw)
	if !ok {
		o.report(name, "got %s, want a string", describe(raw))
		return false
	}
	*v = s
	return true
}

// integer reads a number in a range, and reports whether it is there and good.
func (o *object) integer(name string, low, high int64, v *int64) bool {
	raw, ok := o.get(name)
	if !ok {
		return false
	}
	return o.number(name, string(raw), describe(raw), low, high, v)
}

// numeric reads a number as integer does, or the same in a string.
func (o *object) numeric(name string, low, high int64, v *int64) bool {
	raw, ok := o.get(name)
	if !ok {
		return false
	}
	s, quoted := unquote(raw)
	if !quoted {
		s = string(raw)
	}
	return o.number(name, s, describe(raw), low, high, v)
}

func (o *object) number(name, digits, got string, low, high int64, v *int64) bool {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < low || n > high {
		o.report(name, "got %s, want an integer from %d to %d", got, low, high)
		return false
	}
	*v = n
	return true
}

func (o *object) id(name string, v *ID) {
	var s string
	if o.text(name, &s) {
		o.parsed(name, s, v)
	}
}

func (o *object) parsed(name, s string, v *ID) {
	id, err := ParseID(s)
	if err != nil && o.resolve != nil {
		member, _, _ := strings.Cut(name, "[")
		id, err = o.resolve(member, s)
	}
	if err != nil {
		o.report(name, "%v", err)
		return
	}
	*v = id
}

// ids reads an array of identifiers; an empty one is as none.
func (o *object) ids(name string, v *[]ID) {
	for i, raw := range o.array(name) {
		at := index(name, i)
		s, ok := unquote(raw)
		if !ok {
			o.report(at, "got %s, want a string", describe(raw))
			continue
		}
		var id ID
		o.parsed(at, s, &id)
		*v = append(*v, id)
	}
}

// array returns the elements of an array, and none for one that is absent or wrong.
func (o *object) array(name string) []json.RawMessage {
	raw, ok := o.get(name)
	if !ok {
		return nil
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		o.report(name, "got %s, want an array", describe(raw))
	}
	return list
}

func (o *object) mac(name string, v *packet.MAC) bool {
	var s string
	if !o.text(name, &s) {
		return false
	}
	m, err := packet.ParseMAC(s)
	if err != nil {
		o.report(name, "%v", err)
		return false
	}
	*v = m
	return true
}

// addr reads an IPv4 address.
func (o *object) addr(name string, v *netip.Addr) bool {
	var s string
	if !o.text(name, &s) {
		return false
	}
	a, err := parseIPv4(s)
	if err != nil {
		o.report(name, "%v", err)
		return false
	}
	*v = a
	return true
}

// prefix reads an address and its length, which are two members. Without a length an
// address stands for itself alone; a length without an address says nothing.
func (o *object) prefix(address, length string, v *netip.Prefix) {
	var a netip.Addr
	n := int64(32)
	o.integer(length, 0, 32, &n)
	if o.addr(address, &a) {
		*v = netip.PrefixFrom(a, int(n))
	}
}

// parseIPv4 reads an address as a.b.c.d.
func parseIPv4(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, fmt.Errorf("got %.60q, want an IPv4 address", s)
	}
	return a, nil
}

// unquote returns the string that raw is.
func unquote(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	var s string
	return s, json.Unmarshal(raw, &s) == nil
}

// describe says in an error what a value is.
func describe(raw []byte) string {
	switch {
	case len(raw) == 0:
		return "nothing"
	case raw[0] == '{':
		return "an object"
	case raw[0] == '[':
		return "an array"
	case len(raw) > 60:
		return string(bytes.ToValidUTF8(raw[:60], nil)) + "…"
	}
	return string(bytes.ToValidUTF8(raw, nil))
}
