// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// rule is one thing that a stream may say or not.
type rule struct {
	name      string
	fragments []string // after the preamble
	want      string   // the end of the error; "": none
}

func checkRules(t *testing.T, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			text := stream(r.fragments...)
			trace, err := Parse(text)
			if r.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if written, err := Append(nil, trace); err != nil {
					t.Error(err)
				} else {
					checkSame(t, trace, written)
				}
				return
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || !strings.HasSuffix(err.Error(), ": "+r.want) {
				t.Fatalf("error %v, want ...%s", err, r.want)
			}
			if strings.Contains(err.Error(), "\n") || e.Offset > int64(len(text)) || e.Fragment > len(r.fragments) {
				t.Errorf("error %q at fragment %d, offset %d of %d", err, e.Fragment, e.Offset, len(text))
			}
		})
	}
}

func TestFragmentRules(t *testing.T) {
	checkRules(t, []rule{
		{"nothing but a preamble", nil, ""},
		{"two preambles", []string{`{"type":"preamble","version":2}`}, `type: got "preamble", want one preamble`},
		{"no type", []string{`{}`}, `type: got nothing, want the property`},
		{"type is no string", []string{`{"type":7}`}, `type: got 7, want a string`},
		{"unknown type", []string{`{"type":"x"}`}, `type: got "x", want a type of fragment`},
		{"no object", []string{`[1]`}, `got an array of 1, want an object`},
		{"something behind", []string{`{"type":"trace-class"} 1`}, `got "1", want the end of the fragment`},
		{"property twice", []string{`{"type":"trace-class","name":"a","name":"b"}`}, `name: got the property twice, want it once`},
		{"unknown property", []string{`{"type":"trace-class","color":"red"}`}, `color: got an unknown property, want type, namespace, name, uid, packet-header-field-class, environment, attributes, extensions`},
		{"attributes", []string{`{"type":"trace-class","attributes":1}`}, `attributes: got 1, want an object`},
		{"extension", []string{`{"type":"trace-class","extensions":{"a":{"b":1}}}`}, `extensions.a.b: got an extension that is not known here, want no extension`},
		{"name space of extensions", []string{`{"type":"trace-class","extensions":{"a":1}}`}, `extensions.a: got 1, want an object`},
		{"broken", []string{`{"type":`}, `got the end of the fragment, want more JSON`},
		{"not JSON", []string{`{"type" "x"}`}, `got "invalid character '\"' after object key", want JSON`},
		{"trace class twice", []string{`{"type":"trace-class"}`, `{"type":"trace-class"}`}, `type: got "trace-class", want one trace class`},
		{"trace class late", []string{`{"type":"data-stream-class"}`, `{"type":"trace-class"}`}, `type: got "trace-class", want the trace class before any data stream class`},
		{"environment", []string{`{"type":"trace-class","environment":{"a":1.5}}`}, `environment.a: got 1.5, want an integer of 64 bits with sign`},
		{"environment too large", []string{`{"type":"trace-class","environment":{"a":9223372036854775808}}`}, `environment.a: got 9223372036854775808, want an integer of 64 bits with sign`},
		{"environment is no object", []string{`{"type":"trace-class","environment":[]}`}, `environment: got an array of 0, want an object`},
		{"environment is null", []string{`{"type":"trace-class","environment":null}`}, ``},
		{"stream twice", []string{`{"type":"data-stream-class"}`, `{"type":"data-stream-class"}`}, `got id 0 by default, want the id of no other data stream class`},
		{"stream id twice", []string{`{"type":"data-stream-class"}`, `{"type":"data-stream-class","id":0}`}, `id: got 0, want the id of no other data stream class`},
		{"stream id", []string{`{"type":"data-stream-class","id":-1}`}, `id: got -1, want an integer from 0 to 18446744073709551615`},
		{"stream clock", []string{`{"type":"data-stream-class","default-clock-class-id":"c"}`}, `default-clock-class-id: got "c", want the id of a clock class`},
		{"event without stream", []string{`{"type":"event-record-class"}`}, `got an event record class of data stream class 0, want the data stream class before`},
		{"event twice", []string{`{"type":"data-stream-class"}`, `{"type":"event-record-class","id":1}`, `{"type":"event-record-class","id":1}`}, `id: got 1, want the id of no other event record class of its data stream class`},
		{"event of two streams", []string{`{"type":"data-stream-class"}`, `{"type":"data-stream-class","id":1}`, `{"type":"event-record-class"}`, `{"type":"event-record-class","data-stream-class-id":1}`}, ``},
		{"scope is no struct", []string{`{"type":"data-stream-class","packet-context-field-class":{"type":"null-terminated-string"}}`}, `packet-context-field-class: got an object, want a structure field class`},
		{"strange names", []string{`{"type":"trace-class","` + strings.Repeat("é", 99) + `\n":1}`}, `got an unknown property, want type, namespace, name, uid, packet-header-field-class, environment, attributes, extensions`},
	})
}

func TestPreambleRules(t *testing.T) {
	tests := []struct{ preamble, want string }{
		{`{"type":"preamble"}`, `version: got nothing, want the property`},
		{`{"type":"preamble","version":3}`, `version: got 3, want an integer from 2 to 2`},
		{`{"type":"preamble","version":2.0}`, `version: got 2.0, want an integer from 2 to 2`},
		{`{"type":"preamble","version":2,"uuid":[1]}`, `uuid: got an array of 1, want an array of 16 bytes`},
		{`{"type":"preamble","version":2,"uuid":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,256]}`, `uuid[15]: got 256, want an integer from 0 to 255`},
		{`{"type":"preamble","version":2,"extensions":{"my.tracer":{"piano":null}}}`, `extensions.my.tracer.piano: got an extension that is not known here, want no extension`},
		{`{"type":"trace-class"}`, `type: got "trace-class", want a preamble first`},
		{``, `got no fragment, want a preamble`},
	}
	for _, tt := range tests {
		want := strings.ReplaceAll(tt.want, "extensions.my.tracer", `extensions."my.tracer"`)
		if _, err := Parse([]byte("\x1e" + tt.preamble)); err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: error %v, want ...%s", tt.preamble, err, want)
		}
	}
	if _, err := Parse([]byte(`{"type":"preamble","version":2}`)); err == nil || !strings.HasSuffix(err.Error(), "got byte 0x7b, want a record separator, 0x1e") {
		t.Errorf("no separator: error %v", err)
	}
}

func TestClockRules(t *testing.T) {
	clock := func(properties string) []string {
		return []string{`{"type":"clock-class","id":"c"` + properties + `}`}
	}
	checkRules(t, []rule{
		{"least", clock(`,"frequency":1`), ``},
		{"no frequency", clock(``), `frequency: got nothing, want the property`},
		{"frequency 0", clock(`,"frequency":0`), `frequency: got 0, want an integer from 1 to 18446744073709551615`},
		{"cycles", clock(`,"frequency":5,"offset-from-origin":{"cycles":5}`), `offset-from-origin.cycles: got 5, want an integer from 0 to 4`},
		{"seconds", clock(`,"frequency":5,"offset-from-origin":{"seconds":9223372036854775808}`), `offset-from-origin.seconds: got 9223372036854775808, want an integer of 64 bits with sign`},
		{"offset", clock(`,"frequency":5,"offset-from-origin":1`), `offset-from-origin: got 1, want an object`},
		{"offset property", clock(`,"frequency":5,"offset-from-origin":{"hours":1}`), `offset-from-origin.hours: got an unknown property, want seconds, cycles`},
		{"origin", clock(`,"frequency":5,"origin":"big-bang"`), `origin: got "big-bang", want unix-epoch or an object`},
		{"origin without uid", clock(`,"frequency":5,"origin":{"name":"n"}`), `origin.uid: got nothing, want the property`},
		{"twice", append(clock(`,"frequency":5`), clock(`,"frequency":5`)...), `id: got "c", want the id of no other clock class`},
		{"precision", clock(`,"frequency":5,"precision":-1`), `precision: got -1, want an integer from 0 to 18446744073709551615`},
	})
}

// payload declares an event with fields: pairs of a name and a field class.
func payload(fields ...string) []string {
	var members []string
	for i := 0; i < len(fields); i += 2 {
		members = append(members, fmt.Sprintf(`{"name":%q,"field-class":%s}`, fields[i], fields[i+1]))
	}
	return []string{
		`{"type":"data-stream-class"}`,
		`{"type":"event-record-class","payload-field-class":{"type":"structure","member-classes":[` + strings.Join(members, ",") + `]}}`,
	}
}

// Field classes for tests.
const (
	u8     = `{"type":"fixed-length-unsigned-integer","length":8,"byte-order":"little-endian"}`
	i8     = `{"type":"fixed-length-signed-integer","length":8,"byte-order":"little-endian"}`
	yes    = `{"type":"fixed-length-boolean","length":8,"byte-order":"little-endian"}`
	str    = `{"type":"null-terminated-string"}`
	byLen  = `{"type":"dynamic-length-string","length-field-location":{"path":["n"]}}`
	member = `payload-field-class.member-classes[0].field-class`
)

func TestClassRules(t *testing.T) {
	bits := func(kind, properties string) []string {
		return payload("f", `{"type":"fixed-length-`+kind+`","byte-order":"big-endian"`+properties+`}`)
	}
	checkRules(t, []rule{
		{"no length", bits("bit-array", ``), member + `.length: got nothing, want the property`},
		{"length 0", bits("bit-array", `,"length":0`), member + `.length: got 0, want an integer from 1 to 64`},
		{"length 64", bits("bit-array", `,"length":64`), ``},
		{"length 65", bits("bit-array", `,"length":65`), member + `.length: got 65, want an integer from 1 to 64`},
		{"no byte order", payload("f", `{"type":"fixed-length-boolean","length":1}`), member + `.byte-order: got nothing, want the property`},
		{"byte order", payload("f", `{"type":"fixed-length-boolean","length":1,"byte-order":"native"}`), member + `.byte-order: got "native", want little-endian, big-endian`},
		{"bit order", bits("bit-array", `,"length":1,"bit-order":"any"`), member + `.bit-order: got "any", want last-to-first, first-to-last`},
		{"alignment", bits("bit-array", `,"length":1,"alignment":12`), member + `.alignment: got 12, want a power of two up to 2147483648`},
		{"alignment 0", bits("bit-array", `,"length":1,"alignment":0`), member + `.alignment: got 0, want a power of two up to 2147483648`},
		{"no flags", bits("bit-map", `,"length":8`), member + `.flags: got nothing, want the property`},
		{"empty flags", bits("bit-map", `,"length":8,"flags":{}`), member + `.flags: got an object, want one flag or more`},
		{"flags that overlap", bits("bit-map", `,"length":8,"flags":{"a":[[0,3]],"b":[[3,4]]}`), ``},
		{"flags of bits", bits("bit-array", `,"length":8,"flags":{"a":[[0,3]]}`), member + `.flags: got an unknown property, want type, length, byte-order, bit-order, alignment, attributes, extensions`},
		{"base", bits("unsigned-integer", `,"length":8,"preferred-display-base":7`), member + `.preferred-display-base: got 7, want 2, 8, 10, 16`},
		{"mappings that overlap", bits("unsigned-integer", `,"length":8,"mappings":{"a":[[0,3]],"b":[[3,4],[3,3]]}`), ``},
		{"empty mappings", bits("unsigned-integer", `,"length":8,"mappings":{}`), ``},
		{"mapping without ranges", bits("unsigned-integer", `,"length":8,"mappings":{"a":[]}`), member + `.mappings.a: got an array of 0, want one range or more`},
		{"range of three", bits("unsigned-integer", `,"length":8,"mappings":{"a":[[1,2,3]]}`), member + `.mappings.a[0]: got an array of 3, want a range of two integers`},
		{"range upside down", bits("signed-integer", `,"length":8,"mappings":{"a":[[1,-1]]}`), member + `.mappings.a[0]: got [1,-1], want the lower bound first`},
		{"range of reals", bits("signed-integer", `,"length":8,"mappings":{"a":[[1, 1.5]]}`), member + `.mappings.a[0]: got [1,1.5], want two integers of 64 bits`},
		{"range too large", bits("signed-integer", `,"length":8,"mappings":{"a":[[0,18446744073709551616]]}`), member + `.mappings.a[0]: got [0,18446744073709551616], want two integers of 64 bits`},
		{"mappings are no object", bits("signed-integer", `,"length":8,"mappings":[]`), member + `.mappings: got an array of 0, want an object`},
		{"ranges are no array", bits("signed-integer", `,"length":8,"mappings":{"a":1}`), member + `.mappings.a: got 1, want an array`},
		{"float of 16 bits", bits("floating-point-number", `,"length":16`), member + `.length: got 16, want 32 or 64: other sizes are not supported`},
		{"layout of a variable length", payload("f", `{"type":"variable-length-unsigned-integer","length":8}`), member + `.length: got an unknown property, want type, attributes, extensions, preferred-display-base, mappings, roles`},
		{"roles of a signed integer", bits("signed-integer", `,"length":8,"roles":[]`), member + `.roles: got an unknown property, want type, length, byte-order, bit-order, alignment, attributes, extensions, preferred-display-base, mappings`},
		{"encoding", payload("f", `{"type":"null-terminated-string","encoding":"latin-1"}`), member + `.encoding: got "latin-1", want utf-8, utf-16be, utf-16le, utf-32be, utf-32le`},
		{"text without length", payload("f", `{"type":"static-length-string"}`), member + `.length: got nothing, want the property`},
		{"length of the Earth", payload("f", `{"type":"static-length-string","length":1152921504606846977}`), member + `.length: got 1152921504606846977, want an integer from 0 to 1152921504606846976`},
		{"array without elements", payload("f", `{"type":"static-length-array","length":1}`), member + `.element-field-class: got nothing, want the property`},
		{"class is no class", payload("f", `7`), member + `: got 7, want an object`},
		{"class without type", payload("f", `{}`), member + `.type: got nothing, want the property`},
		{"unknown class", payload("f", `{"type":"enum"}`), member + `.type: got "enum", want a type of field class`},
		{"empty struct", payload("f", `{"type":"structure"}`), ``},
		{"member twice", payload("f", u8, "f", u8), `payload-field-class.member-classes[1].name: got "f", want the name of no other member`},
		{"members are no array", payload("f", `{"type":"structure","member-classes":1}`), member + `.member-classes: got 1, want an array`},
		{"member is no object", payload("f", `{"type":"structure","member-classes":[1]}`), member + `.member-classes[0]: got 1, want an object`},
		{"minimum alignment", payload("f", `{"type":"structure","minimum-alignment":3}`), member + `.minimum-alignment: got 3, want a power of two up to 2147483648`},
	})
}

func TestAliasRules(t *testing.T) {
	alias := func(name, class string) string {
		return `{"type":"field-class-alias","name":"` + name + `","field-class":` + class + `}`
	}
	double := []string{alias("a0", u8)}
	for i := 1; i < 30; i++ {
		class := fmt.Sprintf(`{"type":"structure","member-classes":[{"name":"a","field-class":"a%d"},{"name":"b","field-class":"a%d"}]}`, i-1, i-1)
		double = append(double, alias(fmt.Sprintf("a%d", i), class))
	}
	deep := []string{alias("a0", u8)}
	for i := 1; i < 2*MaxClassDepth; i++ {
		class := fmt.Sprintf(`{"type":"static-length-array","length":1,"element-field-class":"a%d"}`, i-1)
		deep = append(deep, alias(fmt.Sprintf("a%d", i), class))
	}
	checkRules(t, []rule{
		{"of an alias", append([]string{alias("a", u8), alias("b", `"a"`)}, payload("f", `"b"`)...), ``},
		{"of itself", []string{alias("a", `"a"`)}, `field-class: got "a", want the name of an alias before`},
		{"twice", []string{alias("a", u8), alias("a", u8)}, `name: got "a", want the name of no other alias`},
		{"unknown", payload("f", `"b"`), member + `: got "b", want the name of an alias before`},
		{"no name", []string{`{"type":"field-class-alias","field-class":` + u8 + `}`}, `name: got nothing, want the property`},
		{"no class", []string{`{"type":"field-class-alias","name":"a"}`}, `field-class: got nothing, want the property`},
		{"reference by use", append([]string{alias("a", byLen)}, payload("n", u8, "f", `"a"`)...), ``},
		{"reference that some uses lack", append([]string{alias("a", byLen)}, payload("f", `"a"`)...), `field-class.length-field-location: got "n", want a field that is decoded before`},
		{"doubling", double, `field-class: got another field class, want at most 65536 field classes`},
		{"depth", deep, `field-class: got more levels, want at most 64 levels of field classes`},
	})
}

func TestRoleRules(t *testing.T) {
	const size = `"fixed-length-unsigned-integer","byte-order":"big-endian","length":32,"roles":`
	header := func(classes ...string) []string {
		var members []string
		for i, c := range classes {
			members = append(members, fmt.Sprintf(`{"name":"m%d","field-class":{"type":%s}}`, i, c))
		}
		return []string{`{"type":"trace-class","packet-header-field-class":{"type":"structure","member-classes":[` + strings.Join(members, ",") + `]}}`}
	}
	context := func(scope, roles, clock string) []string {
		return []string{
			`{"type":"clock-class","id":"c","frequency":1}`,
			`{"type":"data-stream-class"` + clock + `,"` + scope + `-field-class":{"type":"structure","member-classes":[{"name":"m","field-class":{"type":` + size + roles + `}}]}}`,
		}
	}
	const withClock = `,"default-clock-class-id":"c"`
	const headerRoles = `packet-magic-number, metadata-stream-uuid, data-stream-class-id, data-stream-id`
	checkRules(t, []rule{
		{"magic", header(size + `["packet-magic-number"]`), ``},
		{"magic again", header(size+`[]`, size+`["packet-magic-number"]`), `packet-header-field-class.member-classes[1].field-class.roles[0]: got "packet-magic-number", want the first member of the packet header`},
		{"magic of 16 bits", header(`"fixed-length-unsigned-integer","byte-order":"big-endian","length":16,"roles":["packet-magic-number"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "packet-magic-number", want an integer of 32 bits`},
		{"ids", header(size+`["data-stream-class-id"]`, size+`["data-stream-id"]`), ``},
		{"unknown", header(size + `["king"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "king", want ` + headerRoles},
		{"of another scope", header(size + `["event-record-class-id"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "event-record-class-id", want ` + headerRoles},
		{"two", header(size + `["data-stream-class-id","data-stream-id"]`), `packet-header-field-class.member-classes[0].field-class.roles[1]: got "data-stream-id", want one role: this and data-stream-class-id together are not supported`},
		{"the same twice", header(size + `["data-stream-class-id","data-stream-class-id"]`), ``},
		{"no names", header(size + `[7]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got 7, want the name of a role`},
		{"no array", header(size + `"x"`), `packet-header-field-class.member-classes[0].field-class.roles: got "x", want an array`},
		{"uuid of an integer", header(size + `["metadata-stream-uuid"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "metadata-stream-uuid", want the role of an integer`},
		{"uuid without one", header(`"static-length-blob","length":16,"roles":["metadata-stream-uuid"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "metadata-stream-uuid", want a preamble with a uuid`},
		{"uuid of 15 bytes", header(`"static-length-blob","length":15,"roles":["metadata-stream-uuid"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "metadata-stream-uuid", want a blob of 16 bytes`},
		{"blob with an id", header(`"static-length-blob","length":16,"roles":["data-stream-id"]`), `packet-header-field-class.member-classes[0].field-class.roles[0]: got "data-stream-id", want the role of a blob`},
		{"blob without roles", header(`"static-length-blob","length":16,"roles":[]`), ``},
		{"begin", context("packet-context", `["default-clock-timestamp"]`, withClock), ``},
		{"end", context("packet-context", `["packet-end-default-clock-timestamp"]`, withClock), ``},
		{"both sizes", context("packet-context", `["packet-content-length","packet-total-length"]`, withClock), ``},
		{"begin without clock", context("packet-context", `["default-clock-timestamp"]`, ``), `packet-context-field-class.member-classes[0].field-class.roles[0]: got "default-clock-timestamp", want a data stream class with a clock`},
		{"time", context("event-record-header", `["default-clock-timestamp"]`, withClock), ``},
		{"time in the common context", context("event-record-common-context", `["default-clock-timestamp"]`, withClock), `event-record-common-context-field-class.member-classes[0].field-class.roles[0]: got "default-clock-timestamp", want no role in event-record-common-context`},
	})
}

func TestReferenceRules(t *testing.T) {
	at := func(location string) string {
		return `{"type":"dynamic-length-string","length-field-location":` + location + `}`
	}
	text := func(path string) string { return at(`{"path":` + path + `}`) }
	structOf := func(name, class string) string {
		return fmt.Sprintf(`{"type":"structure","member-classes":[{"name":%q,"field-class":%s}]}`, name, class)
	}
	optional := func(selector, ranges string) string {
		return `{"type":"optional","selector-field-location":{"path":["` + selector + `"]}` + ranges + `,"field-class":` + str + `}`
	}
	variant := func(selector string, options ...string) string {
		return `{"type":"variant","selector-field-location":{"path":["` + selector + `"]},"options":[` + strings.Join(options, ",") + `]}`
	}
	option := func(name, ranges, class string) string {
		return `{` + name + `"selector-field-ranges":` + ranges + `,"field-class":` + class + `}`
	}
	array := func(class string) string {
		return `{"type":"static-length-array","length":2,"element-field-class":` + class + `}`
	}
	many := make([]string, MaxTargets+1)
	for i := range many {
		many[i] = option("", fmt.Sprintf("[[%d,%d]]", i, i), u8)
	}
	const location = `payload-field-class.member-classes[1].field-class.length-field-location`
	const selector = `payload-field-class.member-classes[1].field-class.selector-field-location`
	const before = `want a field that is decoded before`
	const wantLength = `want a length that is an integer without sign`
	checkRules(t, []rule{
		{"near", payload("n", u8, "f", byLen), ``},
		{"by origin", payload("n", u8, "f", at(`{"origin":"event-record-payload","path":["n"]}`)), ``},
		{"to the parent", payload("n", u8, "f", structOf("g", text(`[null,"n"]`))), ``},
		{"above the scope", payload("n", u8, "f", text(`[null,"n"]`)), location + `.path[0]: got null, want a parent structure`},
		{"later", payload("f", byLen, "n", u8), member + `.length-field-location: got "n", ` + before},
		{"itself", payload("n", u8, "f", text(`["f"]`)), location + `: got "f", ` + before},
		{"its own struct", payload("n", u8, "f", structOf("g", text(`[null,"f"]`))), `payload-field-class.member-classes[1].field-class.member-classes[0].field-class.length-field-location: got "f", ` + before},
		{"later in its own struct", payload("n", u8, "f", structOf("g", text(`[null,"f","h"]`))), `payload-field-class.member-classes[1].field-class.member-classes[0].field-class.length-field-location: got "f.h", ` + before},
		{"through a number", payload("n", u8, "f", text(`["n","m"]`)), location + `: got "n.m", ` + before},
		{"to a struct", payload("n", structOf("m", u8), "f", byLen), location + `: got "n", ` + before},
		{"into a struct", payload("n", structOf("m", u8), "f", text(`["n","m"]`)), ``},
		{"into an array", payload("n", array(structOf("m", u8)), "f", text(`["n","m"]`)), location + `: got "n.m", ` + before},
		{"within an array", payload("n", array(structOf("m", structOf("k", text(`[null, null, "x"]`))))), `payload-field-class.member-classes[0].field-class.element-field-class.member-classes[0].field-class.member-classes[0].field-class.length-field-location: got "x", ` + before},
		{"to a string", payload("n", str, "f", byLen), location + `: got null-terminated-string "n", ` + wantLength},
		{"to a signed integer", payload("n", i8, "f", byLen), location + `: got fixed-length-signed-integer "n", ` + wantLength},
		{"to a boolean", payload("n", yes, "f", byLen), location + `: got fixed-length-boolean "n", ` + wantLength},
		{"to no scope", payload("n", u8, "f", at(`{"origin":"event-record-specific-context","path":["n"]}`)), location + `.origin: got "event-record-specific-context", want a scope that is decoded before`},
		{"to a later scope", []string{`{"type":"data-stream-class","packet-context-field-class":` + structOf("f", at(`{"origin":"event-record-payload","path":["n"]}`)) + `}`}, `packet-context-field-class.member-classes[0].field-class.length-field-location.origin: got "event-record-payload", want a scope that is decoded before`},
		{"unknown origin", payload("n", u8, "f", at(`{"origin":"env","path":["n"]}`)), location + `.origin: got "env", want packet-header, packet-context, event-record-header, event-record-common-context, event-record-specific-context, event-record-payload`},
		{"empty path", payload("n", u8, "f", text(`[]`)), location + `.path: got an array of 0, want one element or more`},
		{"path of numbers", payload("n", u8, "f", text(`[1]`)), location + `.path[0]: got 1, want a name or null`},
		{"null at the end", payload("n", u8, "f", text(`["n",null]`)), location + `.path[1]: got null, want a name at the end`},
		{"no path", payload("n", u8, "f", at(`{}`)), location + `.path: got nothing, want the property`},
		{"location is no object", payload("n", u8, "f", at(`"n"`)), location + `: got "n", want an object`},
		{"no location", payload("n", u8, "f", `{"type":"dynamic-length-blob"}`), location + `: got nothing, want the property`},
		{"boolean selector", payload("n", yes, "f", optional("n", ``)), ``},
		{"integer selector", payload("n", i8, "f", optional("n", `,"selector-field-ranges":[[-3,-1]]`)), ``},
		{"ranges of a boolean", payload("n", yes, "f", optional("n", `,"selector-field-ranges":[[1,1]]`)), `payload-field-class.member-classes[1].field-class.selector-field-ranges: got ranges of a boolean selector, want none`},
		{"no ranges of an integer", payload("n", u8, "f", optional("n", ``)), selector + `: got an integer selector without ranges, want selector-field-ranges`},
		{"string selector", payload("n", str, "f", optional("n", ``)), selector + `: got null-terminated-string "n", want a selector that is an integer or a boolean`},
		{"no selector", payload("f", `{"type":"optional","field-class":`+str+`}`), member + `.selector-field-location: got nothing, want the property`},
		{"no optional class", payload("n", yes, "f", `{"type":"optional","selector-field-location":{"path":["n"]}}`), `payload-field-class.member-classes[1].field-class.field-class: got nothing, want the property`},
		{"variant", payload("n", u8, "f", variant("n", option(`"name":"a",`, `[[0,3],[2,5]]`, str), option(``, `[[6,6]]`, u8))), ``},
		{"variant by a boolean", payload("n", yes, "f", variant("n", option(``, `[[0,3]]`, str))), selector + `: got fixed-length-boolean "n", want a selector that is an integer`},
		{"options that share values", payload("n", i8, "f", variant("n", option(``, `[[-9,-3]]`, str), option(``, `[[5,5],[-3,-3]]`, u8))), `payload-field-class.member-classes[1].field-class.options[1].selector-field-ranges: got values of another option, want other values`},
		{"option within another", payload("n", u8, "f", variant("n", option(``, `[[0,9]]`, str), option(``, `[[20,30]]`, str), option(``, `[[5,5]]`, u8))), `payload-field-class.member-classes[1].field-class.options[2].selector-field-ranges: got values of another option, want other values`},
		{"options of one name", payload("n", i8, "f", variant("n", option(`"name":"a",`, `[[1,1]]`, str), option(`"name":"a",`, `[[2,2]]`, u8))), `payload-field-class.member-classes[1].field-class.options[1].name: got "a", want the name of no other option`},
		{"no options", payload("n", u8, "f", variant("n")), `payload-field-class.member-classes[1].field-class.options: got an array of 0, want one option or more`},
		{"option without ranges", payload("n", u8, "f", variant("n", `{"field-class":`+str+`}`)), `payload-field-class.member-classes[1].field-class.options[0].selector-field-ranges: got nothing, want the property`},
		{"option is no object", payload("n", u8, "f", variant("n", `1`)), `payload-field-class.member-classes[1].field-class.options[0]: got 1, want an object`},
		{"to a variant", payload("n", u8, "v", variant("n", option(``, `[[0,0]]`, u8), option(``, `[[1,1]]`, u8)), "f", text(`["v"]`)), ``},
		{"to options of two signs", payload("n", u8, "v", variant("n", option(``, `[[0,0]]`, u8), option(``, `[[1,1]]`, i8)), "f", `{"type":"optional","selector-field-location":{"path":["v"]},"selector-field-ranges":[[1,1]],"field-class":`+str+`}`), `payload-field-class.member-classes[2].field-class.selector-field-location: got fixed-length-signed-integer "v.#1", want selectors of one kind and sign`},
		{"to too many options", payload("n", u8, "v", variant("n", many...), "f", text(`["v"]`)), `payload-field-class.member-classes[2].field-class.length-field-location: got another field, want at most 64 fields`},
	})
}
