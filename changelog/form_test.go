// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-io/weir/changelog"
	"pgregory.net/rapid"
)

// form is a format with the part of a record that it keeps.
type form struct {
	name   string
	encode func([]byte, *changelog.Record) []byte
	decode func([]byte, *changelog.Record) error
	keeps  func(changelog.Record) changelog.Record
}

var forms = []form{
	{"native", changelog.AppendNative, changelog.DecodeNative, func(r changelog.Record) changelog.Record { return r }},
	{"lustre", changelog.AppendLustre, changelog.DecodeLustre, lustrePart},
	{"json", changelog.AppendJSON, changelog.DecodeJSON, jsonPart},
	{"text", changelog.AppendText, changelog.ParseText, textPart},
}

// lustrePart is what changelog_rec has room for.
func lustrePart(r changelog.Record) changelog.Record {
	if r.Type != changelog.HSM {
		r.Flags &= 0xFF
	}
	r.Has &= changelog.HasUser | changelog.HasNID | changelog.HasOpen
	r.Path, r.SourcePath, r.Link = nil, nil, nil
	r.Attr, r.Proc, r.Merged, r.Edge = changelog.Attr{}, changelog.Proc{}, 0, changelog.EdgeNone
	r.Host, r.Reint = [16]byte{}, changelog.Reint{}
	if r.Mark != nil {
		r.Mark = &changelog.Marker{Kind: r.Mark.Kind}
	}
	return r
}

// jsonPart is what JSON tells apart: not an unknown user from none, for one.
func jsonPart(r changelog.Record) changelog.Record {
	if r.UID == changelog.Unknown && r.GID == changelog.Unknown {
		r.Has &^= changelog.HasUser
		r.UID, r.GID = 0, 0
	}
	if r.Merged == 0 && r.Flags&changelog.FlagMerged != 0 && r.Type != changelog.HSM {
		r.Merged = 1
	}
	return r
}

// textPart is what the text form has room for.
func textPart(r changelog.Record) changelog.Record {
	flags, mark := r.Flags, r.Mark
	r = lustrePart(r)
	r.Flags = flags
	if mark != nil && len(r.Name) == 0 && regexp.MustCompile(`^[a-z_]{1,64}$`).MatchString(mark.Reason) {
		r.Mark.Reason = mark.Reason
	}
	r.Open &= changelog.OpenRead | changelog.OpenWrite | changelog.OpenExec
	r.Prev = 0
	return r
}

func TestRoundTrip(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			r := genRecord().Draw(t, "record")
			if f.name == "text" {
				r = textRecord(r)
			}
			b := f.encode([]byte("before"), &r)[len("before"):]
			if f.name == "json" && !json.Valid(b) {
				t.Fatalf("not JSON: %s", b)
			}
			var got changelog.Record
			if err := f.decode(b, &got); err != nil {
				t.Fatalf("decode(%q): %v", b, err)
			}
			if diff := cmp.Diff(f.keeps(r), got); diff != "" {
				t.Fatalf("%q\nrecord changed (-want +got):\n%s", b, diff)
			}
			if again := f.encode(nil, &got); f.name != "lustre" && !bytes.Equal(again, b) {
				t.Fatalf("encoded again:\n%q\nwant\n%q", again, b)
			}
		}))
	}
}

// textRecord takes out of a record what makes its text ambiguous: ParseText tells
// what that is.
func textRecord(r changelog.Record) changelog.Record {
	spaced := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(" "), []byte("_")) }
	if r.Job != nil {
		r.Job = spaced(r.Job)
	}
	if r.Xattr != nil {
		r.Xattr = spaced(r.Xattr)
	}
	if r.Parent.IsZero() {
		r.Parent.Ver = 1
	}
	if r.Source.IsZero() {
		r.SourceParent, r.SourceName = changelog.FID{}, nil
	}
	return r
}

// TestOddNames carries each name that formats trip over through all of them, at
// every place that a name can have.
func TestOddNames(t *testing.T) {
	names := append([]string{strings.Repeat("n", 255), strings.Repeat("\xff", 255), strings.Repeat("\n", 255)}, oddNames...)
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for _, name := range names {
				r := changelog.Record{
					Index: 7, Type: changelog.Rename, Name: []byte(name), SourceName: []byte(name),
					Path: []byte("d/" + name), SourcePath: []byte("e/" + name), Link: []byte(name), Xattr: []byte("user.x"),
					Parent: changelog.FID{Seq: 1, Ver: 2}, Source: changelog.FID{Seq: 3}, SourceParent: changelog.FID{Seq: 1, Ver: 2},
				}
				var got changelog.Record
				if err := f.decode(f.encode(nil, &r), &got); err != nil {
					t.Errorf("name %q: %v", name, err)
					continue
				}
				if diff := cmp.Diff(f.keeps(r), got); diff != "" {
					t.Errorf("name %q changed (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// TestLongPaths looks at records that are too large for a record.
func TestLongPaths(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte("\x01"), n) } // six bytes each in JSON
	for _, tt := range []struct {
		name         string
		path, source int
		cut          bool
	}{
		{"at the limit", changelog.PathMax, 0, false},
		{"above the limit", changelog.PathMax + 1, 0, true},
		{"old path above the limit", 10, changelog.PathMax + 1, true},
		{"both at the limit", changelog.PathMax, changelog.PathMax, true},
		{"far above", 1 << 20, 1 << 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := changelog.Record{
				Type: changelog.Rename, Name: long(255), SourceName: long(255), Link: long(4095), Job: long(31), Xattr: long(255),
				Path: long(tt.path), SourcePath: long(tt.source),
				Has: changelog.HasAttr | changelog.HasHost | changelog.HasNID | changelog.HasOpen | changelog.HasProc | changelog.HasReint |
					changelog.HasUser,
				Merged: 9, Edge: changelog.EdgeIn,
			}
			for _, f := range forms[:3] {
				b := f.encode(nil, &r)
				var got changelog.Record
				if err := f.decode(b, &got); err != nil {
					t.Fatalf("%s: %v", f.name, err)
				}
				if f.name == "lustre" {
					continue
				}
				if f.name == "native" && len(b) > changelog.RecordMax {
					t.Errorf("native record of %d bytes, want at most %d", len(b), changelog.RecordMax)
				}
				if cut := got.Has&changelog.PathCut != 0; cut != tt.cut {
					t.Errorf("%s: PathCut is %v, want %v", f.name, cut, tt.cut)
				}
				if !bytes.HasPrefix(r.Path, got.Path) || !bytes.HasPrefix(r.SourcePath, got.SourcePath) {
					t.Errorf("%s: paths are not the begin of what they were", f.name)
				}
				if tt.cut == (len(got.Path) == tt.path && len(got.SourcePath) == tt.source) {
					t.Errorf("%s: paths of %d and %d bytes of %d and %d", f.name, len(got.Path), len(got.SourcePath), tt.path, tt.source)
				}
			}
		})
	}
}

// TestLargestMark looks at the record of a mark with texts of all lengths.
func TestLargestMark(t *testing.T) {
	text := strings.Repeat("\x01", 5000)
	r := changelog.Record{Type: changelog.Mark, Path: []byte(text), Mark: &changelog.Marker{
		Kind: changelog.MarkGap, Feed: text, Reason: text, UUID: text, Device: text, Dir: text, Mask: changelog.AllMask,
	}}
	b := changelog.AppendNative(nil, &r)
	var got changelog.Record
	if err := changelog.DecodeNative(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Mark.Dir) != 1024 || !strings.HasPrefix(text, got.Mark.Dir) {
		t.Errorf("path of %d bytes, want its first 1024", len(got.Mark.Dir))
	}
}

// TestCut cuts a record of each form at every byte: only what is left of a text may
// be read, and never as the whole record.
func TestCut(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for _, r := range sampleRecords() {
				b := f.encode(nil, &r)
				rest, err := changelog.LustreLen(b) // where the blocks begin
				if f.name == "native" && err != nil {
					t.Fatal(err)
				}
				for n := range b {
					var got changelog.Record
					err := f.decode(b[:n:n], &got)
					if err == nil && f.name == "text" {
						continue // ends where a name may end
					}
					if err == nil && f.name == "native" && (n == rest || bytes.Equal(f.encode(nil, &got), b[:n])) {
						continue // ends where a block ends: only the frame around a record tells how many there are
					}
					if err == nil {
						t.Errorf("%v: %d of %d bytes were read as a record", r.Type, n, len(b))
					}
				}
				for _, more := range []string{"\x00", "x", "\x01\x00\xff\xff"} {
					var got changelog.Record
					if err := f.decode(append(b[:len(b):len(b)], more...), &got); err == nil && f.name != "text" {
						t.Errorf("%v: %q behind the record was not seen", r.Type, more)
					}
				}
			}
		})
	}
}
