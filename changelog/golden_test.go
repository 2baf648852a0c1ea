// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/weir-io/weir/changelog"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// TestGolden compares a record of each type, and a mark of each kind, in every form
// with the bytes that were once written: readers of other versions have them.
func TestGolden(t *testing.T) {
	for _, r := range sampleRecords() {
		name := r.Type.String()
		if r.Mark != nil {
			name += "-" + r.Mark.Kind.String()
		}
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "golden", name+".txtar")
			if *update {
				writeGolden(t, path, r)
			}
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) != len(forms) {
				t.Fatalf("%s: %d forms, want %d", path, len(archive.Files), len(forms))
			}
			for i, f := range forms {
				if archive.Files[i].Name != f.name {
					t.Fatalf("%s: form %s, want %s", path, archive.Files[i].Name, f.name)
				}
				want := readGolden(t, f, archive.Files[i].Data)
				if got := f.encode(nil, &r); !bytes.Equal(got, want) {
					t.Errorf("%s: encoded\n%q\nwant\n%q", f.name, got, want)
				}
				var got changelog.Record
				if err := f.decode(want, &got); err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
				if diff := cmp.Diff(f.keeps(r), got); diff != "" {
					t.Errorf("%s: decoded (-want +got):\n%s", f.name, diff)
				}
			}
		})
	}
}

// Binary forms stand in the files as hexadecimal digits, 32 bytes a line.
func isBinary(f form) bool { return f.name == "native" || f.name == "lustre" }

func readGolden(t *testing.T, f form, data []byte) []byte {
	t.Helper()
	text := strings.TrimSuffix(string(data), "\n")
	if !isBinary(f) {
		return []byte(text)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeGolden(t *testing.T, path string, r changelog.Record) {
	t.Helper()
	archive := &txtar.Archive{Comment: []byte("The record " + r.Type.String() + " in all forms.\n")}
	for _, f := range forms {
		b := f.encode(nil, &r)
		text := string(b) + "\n"
		if isBinary(f) {
			var lines strings.Builder
			for line := range chunks(b, 32) {
				fmt.Fprintf(&lines, "%x\n", line)
			}
			text = lines.String()
		}
		archive.Files = append(archive.Files, txtar.File{Name: f.name, Data: []byte(text)})
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func chunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// TestLayout compares a record with bytes that were put together by hand from the
// tables of the format, not by the encoder.
func TestLayout(t *testing.T) {
	r := changelog.Record{
		Index: 0x1122334455667788, Prev: 3, Time: 5e9 + 7, Type: changelog.Rename, Flags: changelog.FlagLast | changelog.FlagSynth,
		Target: fid(0x10, 0, 0x485F11E0), Parent: fid(0x2001, 1, 0xAB74C07D), Name: []byte("a2"),
		Source: fid(0xC, 0, 2), SourceParent: fid(0xB, 0, 4), SourceName: []byte("a"), Path: []byte("d2/a2"),
		Has: changelog.HasUser | changelog.HasNID | changelog.HasOpen, UID: 1000, GID: 1001, Job: []byte("cp.1000"),
		NID: changelog.NID{0, 2, 0, 1, 192, 0, 2, 7}, Open: 5, Xattr: []byte("user.x"), Merged: 6,
	}
	zeros := func(n int) string { return strings.Repeat("00", n) }
	rec := func(flags string) string {
		return "0400" + flags + "08000000" + "8877665544332211" + "0300000000000000" +
			"0700004001000000" + // 5<<30 | 7
			"1000000000000000" + "00000000" + "e0115f48" + // tfid
			"0120000000000000" + "01000000" + "7dc074ab" + // pfid
			"0c00000000000000" + "00000000" + "02000000" + // sfid
			"0b00000000000000" + "00000000" + "04000000" + // spfid
			"63702e31303030" + zeros(25) + // cp.1000
			"1f00000000000000" + // extra flags
			"e803000000000000" + "e903000000000000" + // uid, gid
			"00020001" + "c0000207" + zeros(12) + zeros(4) + // nid
			"05000000" + // open
			"757365722e78" + zeros(250) + // user.x
			"6132" + "00" + "61" // a2, a
	}
	native := rec("01f1") + // 64+32+32+8+16+24+4+256+4 = 440 bytes, which is a multiple of 8
		"0300" + "0500" + "64322f6132" + // path
		"0800" + "0400" + "06000000" // merged
	for _, tt := range []struct {
		form form
		want string
	}{{forms[0], native}, {forms[1], rec("01f0")}} {
		if got := hex.EncodeToString(tt.form.encode(nil, &r)); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.form.name, got, tt.want)
		}
	}
	if want := "1234605616436508552 08RENME 00:00:05.000000007 1970.01.01 0x101 t=[0x10:0x0:0x485f11e0] j=cp.1000 ef=0x1f u=1000:1001" +
		" nid=192.0.2.7@tcp1 m=r-x x=user.x p=[0x2001:0x1:0xab74c07d] a2 s=[0xc:0x0:0x2] sp=[0xb:0x0:0x4] a"; string(changelog.AppendText(nil, &r)) != want {
		t.Errorf("text:\n%s\nwant\n%s", changelog.AppendText(nil, &r), want)
	}
}

// TestLustreText reads lines as Lustre 2.16 prints them.
func TestLustreText(t *testing.T) {
	for _, line := range []string{
		"16 08RENME 02:52:19.805772855 2026.03.16 0x0 t=[0:0x0:0x0] ef=0xf u=1000:1000 nid=192.0.2.56@tcp p=[0x200000401:0x2:0x0] b.txt s=[0x200000401:0x3:0x0] sp=[0x200000401:0x2:0x0] a.txt",
		"4 11CLOSE 02:52:19.798000000 2026.03.16 0x242 t=[0x200000401:0x3:0x0] ef=0xf u=1000:1000 nid=192.0.2.56@tcp m=-w- x=user.x",
		"17 06UNLNK 02:52:19.805772855 2026.03.16 0x1 t=[0x200000401:0x3:0x0] j=rm.0 p=[0x200000401:0x2:0x0] b.txt",
		"1 00MARK  19:08:20.890432813 2010.03.24 0x0 t=[0x10000:0x0:0x0] p=[0:0x0:0x1] mdd_obd-lustre-MDT0000-0",
	} {
		var r changelog.Record
		if strings.Contains(line, "ef=0xf") { // all four parts
			if !strings.Contains(line, "m=") {
				line = strings.Replace(line, " p=", " m=r-- x=user.a p=", 1)
			}
		}
		if err := changelog.ParseText([]byte(line), &r); err != nil {
			t.Errorf("%v\n%s", err, line)
			continue
		}
		want := strings.Replace(line, "ef=0xf", "ef=0x1f", 1) // weir's clients are in the new form
		if got := string(changelog.AppendText(nil, &r)); got != want {
			t.Errorf("printed\n%s\nwant\n%s", got, want)
		}
	}
}
