// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"net/netip"

	"github.com/weir-io/weir/changelog"
)

// sampleTime is 2026-11-20T10:00:00.123456789Z.
const sampleTime = 1_795_168_800_123_456_789

func fid(seq uint64, oid, ver uint32) changelog.FID {
	return changelog.FID{Seq: seq, OID: oid, Ver: ver}
}

// sampleRecords returns one record of each type, with each part in some of them, and
// one mark of each kind.
func sampleRecords() []changelog.Record {
	var records []changelog.Record
	for typ := changelog.Create; typ <= changelog.DeniedOpen; typ++ {
		r := changelog.Record{
			Index: uint64(typ) + 100, Time: sampleTime + int64(typ), Type: typ,
			Target: fid(12, 0, 0x9F5273AC), Parent: fid(11, 0, 0x49523655), Name: []byte("name"), Path: []byte("dir/name"),
			Has: changelog.HasUser, UID: 1000, GID: 1001, Job: []byte("cp.1000"),
		}
		sampleParts(&r)
		if typ != changelog.Mark {
			r.MakeReint()
		}
		records = append(records, r)
	}
	for i := range sampleMarks() {
		records = append(records, changelog.Record{
			Index: uint64(i) + 1, Time: sampleTime, Type: changelog.Mark, Mark: &sampleMarks()[i],
		})
	}
	return records
}

// sampleParts adds what is special to a type.
func sampleParts(r *changelog.Record) {
	switch r.Type {
	case changelog.Create, changelog.Setattr, changelog.Trunc, changelog.Close:
		r.Has |= changelog.HasAttr | changelog.HasNID | changelog.HasProc
		r.NID = changelog.NIDOfAddr(netip.MustParseAddr("192.0.2.7"))
		r.Attr = changelog.Attr{
			Valid: changelog.ValidMode | changelog.ValidCtime, Mode: 0o100644, Links: 1, UID: 1000, GID: 1001, Size: 3, Blocks: 8,
			Atime: sampleTime - 2e9, Mtime: sampleTime - 1e9, Ctime: sampleTime,
		}
		r.Proc = changelog.Proc{
			PID: 4711, TID: 4712, PPID: 1, LoginUID: 1000, FSUID: 1000, FSGID: 1001, Cgroup: 77, By: changelog.ByPidfd,
		}
		copy(r.Proc.Comm[:], "cp")
	case changelog.Softlink:
		r.Link = []byte("../target\xff")
	case changelog.Mknod:
		r.Has |= changelog.HasAttr
		r.Attr = changelog.Attr{Mode: 0o60600, RdevMajor: 8, RdevMinor: 0x123, Links: 1}
	case changelog.Unlink:
		r.Flags, r.Prev = changelog.FlagLast|changelog.FlagGone|changelog.FlagMerged, 99
		r.Merged = 2
	case changelog.Rename:
		r.Flags, r.Prev = changelog.FlagLast, 3
		r.Target, r.Source = fid(16, 0, 0x485F11E0), fid(12, 0, 0x9F5273AC)
		r.Parent, r.Name, r.Path = fid(0x2001, 0, 0xAB74C07D), []byte("a2"), []byte("d2/a2")
		r.SourceParent, r.SourceName, r.SourcePath = fid(11, 0, 0x49523655), []byte("a"), []byte("d1/a")
		r.Merged = 1
	case changelog.Open, changelog.DeniedOpen:
		r.Has |= changelog.HasOpen
		r.Open = changelog.OpenRead | changelog.OpenWrite
	case changelog.Setxattr, changelog.Getxattr:
		r.Xattr = []byte("user.comment")
	case changelog.Mkdir:
		r.Flags |= changelog.FlagSynth | changelog.FlagPartial
		r.Has |= changelog.HasHost | changelog.PathCut
		r.Host = [16]byte{0xDE, 0xAD, 0xBE, 0xEF, 15: 1}
	case changelog.Migrate:
		r.Source, r.SourceParent, r.SourceName = fid(5, 0, 6), fid(7, 0, 8), []byte("old")
	case changelog.HSM:
		r.Flags = 0xF80
	}
}

// sampleMarks returns a marker of each kind.
// New kinds come last: the bytes of the others tell their place.
func sampleMarks() []changelog.Marker {
	return []changelog.Marker{
		{Kind: changelog.MarkStart, Mask: changelog.DefaultMask},
		{Kind: changelog.MarkFini},
		{Kind: changelog.MarkPurge, From: 10, To: 20, Feed: "cl1-audit"},
		{Kind: changelog.MarkGap, Reason: "overflow", Since: sampleTime - 1e9, Until: sampleTime, Lost: 5},
		{Kind: changelog.MarkScanBegin, Scan: 3},
		{Kind: changelog.MarkScanEnd, Scan: 3, Entries: 1 << 60, Differences: 0},
		{Kind: changelog.MarkMount, UUID: "0f7e3f4c-1111-2222-3333-444455556666", Device: "/dev/vda", Dir: "/srv/\xff"},
		{Kind: changelog.MarkUnmount, UUID: "0f7e3f4c-1111-2222-3333-444455556666", Device: "/dev/vda", Dir: "/srv"},
		{Kind: changelog.MarkAbort, Reason: "abort_size", First: 7, Last: 9},
		{Kind: changelog.MarkFSError, Errno: 5, Count: 2, Object: fid(12, 0, 1)},
		{Kind: changelog.MarkWarn, Feed: "cl1-audit", Reason: "timeout", First: 7, Last: 9, Until: sampleTime},
	}
}
