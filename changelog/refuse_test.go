// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
)

// TestNativeRefuses changes bytes of a record and looks for the error that says so.
func TestNativeRefuses(t *testing.T) {
	r := changelog.Record{
		Index: 1, Type: changelog.Create, Name: []byte("name"), Path: []byte("path"), Job: []byte("j"), Edge: changelog.EdgeIn,
		Has: changelog.HasUser | changelog.HasNID | changelog.HasProc,
	}
	good := changelog.AppendNative(nil, &r) // 64, job 32, extra 8, user 16, nid 24, name 4, pad 4: blocks from 152 on
	patch := func(at int, bytes string) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[at:], bytes)
			return b
		}
	}
	for _, tt := range []struct {
		name, want string
		change     func([]byte) []byte
	}{
		{"no version", "flags at offset 2: got 0xc000, want flag 0x1000", patch(3, "\xc0")},
		{"type", "type at offset 4: got 25, want at most 24", patch(4, "\x19")},
		{"nanoseconds", "time at offset 24: got 0 s, 1073741823 ns, want at most", patch(24, "\xff\xff\xff\x3f")},
		{"seconds", "time at offset 24: got 17179869183 s", patch(24, "\x00\x00\x00\xc0\xff\xff\xff\xff")},
		{"name length", "name at offset 144: got 77 bytes, want 65535", patch(0, "\xff\xff")},
		{"job without end", "jobid at offset 64: got", patch(64, strings.Repeat("j", 32))},
		{"extra flags", "extra flags at offset 96: got 0x33, want none but 0x1f", patch(96, "\x33")},
		{"uid", "uid at offset 104: got 4294967296, want at most 4294967295", patch(104, "\x00\x00\x00\x00\x01")},
		{"gid", "gid at offset 112: got 4294967296, want at most 4294967295", patch(112, "\x00\x00\x00\x00\x01")},
		{"zero in name", "name at offset 145: got a zero, want none in a record that is not a rename", patch(145, "\x00")},
		{"padding", "padding at offset 149: got 0x01, want 0", patch(149, "\x01")},
		{"block cut", "path at offset 156: got 65 bytes, want 255", patch(154, "\xff\x00")},
		{"zero in path", "path at offset 157: got a zero, want none", patch(157, "\x00")},
		{"second path", "path at offset 160: got a second one, want one", patch(160, "\x03")},
		{"proc size", "proc at offset 162: got 51 bytes, want 52", patch(162, "\x33")},
		{"proc by", "proc by at offset 196: got 6, want at most 5", patch(196, "\x06")},
		{"edge", "edge at offset 220: got 3, want 1 or 2", patch(220, "\x03")},
		{"edge none", "edge at offset 220: got 0, want 1 or 2", patch(220, "\x00")},
		{"mark in another type", "mark at offset 220: got a mark, want none in a record of type CREAT", func(b []byte) []byte {
			return append(b[:216], "\x07\x00\x10\x00{\"kind\":\"start\"}"...)
		}},
		{"padding alone", "padding at offset 152: got the end, want a block", func(b []byte) []byte { return b[:152] }},
		{"empty", "header at offset 0: got 0 bytes, want 64", func(b []byte) []byte { return nil }},
		{"too large", "got 65537 bytes, want at most 65536", func(b []byte) []byte { return append(b, make([]byte, 65537-len(b))...) }},
	} {
		var got changelog.Record
		err := changelog.DecodeNative(tt.change(append([]byte(nil), good...)), &got)
		if err == nil || !strings.Contains(err.Error(), "native record: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	// What a later version adds is skipped.
	later := append(append([]byte(nil), good...), "\x63\x00\x03\x00new"...)
	var got changelog.Record
	if err := changelog.DecodeNative(later, &got); err != nil {
		t.Errorf("block 99: %v", err)
	}
}

func TestRenameRefuses(t *testing.T) {
	r := changelog.Record{Type: changelog.Rename, Name: []byte("new"), SourceName: []byte("old")}
	b := changelog.AppendNative(nil, &r)
	for _, tt := range []struct {
		name, want string
		at         int
		bytes      string
	}{
		{"third name", "sname at offset 101: got a zero, want one in all the names", 101, "\x00"},
		{"name area", "name at offset 96: got 7 bytes, want 8", 0, "\x08"},
	} {
		bad := append([]byte(nil), b...)
		copy(bad[tt.at:], tt.bytes)
		var got changelog.Record
		if err := changelog.DecodeNative(bad, &got); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestJSONRefuses(t *testing.T) {
	const head = `{"i":8,"t":"2026-11-20T10:00:00.123456789Z","type":"RENME","n":8,"fl":1`
	for _, tt := range []struct{ name, text, want string }{
		{"no index", `{"t":"2026-11-20T10:00:00Z","type":"RENME","n":8,"fl":1}`, "i at offset 0: got none, want one"},
		{"null", head + `,"name":null}`, `name at offset 79: got "n", want a string`},
		{"number for a string", head + `,"name":5}`, `got "5", want a string`},
		{"string for a number", head + `,"uid":"5"}`, `uid at offset 78: got "\"", want a number`},
		{"fraction", head + `,"uid":1.5}`, `got "1.5", want an integer from 0 of 32 bits`},
		{"exponent", head + `,"uid":1e3}`, `got "1e3", want an integer`},
		{"negative", head + `,"uid":-1}`, `got "-1", want an integer`},
		{"too large", head + `,"uid":4294967296}`, `of 32 bits`},
		{"leading zero", head + `,"uid":01}`, "a number"},
		{"twice", head + `,"i":8}`, "i at offset 72: got a second one, want one"},
		{"both keys", head + `,"name":"a","name_b64":"YQ=="}`, "name at offset 0: got name and name_b64, want one of them"},
		{"type and number", strings.Replace(head, `"n":8`, `"n":7`, 1) + "}", "n at offset 0: got 7, want 8, which RENME is"},
		{"type", strings.Replace(head, "RENME", "renme", 1) + "}", `type at offset 51: got "renme"`},
		{"flags", strings.Replace(head, `"fl":1`, `"fl":4096`, 1) + "}", "12 bits"},
		{"synth", head + `,"synth":true}`, "synth at offset 0: got true, want flag 0x100 in fl"},
		{"bool", head + `,"synth":1}`, "want true or false"},
		{"base64", head + `,"name_b64":"Y*=="}`, "want base64"},
		{"base64 line", head + `,"name_b64":"YQ\n=="}`, "want base64"},
		{"base64 bits", head + `,"name_b64":"YR=="}`, "want base64"},
		{"long name", head + `,"name":"` + strings.Repeat("n", 256) + `"}`, "got 256 bytes, want at most 255"},
		{"zero in name", head + `,"name":"a\u0000b"}`, "got a zero"},
		{"half a pair", head + `,"name":"\ud800"}`, "surrogate"},
		{"half a pair and a letter", head + `,"name":"\ud800\u0041"}`, "surrogate"},
		{"not UTF-8", head + ",\"name\":\"\xff\"}", "want UTF-8"},
		{"control character", head + ",\"name\":\"\n\"}", "control character 0x0a"},
		{"escape", head + `,"name":"\x"}`, "want an escape"},
		{"fid", head + `,"tfid":"[1:2:3]"}`, "want [0xSEQ:0xOID:0xVER]"},
		{"nid", head + `,"nid":"here"}`, "ADDRESS@NETWORK"},
		{"time", strings.Replace(head, "10:00:00", "24:00:00", 1) + "}", "want a time"},
		{"time zone", strings.Replace(head, "789Z", "789+01:00", 1) + "}", "want a time"},
		{"date", strings.Replace(head, "11-20", "02-30", 1) + "}", "want a time"},
		{"open", head + `,"open":"rr"}`, "letters of rwx"},
		{"open flags alone", head + `,"open_flags":8}`, "none without open"},
		{"mode", head + `,"attr":{"mode":"0189"}}`, "octal"},
		{"mode is a number", head + `,"attr":{"mode":644}}`, "want a string"},
		{"size is a number", head + `,"attr":{"size":3}}`, "size at offset"},
		{"valid", head + `,"attr":{"valid":["modes"]}}`, `got "modes", want an attribute`},
		{"by", head + `,"proc":{"by":"magic"}}`, "none, pidfd, proc"},
		{"mark", head + `,"mark":{"kind":"gap"}}`, "none in a record of type RENME"},
		{"mark without kind", strings.NewReplacer("RENME", "MARK", `"n":8`, `"n":0`).Replace(head) + `,"mark":{}}`, "kind at offset 78: got none"},
		{"mark of no kind", strings.NewReplacer("RENME", "MARK", `"n":8`, `"n":0`).Replace(head) + `,"mark":{"kind":"x"}}`, "a kind of marks"},
		{"edge", head + `,"edge":"over"}`, "in or out"},
		{"host", head + `,"host":"00"}`, "32 hexadecimal digits"},
		{"reint", head + `,"reint":"AAAA"}`, "got 3 bytes, want 136"},
		{"deep", head + `,"new":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", "at most 64 values in each other"},
		{"behind", head + `}}`, `got "}", want the end`},
		{"array", `[]`, `got "[", want an object`},
		{"empty", ``, "got the end, want an object"},
		{"large", strings.Repeat(" ", changelog.JSONMax+1), "got 524289 bytes, want at most 524288"},
		{"trailing comma", head + `,}`, "want a string"},
		{"no colon", head + `,"a" 1}`, "want a colon"},
		{"word", head + `,"a":nul}`, "want a value"},
	} {
		var got changelog.Record
		err := changelog.DecodeJSON([]byte(tt.text), &got)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
			continue
		}
		checkError(t, err, len(tt.text))
	}
	var got changelog.Record
	ok := " " + head + ` , "later" : {"a":[1,-2.5e+3,true,false,null,"\u00e9\ud83d\ude00"],"b":{}}, "later":1, "name":"\/\u0041"} ` + "\n"
	if err := changelog.DecodeJSON([]byte(ok), &got); err != nil || string(got.Name) != "/A" {
		t.Errorf("unknown members: name %q, %v", got.Name, err)
	}
}

func TestTextRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", `index at offset 0: got ""`},
		{"index", "x 01CREAT", `index at offset 0: got "x"`},
		{"type", "1 01CREATE 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0]", `type at offset 2: got "01CREATE"`},
		{"number of type", "1 02CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0]", `type at offset 2: got "02CREAT"`},
		{"time", "1 01CREAT 10:00:60.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0]", "time at offset 10"},
		{"date", "1 01CREAT 10:00:00.000000000 2026.02.30 0x0 t=[0x1:0x0:0x0]", "time at offset 10"},
		{"flags", "1 01CREAT 10:00:00.000000000 2026.11.20 0x1000 t=[0x1:0x0:0x0]", "flags at offset 40"},
		{"no target", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 p=[0x1:0x0:0x0]", "t at offset 44"},
		{"target", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=0x1:0x0:0x0", "t at offset 46"},
		{"extra", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] ef=0x20", "ef at offset 63"},
		{"user", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] ef=0x1 u=1", "u at offset 69"},
		{"user missing", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] ef=0x1 nid=0@lo", "as ef=0x1 says"},
		{"nid", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] ef=0x2 nid=x", "nid at offset 71"},
		{"open", "1 10OPEN  10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] ef=0x4 m=xwr", "m at offset 69"},
		{"job", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] j=" + strings.Repeat("j", 32), "j at offset 62: got 32 bytes"},
		{"long name", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] p=[0x1:0x0:0x0] " + strings.Repeat("n", 256), "name at offset 76: got 256 bytes"},
		{"zero", "1 01CREAT 10:00:00.000000000 2026.11.20 0x0 t=[0x1:0x0:0x0] p=[0x1:0x0:0x0] a\x00", "name at offset 77: got a zero"},
		{"ambiguous", "1 08RENME 10:00:00.000000000 2026.11.20 0x0 t=[0:0x0:0x0] a s=[0x1:0x0:0x1] sp=[0x1:0x0:0x1] b s=[0x1:0x0:0x1] sp=[0x1:0x0:0x1] c", "the names cannot be told apart"},
	} {
		var got changelog.Record
		err := changelog.ParseText([]byte(tt.text), &got)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
			continue
		}
		checkError(t, err, len(tt.text))
	}
}
