// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"strconv"
)

// Marker is what a record of type Mark tells.
type Marker struct {
	Kind MarkKind
	// The rest is there where the kind has it.
	Mask              Mask
	From, To          uint64
	Feed              string
	Reason            string
	Since, Until      int64 // nanoseconds since 1970
	Lost              uint64
	Scan              uint64
	Entries           uint64
	Differences       uint64
	UUID, Device, Dir string
	First, Last       uint64
	Errno             uint32
	Count             uint32
	Object            FID
}

// MarkKind is the marker's flag in the record.
type MarkKind uint32

// Kinds of marks.
const (
	MarkStart     MarkKind = 0x10000
	MarkFini      MarkKind = 0x20000
	MarkPurge     MarkKind = 0x40000
	MarkWarn      MarkKind = 0x80000
	MarkGap       MarkKind = 0x1000000
	MarkScanBegin MarkKind = 0x2000000
	MarkScanEnd   MarkKind = 0x4000000
	MarkMount     MarkKind = 0x8000000
	MarkUnmount   MarkKind = 0x10000000
	MarkAbort     MarkKind = 0x20000000
	MarkFSError   MarkKind = 0x40000000
)

// markTextMax and markPathMax limit the texts of a marker, in bytes: its JSON must
// fit into a block of a record.
const (
	markTextMax = 256
	markPathMax = 1024
)

var markKinds = [...]struct {
	kind MarkKind
	name string
}{
	{MarkStart, "start"},
	{MarkFini, "fini"},
	{MarkPurge, "purge"},
	{MarkWarn, "warn"},
	{MarkGap, "gap"},
	{MarkScanBegin, "scan_begin"},
	{MarkScanEnd, "scan_end"},
	{MarkMount, "mount"},
	{MarkUnmount, "unmount"},
	{MarkAbort, "abort"},
	{MarkFSError, "fserr"},
}

// String returns the name of the kind; for flags that have none, their number.
func (k MarkKind) String() string {
	for _, m := range markKinds {
		if m.kind == k {
			return m.name
		}
	}
	return "0x" + strconv.FormatUint(uint64(k), 16)
}

// Own reports whether a mark is a feed's own: only that feed sees it, once, and the index of
// its record is that of another in the journal. A record without a mark has none.
func (m *Marker) Own() bool {
	return m != nil && (m.Kind == MarkAbort || m.Kind == MarkGap && (m.Reason == GapReset || m.Reason == GapSkipped))
}

func parseMarkKind(text string) (MarkKind, bool) {
	for _, m := range markKinds {
		if m.name == text {
			return m.kind, true
		}
	}
	v, ok := parseHex(text, 32)
	return MarkKind(v), ok && text != "0"
}

// AppendJSON appends the object that stands under "mark" in JSON and in the native
// form: the kind, what marks of the kind always have, and of the rest what is not
// zero.
func (m *Marker) AppendJSON(dst []byte) []byte {
	dst = appendString(append(dst, `{"kind":`...), m.Kind.String())
	purge, end, mounts := m.Kind == MarkPurge, m.Kind == MarkScanEnd, m.Kind&(MarkMount|MarkUnmount) != 0
	scan, abort, failed := m.Kind&(MarkScanBegin|MarkScanEnd) != 0, m.Kind&(MarkAbort|MarkWarn) != 0, m.Kind == MarkFSError
	if m.Mask != 0 {
		dst = appendString(append(dst, `,"mask":`...), m.Mask.String())
	}
	dst = appendUintText(dst, `,"from":`, m.From, purge)
	dst = appendUintText(dst, `,"to":`, m.To, purge)
	dst = appendMarkText(dst, "feed", m.Feed, markTextMax, purge || m.Kind == MarkWarn)
	dst = appendMarkText(dst, "reason", m.Reason, markTextMax, m.Kind == MarkGap || abort)
	if m.Since != 0 {
		dst = appendTime(append(dst, `,"since":`...), m.Since)
	}
	if m.Until != 0 {
		dst = appendTime(append(dst, `,"until":`...), m.Until)
	}
	dst = appendUintText(dst, `,"lost":`, m.Lost, false)
	dst = appendUintText(dst, `,"id":`, m.Scan, scan)
	dst = appendUintText(dst, `,"entries":`, m.Entries, end)
	dst = appendUintText(dst, `,"differences":`, m.Differences, end)
	dst = appendMarkText(dst, "uuid", m.UUID, markTextMax, mounts)
	dst = appendMarkText(dst, "device", m.Device, markPathMax, mounts)
	dst = appendMarkText(dst, "path", m.Dir, markPathMax, mounts)
	dst = appendUintText(dst, `,"first":`, m.First, abort)
	dst = appendUintText(dst, `,"last":`, m.Last, abort)
	dst = appendUint(dst, `,"errno":`, uint64(m.Errno), failed)
	dst = appendUint(dst, `,"count":`, uint64(m.Count), failed)
	if !m.Object.IsZero() {
		dst = appendFID(dst, `,"fid":`, m.Object)
	}
	return append(dst, '}')
}

// appendMarkText appends a member with a text that is not empty, or with any.
func appendMarkText(dst []byte, key, text string, most int, always bool) []byte {
	if text == "" && !always {
		return dst
	}
	return appendBytes(dst, key, limit([]byte(text), most))
}

var markMembers = newMembers([]member[Marker]{
	{"kind", func(j *jsonReader, name string, m *Marker) (err error) {
		at := j.place()
		text, err := j.text(name)
		if err != nil {
			return err
		}
		var ok bool
		if m.Kind, ok = parseMarkKind(string(text)); !ok {
			return j.fail(name, at, quoted(text), "a kind of marks, as gap")
		}
		return nil
	}},
	{"mask", func(j *jsonReader, name string, m *Marker) (err error) {
		at := j.place()
		text, err := j.text(name)
		if err != nil {
			return err
		}
		if m.Mask, err = ParseMask(string(text)); err != nil {
			return j.fail(name, at, quoted(text), "types of records, as CREAT,UNLNK")
		}
		return nil
	}},
	{"from", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.From) }},
	{"to", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.To) }},
	{"feed", func(j *jsonReader, name string, m *Marker) error { return j.markText(name, &m.Feed, markTextMax) }},
	{"feed_b64", func(j *jsonReader, name string, m *Marker) error { return j.markText64(name, &m.Feed, markTextMax) }},
	{"reason", func(j *jsonReader, name string, m *Marker) error { return j.markText(name, &m.Reason, markTextMax) }},
	{"reason_b64", func(j *jsonReader, name string, m *Marker) error { return j.markText64(name, &m.Reason, markTextMax) }},
	{"since", func(j *jsonReader, name string, m *Marker) error { return j.time(name, &m.Since) }},
	{"until", func(j *jsonReader, name string, m *Marker) error { return j.time(name, &m.Until) }},
	{"lost", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.Lost) }},
	{"id", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.Scan) }},
	{"entries", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.Entries) }},
	{"differences", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.Differences) }},
	{"uuid", func(j *jsonReader, name string, m *Marker) error { return j.markText(name, &m.UUID, markTextMax) }},
	{"uuid_b64", func(j *jsonReader, name string, m *Marker) error { return j.markText64(name, &m.UUID, markTextMax) }},
	{"device", func(j *jsonReader, name string, m *Marker) error { return j.markText(name, &m.Device, markPathMax) }},
	{"device_b64", func(j *jsonReader, name string, m *Marker) error { return j.markText64(name, &m.Device, markPathMax) }},
	{"path", func(j *jsonReader, name string, m *Marker) error { return j.markText(name, &m.Dir, markPathMax) }},
	{"path_b64", func(j *jsonReader, name string, m *Marker) error { return j.markText64(name, &m.Dir, markPathMax) }},
	{"first", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.First) }},
	{"last", func(j *jsonReader, name string, m *Marker) error { return j.uintText(name, &m.Last) }},
	{"errno", func(j *jsonReader, name string, m *Marker) error { return j.uint32(name, &m.Errno) }},
	{"count", func(j *jsonReader, name string, m *Marker) error { return j.uint32(name, &m.Count) }},
	{"fid", func(j *jsonReader, name string, m *Marker) error { return j.fid(name, &m.Object) }},
}, "kind")

func (j *jsonReader) markText(name string, v *string, most int) error {
	text, err := j.limited(name, most)
	*v = string(text)
	return err
}

func (j *jsonReader) markText64(name string, v *string, most int) error {
	text, err := j.base64(name, most)
	*v = string(text)
	return err
}

// decodeJSON reads the object of a native record, which begins at offset at of it.
func (m *Marker) decodeJSON(form string, b []byte, at int) error {
	*m = Marker{}
	j := jsonReader{form: form, b: b, base: at}
	if err := readObject(&j, "mark", &markMembers, m); err != nil {
		return err
	}
	return j.end()
}
