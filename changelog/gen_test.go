// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog_test

import (
	"github.com/weir-io/weir/changelog"
	"pgregory.net/rapid"
)

// oddNames are names that formats trip over.
var oddNames = []string{
	"a", "a b", "-rf", "..b64", ".", "new\nline", "tab\there", "\xff\xfe", "caf\xe9", "\"\\", "\u2028", "\x01\x7f", "é", "\U0001F600",
	"name_b64", "p=[0x1:0x0:0x1]", "1 01CREAT 00:00:00.000000000 1970.01.01 0x0 t=[0x1:0x0:0x1]", "\uFFFD", "[", " ", " lead", "trail ",
}

// genText draws bytes without a zero, at least one unless empty is allowed.
func genText(least, most int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "odd") {
			if name := rapid.SampledFrom(oddNames).Draw(t, "name"); len(name) >= least && len(name) <= most {
				return []byte(name)
			}
		}
		return rapid.SliceOfN(rapid.ByteRange(1, 255), least, most).Draw(t, "bytes")
	})
}

func genFID() *rapid.Generator[changelog.FID] {
	return rapid.Custom(func(t *rapid.T) changelog.FID {
		return changelog.FID{
			Seq: rapid.Uint64().Draw(t, "seq"), OID: rapid.Uint32().Draw(t, "oid"), Ver: rapid.Uint32().Draw(t, "ver"),
		}
	})
}

// genBytes fills an array of bytes.
func genBytes(t *rapid.T, b []byte, label string) {
	copy(b, rapid.SliceOfN(rapid.Byte(), len(b), len(b)).Draw(t, label))
}

// oneOf draws whether a part is there.
func there(t *rapid.T, part string) bool { return rapid.Bool().Draw(t, part+" is there") }

// genRecord draws records in the form that decoders return: fields of parts that are
// not there are zero, empty names are nil.
func genRecord() *rapid.Generator[changelog.Record] {
	return rapid.Custom(func(t *rapid.T) changelog.Record {
		r := changelog.Record{
			Index: rapid.Uint64().Draw(t, "index"),
			Prev:  rapid.Uint64().Draw(t, "prev"),
			Time:  rapid.Int64Range(0, 9_223_372_035_000_000_000).Draw(t, "time"),
			Type:  changelog.Type(rapid.Uint32Range(0, uint32(changelog.DeniedOpen)).Draw(t, "type")),
			Flags: changelog.Flags(rapid.Uint16Range(0, 0xFFF).Draw(t, "flags")),
		}
		if there(t, "parent") {
			r.Parent = genFID().Draw(t, "parent")
		}
		if there(t, "name") {
			r.Name = genText(1, 255).Draw(t, "name")
		}
		if r.Type == changelog.Mark {
			m := genMarker().Draw(t, "mark")
			r.Mark = &m
			return r
		}
		r.Target = genFID().Draw(t, "target")
		if r.Type == changelog.Rename {
			r.Source, r.SourceParent = genFID().Draw(t, "source"), genFID().Draw(t, "source parent")
			if there(t, "sname") {
				r.SourceName = genText(1, 255).Draw(t, "sname")
			}
			r.Edge = changelog.Edge(rapid.IntRange(0, 2).Draw(t, "edge"))
		}
		genPaths(t, &r)
		genParts(t, &r)
		return r
	})
}

func genPaths(t *rapid.T, r *changelog.Record) {
	if there(t, "path") {
		r.Path = genText(0, 400).Draw(t, "path")
	}
	if there(t, "spath") {
		r.SourcePath = genText(0, 400).Draw(t, "spath")
	}
	if there(t, "link") {
		r.Link = genText(0, 300).Draw(t, "link")
	}
	if there(t, "cut") {
		r.Has |= changelog.PathCut
	}
	if there(t, "xattr") {
		r.Xattr = genText(0, 255).Draw(t, "xattr")
	}
	if there(t, "job") {
		r.Job = genText(0, 31).Draw(t, "job")
	}
}

func genParts(t *rapid.T, r *changelog.Record) {
	if there(t, "user") {
		r.Has |= changelog.HasUser
		r.UID, r.GID = rapid.Uint32().Draw(t, "uid"), rapid.Uint32().Draw(t, "gid")
	}
	if there(t, "nid") {
		r.Has |= changelog.HasNID
		genBytes(t, r.NID[:], "nid")
	}
	if there(t, "open") {
		r.Has |= changelog.HasOpen
		r.Open = rapid.Uint32().Draw(t, "open")
	}
	if there(t, "host") {
		r.Has |= changelog.HasHost
		genBytes(t, r.Host[:], "host")
	}
	if there(t, "reint") {
		r.Has |= changelog.HasReint
		genBytes(t, r.Reint[:], "reint")
	}
	if there(t, "merged") {
		r.Merged = rapid.Uint32().Draw(t, "merged")
	}
	if there(t, "attr") {
		r.Has |= changelog.HasAttr
		r.Attr = changelog.Attr{
			Valid: changelog.Valid(rapid.Uint64().Draw(t, "valid")), Mode: rapid.Uint32().Draw(t, "mode"),
			Links: rapid.Uint32().Draw(t, "links"), UID: rapid.Uint32().Draw(t, "owner"), GID: rapid.Uint32().Draw(t, "group"),
			Size: rapid.Uint64().Draw(t, "size"), Blocks: rapid.Uint64().Draw(t, "blocks"),
			Atime: genTime().Draw(t, "atime"), Mtime: genTime().Draw(t, "mtime"), Ctime: genTime().Draw(t, "ctime"),
			RdevMajor: rapid.Uint32().Draw(t, "major"), RdevMinor: rapid.Uint32().Draw(t, "minor"),
		}
	}
	if there(t, "proc") {
		r.Has |= changelog.HasProc
		r.Proc = changelog.Proc{
			PID: rapid.Uint32().Draw(t, "pid"), TID: rapid.Uint32().Draw(t, "tid"), PPID: rapid.Uint32().Draw(t, "ppid"),
			LoginUID: rapid.Uint32().Draw(t, "auid"), FSUID: rapid.Uint32().Draw(t, "fsuid"), FSGID: rapid.Uint32().Draw(t, "fsgid"),
			Cgroup: rapid.Uint64().Draw(t, "cgroup"), By: changelog.By(rapid.IntRange(0, 5).Draw(t, "by")),
		}
		copy(r.Proc.Comm[:], genText(0, 16).Draw(t, "comm"))
	}
}

// genTime draws times of which JSON has all digits of the year.
func genTime() *rapid.Generator[int64] {
	return rapid.Int64Range(-9_223_372_035_000_000_000, 9_223_372_035_000_000_000)
}

func genMarker() *rapid.Generator[changelog.Marker] {
	return rapid.Custom(func(t *rapid.T) changelog.Marker {
		text := func(label string) string { return string(genText(0, 256).Draw(t, label)) }
		number := func(label string) uint64 { return rapid.Uint64().Draw(t, label) }
		return changelog.Marker{
			Kind: changelog.MarkKind(1 << rapid.IntRange(0, 31).Draw(t, "kind")),
			Mask: 1 | changelog.Mask(rapid.Uint32().Draw(t, "mask"))&changelog.AllMask,
			From: number("from"), To: number("to"), Feed: text("feed"), Reason: text("reason"),
			Since: genTime().Draw(t, "since"), Until: genTime().Draw(t, "until"), Lost: number("lost"), Scan: number("scan"),
			Entries: number("entries"), Differences: number("differences"), UUID: text("uuid"), Device: text("device"),
			Dir: text("dir"), First: number("first"), Last: number("last"), Errno: rapid.Uint32().Draw(t, "errno"),
			Count: rapid.Uint32().Draw(t, "count"), Object: genFID().Draw(t, "object"),
		}
	})
}
