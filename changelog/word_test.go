// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
)

func TestParseMask(t *testing.T) {
	set := func(types ...changelog.Type) changelog.Mask {
		m := changelog.Mask(1) // marks
		for _, typ := range types {
			m |= 1 << typ
		}
		return m
	}
	for _, tt := range []struct {
		text string
		want changelog.Mask
		err  string
	}{
		{text: "CREAT", want: set(changelog.Create)},
		{text: "creat,UNLNK", want: set(changelog.Create, changelog.Unlink)},
		{text: "CREAT UNLNK", want: set(changelog.Create, changelog.Unlink)},
		{text: "CREAT+UNLNK", want: set(changelog.Create, changelog.Unlink)},
		{text: "CREAT,UNLNK-CREAT", want: set(changelog.Unlink)},
		{text: "+ATIME", want: changelog.DefaultMask | set(changelog.Atime)},
		{text: "-CLOSE,OPEN", want: changelog.DefaultMask&^(1<<changelog.Close) | set(changelog.Open)},
		{text: "- CLOSE", want: changelog.DefaultMask &^ (1 << changelog.Close)},
		{text: "ALL", want: changelog.AllMask},
		{text: "-all", want: set()},
		{text: "ALL-MARK", want: changelog.AllMask},
		{text: "MARK", want: set()},
		{text: "+foo", err: `mask: at offset 1: got "foo", want a type of records, as CREAT, or ALL`},
		{text: "CREAT,,UNLNK", want: set(changelog.Create, changelog.Unlink)},
		{text: "CREAT;UNLNK", err: `offset 0: got "CREAT;UNLNK"`},
		{text: "CREAT-", err: `offset 6: got ""`},
		{text: "++CREAT", err: `offset 1: got ""`},
		{text: "", err: `offset 0: got ""`},
		{text: " , ", err: `offset 0`},
		{text: "MAR\u212A", err: "offset 0"}, // the Kelvin sign folds to k
	} {
		got, err := changelog.ParseMask(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseMask(%q): error %v, want %q", tt.text, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("ParseMask(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	if got, want := changelog.DefaultMask.String(), "MARK,CREAT,MKDIR,HLINK,SLINK,MKNOD,UNLNK,RMDIR,RENME,RNMTO,CLOSE,LYOUT,TRUNC,SATTR,XATTR,HSM,MTIME,CTIME,MIGRT,FLRW,RESYNC"; got != want {
		t.Errorf("the default mask is %s, want %s", got, want)
	}
}

func TestParseFID(t *testing.T) {
	for _, tt := range []struct {
		text string
		want changelog.FID
		err  string
	}{
		{text: "[0x200000401:0x3:0x0]", want: fid(0x200000401, 3, 0)},
		{text: "0x200000401:0x3:0x0", want: fid(0x200000401, 3, 0)},
		{text: "[0xffffffffffffffff:0xffffffff:0xFFFFFFFF]", want: fid(1<<64-1, 1<<32-1, 1<<32-1)},
		{text: "[0:0x0:0x0]"},
		{text: "", err: "want [0xSEQ:0xOID:0xVER]"},
		{text: "[0x1:0x2]", err: "want [0xSEQ:0xOID:0xVER]"},
		{text: "[0x1:0x2:0x3:0x4]", err: "want [0xSEQ:0xOID:0xVER]"},
		{text: "[0x1:0x2:0x3", err: "want a ] at the end"},
		{text: "[0x1:0x2:0x100000000]", err: `FID: ver at offset 9: got "0x100000000", want 0x and a number of 32 bits`},
		{text: "[0x1:2:0x3]", err: "oid at offset 5"},
		{text: "[0x+1:0x2:0x3]", err: "seq at offset 1"},
		{text: "[0x:0x2:0x3]", err: "seq at offset 1"},
		{text: "[0x1_0:0x2:0x3]", err: "seq at offset 1"},
		{text: "[0x1:0x2:0x3]x", err: "want a ] at the end"},
	} {
		got, err := changelog.ParseFID(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseFID(%q): error %v, want %q", tt.text, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("ParseFID(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	f := fid(1, 2, 3)
	if got, err := changelog.DecodeFID(f.AppendBinary(nil)); err != nil || got != f {
		t.Errorf("DecodeFID = %v, %v, want %v", got, err, f)
	}
	if _, err := changelog.DecodeFID(make([]byte, 15)); err == nil {
		t.Error("a FID of 15 bytes was read")
	}
}

func TestNID(t *testing.T) {
	for _, tt := range []struct{ text, hex string }{
		{"192.0.2.7@tcp", "00020000c0000207000000000000000000000000"},
		{"192.0.2.7@tcp12", "0002000cc0000207000000000000000000000000"},
		{"192.0.2.7@o2ib", "00050000c0000207000000000000000000000000"},
		{"192.0.2.7@o2ib65535", "0005ffffc0000207000000000000000000000000"},
		{"2001:db8::1@tcp1", "0c02000120010db8000000000000000000000001"},
		{"::ffff:192.0.2.7@tcp", "0c02000000000000000000000000ffffc0000207"},
		{"0@lo", "0009000000000000000000000000000000000000"},
		{"17@gni", "000d000000000011000000000000000000000000"},
		{"4294967295@kfi3", "00100003ffffffff000000000000000000000000"},
		{"<?>", "00ffffffffffffff000000000000000000000000"},
		{"0x0002000000000000010000000000000000000000", "0002000000000000010000000000000000000000"},
		{"0x0021000000000000000000000000000000000000", "0021000000000000000000000000000000000000"},
	} {
		got, err := changelog.ParseNID(tt.text)
		if err != nil || hex.EncodeToString(got[:]) != tt.hex {
			t.Errorf("ParseNID(%q) = %x, %v, want %s", tt.text, got, err, tt.hex)
		}
		if got.String() != tt.text {
			t.Errorf("NID %s is written %q, want %q", tt.hex, got, tt.text)
		}
		if old, ok := got.Uint64(); ok {
			if back, ok := changelog.NIDOfUint64(old); !ok || back != got {
				t.Errorf("NID %v has the old form %#x, which is %v, %v", got, old, back, ok)
			}
		} else if !strings.Contains(tt.text, ":") && !strings.HasPrefix(tt.text, "0x0002") {
			t.Errorf("NID %v has no old form", got)
		}
	}
	if v, _ := changelog.NIDOfAddr(netip.MustParseAddr("192.0.2.7")).Uint64(); v != 0x00020000c0000207 {
		t.Errorf("192.0.2.7@tcp has the old form %#x, want 0x20000c0000207", v)
	}
	if _, ok := changelog.NIDOfUint64(1 << 56); ok {
		t.Error("a NID of type 256 was made")
	}
	for _, text := range []string{
		"", "@", "192.0.2.7", "192.0.2.7@", "@tcp", "192.0.2@tcp", "192.0.2.7@udp", "192.0.2.7@tcp65536", "192.0.2.7@tcp01", "192.0.2.7@tcp-1",
		"1.2.3.4@lo", "4294967296@gni", "fe80::1%eth0@tcp", "192.0.2.7@TCP", "x@lo", "192.0.2.7@tcp ", "0x00@tcp", "192.0.2.7@2tcp",
		"0x000200000000000001000000000000000000000g",
	} {
		if got, err := changelog.ParseNID(text); err == nil {
			t.Errorf("ParseNID(%q) = %v, want an error", text, got)
		}
	}
}

func TestHandle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   changelog.FSKind
		typ    int32
		handle string
		want   changelog.FID
	}{
		{"ext4", changelog.FSExt4, 0x1, "0c000000ac73529f", fid(12, 0, 0x9F5273AC)},
		{"xfs", changelog.FSXFS, 0x81, "8300000000010000ac73529f", fid(0x10000000083, 0, 0x9F5273AC)},
		{"btrfs", changelog.FSBtrfs, 0x4d, "01010000000000000501000000000000" + "07000000", fid(0x101, 0x105, 7)},
		{"tmpfs", changelog.FSTmpfs, 0x1, "ac73529f0c00000001000000", fid(0x10000000c, 0, 0x9F5273AC)},
	} {
		b, err := hex.DecodeString(tt.handle)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := changelog.FIDOfHandle(tt.typ, b)
		if !ok || got != tt.want {
			t.Errorf("%s: FIDOfHandle = %v, %v, want %v", tt.name, got, ok, tt.want)
		}
		h, ok := changelog.HandleOf(got, tt.kind)
		if !ok || h.Type != tt.typ || hex.EncodeToString(h.Bytes()) != tt.handle {
			t.Errorf("%s: HandleOf(%v) = %#x %x, %v, want %#x %s", tt.name, got, h.Type, h.Bytes(), ok, tt.typ, tt.handle)
		}
		for n := range b {
			if got, ok := changelog.FIDOfHandle(tt.typ, b[:n]); ok && n != 8 {
				t.Errorf("%s: %d bytes of %d are FID %v", tt.name, n, len(b), got)
			}
		}
	}
	for _, tt := range []struct {
		f    changelog.FID
		kind changelog.FSKind
	}{
		{changelog.FID{}, changelog.FSExt4},
		{fid(1<<32, 0, 1), changelog.FSExt4},
		{fid(1, 1, 1), changelog.FSXFS},
		{fid(1|changelog.FIDTable, 0, 0), changelog.FSBtrfs},
		{fid(1, 0, 1), changelog.FSOther},
	} {
		if h, ok := changelog.HandleOf(tt.f, tt.kind); ok {
			t.Errorf("HandleOf(%v, %v) = %x, want none", tt.f, tt.kind, h.Bytes())
		}
	}
	wide, _ := hex.DecodeString("0101000000000000" + "0000000001000000" + "07000000")
	if f, ok := changelog.FIDOfHandle(0x4d, wide); ok {
		t.Errorf("a subvolume of 33 bits is in FID %v", f)
	}
}
