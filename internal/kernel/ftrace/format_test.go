// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const head = "name: e\nID: 7\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"

func TestFieldKinds(t *testing.T) {
	for _, tt := range []struct {
		decl string
		want Field
	}{
		{"int a;\toffset:8;\tsize:4;\tsigned:1;", Field{Type: "int", Name: "a", Offset: 8, Size: 4, Signed: true}},
		{"const char * p;\toffset:8;\tsize:8;\tsigned:0;", Field{Type: "const char *", Name: "p", Offset: 8, Size: 8}},
		{"struct page *p;\toffset:8;\tsize:8;\tsigned:0;", Field{Type: "struct page *", Name: "p", Offset: 8, Size: 8}},
		{"char c[16];\toffset:8;\tsize:16;\tsigned:0;", Field{Type: "char", Name: "c", Offset: 8, Size: 16, Len: 16, Kind: Array}},
		{"unsigned long v[3];\toffset:8;\tsize:24;\tsigned:0;", Field{Type: "unsigned long", Name: "v", Offset: 8, Size: 24, Len: 3, Kind: Array}},
		{"__data_loc char[] s;\toffset:8;\tsize:4;\tsigned:0;", Field{Type: "char", Name: "s", Offset: 8, Size: 4, Kind: DataLoc}},
		{"__rel_loc u32[] s;\toffset:8;\tsize:4;\tsigned:0;", Field{Type: "u32", Name: "s", Offset: 8, Size: 4, Kind: RelLoc}},
		{"__data_loc cpumask_t mask;\toffset:8;\tsize:4;\tsigned:0;", Field{Type: "cpumask_t", Name: "mask", Offset: 8, Size: 4, Kind: DataLoc}},
		{"char buf[];\toffset:8;\tsize:0;\tsigned:0;", Field{Type: "char", Name: "buf", Offset: 8, Kind: Open}},
		// What no kernel that was seen writes.
		{"char c[TASK_COMM_LEN];\toffset:8;\tsize:16;\tsigned:0;", Field{Type: "char", Name: "c", Offset: 8, Size: 16, Len: 16, Kind: Array}},
		{"u32 c[N];\toffset:8;\tsize:16;\tsigned:1;", Field{Type: "u8", Name: "c", Offset: 8, Size: 16, Len: 16, Kind: Array}},
		{"struct s c;\toffset:8;\tsize:12;\tsigned:0;", Field{Type: "u8", Name: "c", Offset: 8, Size: 12, Len: 12, Kind: Array}},
		{"u32 c[3];\toffset:8;\tsize:16;\tsigned:0;", Field{Type: "u8", Name: "c", Offset: 8, Size: 16, Len: 16, Kind: Array}},
		{"__data_loc char[] s;\toffset:8;\tsize:8;\tsigned:0;", Field{Type: "char", Name: "s", Offset: 8, Size: 8, Len: 8, Kind: Array}},
		{"int a;\toffset:8;\tsize:0;\tsigned:0;", Field{Type: "u8", Name: "a", Offset: 8, Kind: Open}},
	} {
		f, err := ParseFormat("sys", []byte(head+"\tfield:"+tt.decl+"\n\nprint fmt: \"\"\n"))
		check(t, err)
		if len(f.Fields) != 1 || f.Fields[0] != tt.want {
			t.Errorf("%s = %+v, want %+v", tt.decl, f.Fields, tt.want)
		}
	}
}

func TestBadFormats(t *testing.T) {
	good := head + "\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n"
	for _, tt := range []struct{ old, now, want string }{
		{"name: e\n", "", "format of sys:?: got \"none\", want a line name:"},
		{"ID: 7", "ID: 70000", "format of sys:e: line 2 got \"70000\", want an id of 16 bits"},
		{"ID: 7\n", "", "format of sys:e: got \"none\", want a line ID:"},
		{"ID: 7\n", "IT: 7\n", "format of sys:e: line 2 got \"IT: 7\", want name:, ID: or format:"},
		{"format:\n", "", "format of sys:e: line 3 got \"\\tfield:unsigned short common_type;\\toffset:0;\\tsize:2;\\tsigned:0;\", want name:, ID: or format:"},
		{"print fmt: \"\"\n", "", "format of sys:e: got \"none\", want a line print fmt:"},
		{"int a", "inta", "format of sys:e: line 6 got \"inta\", want a type and a name"},
		{"int a", "int a[3", "format of sys:e: line 6 got \"int a[3\", want a type and a name"},
		{"offset:8", "offset:-8", "format of sys:e: line 6 got \"-8\", want an offset in a record"},
		{"size:4", "size:9999999", "format of sys:e: line 6 got \"9999999\", want a size in a record"},
		{"signed:1", "signed:2", "format of sys:e: line 6 got \"2;\", want signed:0; or signed:1;"},
		{"\tfield:int", "field:int", "format of sys:e: line 6 got \"field:int a;\\toffset:8;\\tsize:4;\\tsigned:1;\", want a field"},
	} {
		if !strings.Contains(good, tt.old) {
			t.Fatalf("%q is not in the text", tt.old)
		}
		_, err := ParseFormat("sys", []byte(strings.Replace(good, tt.old, tt.now, 1)))
		var format *FormatError
		if !errors.As(err, &format) || err.Error() != tt.want {
			t.Errorf("%q for %q: %v, want %s", tt.now, tt.old, err, tt.want)
		}
	}
}

func TestFormatsCutAtEveryByte(t *testing.T) {
	for name, text := range files(t, "formats") {
		print := strings.Index(string(text), "print fmt: ")
		for n := range len(text) {
			if f, err := ParseFormat("sys", text[:n]); err == nil {
				if n < print+len("print fmt: ") {
					t.Fatalf("%s: no error for %d bytes", name, n)
				}
				f.Display()
			}
		}
	}
}

func TestDisplay(t *testing.T) {
	for _, tt := range []struct {
		print   string
		base    map[string]uint8
		symbols map[string][]Symbol
	}{
		{`"%d %x", REC->a, REC->b`, map[string]uint8{"b": 16}, nil},
		{`"100%% %s" " %#lx", __get_str(a), ((unsigned long)(REC->b))`, map[string]uint8{"b": 16}, nil},
		{`"%*d %x %p", REC->w, REC->a, REC->b, (void *)REC->c`, map[string]uint8{"b": 16, "c": 16}, nil},
		{`"%s, \" %x", REC->a, f(REC->x, 1), REC->c`, map[string]uint8{}, nil},
		{`"mode 0%o %lo", REC->a, (unsigned long) REC->b`, map[string]uint8{"a": 8, "b": 8}, nil},
		{`"%x", REC->a + 1`, map[string]uint8{}, nil},
		{
			`"%s", __print_symbolic(REC->a, { 1, "one" }, { (1u << 1), "two, \"2\"" }, { -1ULL, "minus" })`, nil,
			map[string][]Symbol{"a": {{1, "one"}, {2, `two, "2"`}, {^uint64(0), "minus"}}},
		},
		{
			`"%s", __print_symbolic((int)(REC->a), {( unsigned long)(( gfp_t)((((1UL))) << (2))), "x"}, { -1, 0 })`, nil,
			map[string][]Symbol{"a": {{4, "x"}}},
		},
		{`"%s", __print_symbolic(REC->a & 3, { 1, "one" })`, nil, nil},
		{`"%s", __print_symbolic(REC->a, { ONE, "one" })`, nil, nil},
		{`"%s", __print_symbolic(REC->a, { 0x1`, nil, nil},
		{`"%`, nil, nil},
		{``, nil, nil},
	} {
		f := Format{Print: tt.print}
		got := f.Display()
		if tt.base == nil {
			tt.base = map[string]uint8{}
		}
		if tt.symbols == nil {
			tt.symbols = map[string][]Symbol{}
		}
		if !reflect.DeepEqual(got.Base, tt.base) || !reflect.DeepEqual(got.Symbols, tt.symbols) {
			t.Errorf("%s: %v, want %v %v", tt.print, got, tt.base, tt.symbols)
		}
	}
}

func TestConstant(t *testing.T) {
	for _, tt := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"7", 7, true},
		{" 0x1F ", 31, true},
		{"010", 8, true},
		{"1UL << 3 | 1", 9, true},
		{"(( gfp_t)2) + 3 * 4 - 1", 13, true},
		{"~0ULL", ^uint64(0), true},
		{"6 & 3 ^ 1 >> 0", 3, true},
		{"A", 0, false},
		{"1 2", 0, false},
		{"(1", 0, false},
		{"1_0", 0, false},
		{"", 0, false},
		{strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), 0, false},
	} {
		if got, ok := constant(tt.text); ok != tt.ok || ok && got != tt.want {
			t.Errorf("constant(%.40q) = %d, %v, want %d, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, text := range files(f, "formats") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		format, err := ParseFormat("sys", text)
		if err != nil {
			return
		}
		format.Display()
		for _, field := range format.Fields {
			if field.ElementSize(8) < 1 && field.Size > 0 || field.End() < field.Offset {
				t.Errorf("field %+v", field)
			}
		}
	})
}
