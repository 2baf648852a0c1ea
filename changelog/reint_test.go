// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-io/weir/changelog"
	"pgregory.net/rapid"
)

// TestMakeReint compares blocks with bytes put together by hand from the table of
// the format.
func TestMakeReint(t *testing.T) {
	z := func(n int) string { return strings.Repeat("00", n) }
	const (
		ids    = "e8030000" + "00000000" + "e9030000" + "00000000" + "ffffffff" + "00000000" + "ffffffff" + "00000000"
		target = "0c00000000000000" + "00000000" + "02000000"
		parent = "0b00000000000000" + "00000000" + "04000000"
		source = "0a00000000000000" + "00000000" + "06000000"
		time   = "0700000000000000"
		mode   = "a4810000"
		modify = "0600000000000000"
		access = "feffffffffffffff" // 1.5 s before 1970
		change = "0800000000000000"
		size   = "0300000000000000"
		blocks = "0900000000000000"
		valid  = "4100000000000000"
	)
	setattr := func(bias string) string {
		return "01000000" + z(4) + ids + target + valid + "05000000" + "06000000" + size + blocks + modify + access + change + z(4) + mode +
			bias + z(4) + z(8)
	}
	create := func(op, flags string) string {
		return op + z(4) + ids + parent + target + z(8) + time + "2308100000000000" + z(8) + z(8) + mode + z(4) + flags + z(4) + z(4) + z(4)
	}
	named := func(op, first, second, mode string) string {
		return op + z(4) + ids + first + second + time + z(32) + z(4) + mode + z(16)
	}
	template := func(op string) string {
		return op + z(4) + ids + target + parent + modify + access + change + size + blocks + z(4) + mode + z(16)
	}
	want := map[changelog.Type]string{
		changelog.Create:     create("02000000", z(4)),
		changelog.Mkdir:      create("02000000", z(4)),
		changelog.Softlink:   create("02000000", z(4)),
		changelog.Mknod:      create("02000000", z(4)),
		changelog.Open:       create("06000000", "03000000"),
		changelog.DeniedOpen: create("06000000", "03000000"),
		changelog.Hardlink:   named("03000000", target, parent, z(4)),
		changelog.Unlink:     named("04000000", parent, target, mode),
		changelog.Rmdir:      named("04000000", parent, target, mode),
		changelog.Rename:     named("05000000", source, parent, mode),
		changelog.Setattr:    setattr(z(4)),
		changelog.Trunc:      setattr(z(4)),
		changelog.Mtime:      setattr(z(4)),
		changelog.Ctime:      setattr(z(4)),
		changelog.Atime:      setattr(z(4)),
		changelog.Close:      setattr("00020000"),
		changelog.Setxattr:   "07000000" + z(4) + ids + target + z(16) + valid + time + z(24) + z(8) + z(16),
		changelog.Migrate:    template("09000000"),
		changelog.Resync:     template("0a000000"),
	}
	for typ := changelog.Mark; typ <= changelog.DeniedOpen; typ++ {
		r := changelog.Record{
			Type: typ, Time: 7.9e9, Target: fid(12, 0, 2), Parent: fid(11, 0, 4), SourceParent: fid(10, 0, 6),
			Has: changelog.HasUser | changelog.HasAttr | changelog.HasOpen, UID: 1000, GID: 1001, Open: 3,
			Attr: changelog.Attr{
				Valid: changelog.ValidMode | changelog.ValidCtime, Mode: 0o100644, UID: 5, GID: 6, Size: 3, Blocks: 9,
				Mtime: 6e9, Atime: -1.5e9, Ctime: 8e9, RdevMajor: 8, RdevMinor: 0x123,
			},
		}
		made := r.MakeReint()
		if made != (want[typ] != "") || made != (r.Has&changelog.HasReint != 0) {
			t.Errorf("%v: MakeReint is %v", typ, made)
		}
		if !made {
			continue
		}
		if got := hex.EncodeToString(r.Reint[:]); got != want[typ] {
			t.Errorf("%v: block\n%s\nwant\n%s", typ, got, want[typ])
		}
		if fields, err := r.Reint.Fields(); err != nil || fields.FSUID != 1000 || fields.FSGID != 1001 || fields.SuppGID1 != changelog.Unknown {
			t.Errorf("%v: fields %+v, %v", typ, fields, err)
		}
	}
	if _, err := (&changelog.Reint{11}).Fields(); err == nil || !strings.Contains(err.Error(), "opcode at offset 0: got 11, want 1 to 10") {
		t.Errorf("opcode 11: %v", err)
	}
}

// TestReintRoundTrip reads blocks and lays them out again.
func TestReintRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var block changelog.Reint
		genBytes(t, block[:], "block")
		block[0], block[1], block[2], block[3] = byte(rapid.IntRange(1, 10).Draw(t, "opcode")), 0, 0, 0
		fields, err := block.Fields()
		if err != nil {
			t.Fatal(err)
		}
		again, ok := fields.Block()
		if !ok {
			t.Fatal("no block")
		}
		second, err := again.Fields()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fields, second); diff != "" {
			t.Fatalf("fields changed (-want +got):\n%s", diff)
		}
	})
}

// TestActor has the ids that stand in a reint block when little is known.
func TestActor(t *testing.T) {
	r := changelog.Record{Has: changelog.HasUser | changelog.HasProc, UID: 1, GID: 2, Proc: changelog.Proc{FSUID: 3, FSGID: changelog.Unknown}}
	if uid, gid := r.Actor(); uid != 3 || gid != 2 {
		t.Errorf("actor %d:%d, want 3:2", uid, gid)
	}
	if uid, gid := new(changelog.Record).Actor(); uid != changelog.Unknown || gid != changelog.Unknown {
		t.Errorf("actor %d:%d, want unknown", uid, gid)
	}
}
