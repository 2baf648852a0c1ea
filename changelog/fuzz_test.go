// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-io/weir/changelog"
)

// fuzzForm feeds a decoder: what it takes must come back from the encoder as the
// same record, what it refuses must be refused with a place in the input.
func fuzzForm(f *testing.F, form form) {
	for _, r := range sampleRecords() {
		f.Add(form.encode(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		var got changelog.Record
		err := form.decode(b, &got)
		if !bytes.Equal(before, b) {
			t.Fatal("the decoder changed its input")
		}
		if err != nil {
			checkError(t, err, len(b))
			return
		}
		if form.name == "json" && !json.Valid(b) {
			t.Fatalf("not JSON: %q", b)
		}
		again := form.encode(nil, &got)
		var second changelog.Record
		if err := form.decode(again, &second); err != nil {
			if form.name == "text" {
				return // names that do not stand apart from what follows
			}
			t.Fatalf("%q was read, written as %q and then refused: %v", b, again, err)
		}
		if form.name == "text" {
			return
		}
		if diff := cmp.Diff(form.keeps(got), second); diff != "" {
			t.Fatalf("%q was read, written and read as another record (-first +second):\n%s", b, diff)
		}
	})
}

func checkError(t *testing.T, err error, size int) {
	t.Helper()
	e, ok := errors.AsType[*changelog.Error](err)
	if !ok {
		t.Fatalf("error of type %T: %v", err, err)
	}
	if e.Offset < 0 || e.Offset > size || e.Got == "" || e.Want == "" || e.Form == "" {
		t.Fatalf("error without its place in %d bytes: %+v", size, e)
	}
}

func FuzzNative(f *testing.F) { fuzzForm(f, forms[0]) }
func FuzzLustre(f *testing.F) { fuzzForm(f, forms[1]) }
func FuzzJSON(f *testing.F)   { fuzzForm(f, forms[2]) }
func FuzzText(f *testing.F)   { fuzzForm(f, forms[3]) }

// FuzzWords feeds the parsers of short texts: what they take is printed in a form
// that they take for the same.
func FuzzWords(f *testing.F) {
	for _, s := range []string{
		"[0x1:0x2:0x3]", "0:0x0:0xFF", "192.0.2.7@tcp1", "2001:db8::1@o2ib", "0@lo", "<?>", "*", "7@gni", "::ffff:1.2.3.4@tcp",
		"0x0002000000000000000000000000000000000001", "CREAT,UNLNK", "-CLOSE+ATIME", "all", "creat mkdir", "", "+", "[", "@",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := changelog.ParseFID(s); err != nil {
			checkError(t, err, len(s))
		} else if again, err := changelog.ParseFID(v.String()); err != nil || again != v {
			t.Fatalf("ParseFID(%q) = %v, then %v, %v", s, v, again, err)
		}
		if v, err := changelog.ParseNID(s); err != nil {
			checkError(t, err, len(s))
		} else if again, err := changelog.ParseNID(v.String()); err != nil || again != v {
			t.Fatalf("ParseNID(%q) = %v, then %v, %v", s, v, again, err)
		}
		if v, err := changelog.ParseMask(s); err != nil {
			checkError(t, err, len(s))
		} else if again, err := changelog.ParseMask(v.String()); err != nil || again != v {
			t.Fatalf("ParseMask(%q) = %v, then %v, %v", s, v, again, err)
		}
		if v, err := changelog.ParseType(s); err != nil {
			checkError(t, err, len(s))
		} else if again, err := changelog.ParseType(v.String()); err != nil || again != v {
			t.Fatalf("ParseType(%q) = %v, then %v, %v", s, v, again, err)
		}
	})
}

// FuzzReint takes blocks apart and puts them together again.
func FuzzReint(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(r.Reint[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var block changelog.Reint
		copy(block[:], b)
		fields, err := block.Fields()
		if err != nil {
			checkError(t, err, len(block))
			return
		}
		again, ok := fields.Block()
		if !ok {
			t.Fatalf("no block of %+v", fields)
		}
		if second, err := again.Fields(); err != nil || second != fields {
			t.Fatalf("fields changed: %+v, then %+v, %v", fields, second, err)
		}
	})
}

// FuzzHandle turns handles into FIDs and back.
func FuzzHandle(f *testing.F) {
	f.Add(int32(1), []byte{1, 0, 0, 0, 2, 0, 0, 0})
	f.Add(int32(1), []byte{2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Add(int32(0x81), []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0})
	f.Add(int32(0x4d), []byte{1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, typ int32, b []byte) {
		fid, ok := changelog.FIDOfHandle(typ, b)
		if !ok {
			return
		}
		for _, kind := range []changelog.FSKind{changelog.FSExt4, changelog.FSXFS, changelog.FSBtrfs, changelog.FSTmpfs} {
			if h, ok := changelog.HandleOf(fid, kind); ok && h.Type == typ && bytes.Equal(h.Bytes(), b) {
				return
			}
		}
		t.Fatalf("handle %#x %x is FID %v, which no file system makes the same handle of", typ, b, fid)
	})
}
