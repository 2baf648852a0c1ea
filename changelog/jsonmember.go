// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// recordMembers, procMembers and attrMembers are the members that the decoder knows.
var recordMembers = newMembers([]member[jsonRecord]{
	{"i", func(j *jsonReader, name string, v *jsonRecord) error { return j.uint(name, 64, &v.Index) }},
	{"t", func(j *jsonReader, name string, v *jsonRecord) error { return j.time(name, &v.Time) }},
	{"type", func(j *jsonReader, name string, v *jsonRecord) error { return j.recordType(name, &v.Type) }},
	{"n", func(j *jsonReader, name string, v *jsonRecord) error { return j.uint(name, 32, &v.number) }},
	{"fl", func(j *jsonReader, name string, v *jsonRecord) error { return j.uint(name, 12, &v.flags) }},
	{"prev", func(j *jsonReader, name string, v *jsonRecord) error { return j.uint(name, 64, &v.Prev) }},
	{"tfid", func(j *jsonReader, name string, v *jsonRecord) error { return j.fid(name, &v.Target) }},
	{"pfid", func(j *jsonReader, name string, v *jsonRecord) error { return j.fid(name, &v.Parent) }},
	{"sfid", func(j *jsonReader, name string, v *jsonRecord) error { return j.fid(name, &v.Source) }},
	{"spfid", func(j *jsonReader, name string, v *jsonRecord) error { return j.fid(name, &v.SourceParent) }},
	{"name", func(j *jsonReader, name string, v *jsonRecord) error { return j.name(name, &v.Name) }},
	{"name_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.name64(name, &v.Name) }},
	{"sname", func(j *jsonReader, name string, v *jsonRecord) error { return j.name(name, &v.SourceName) }},
	{"sname_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.name64(name, &v.SourceName) }},
	{"path", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes(name, &v.Path, PathMax) }},
	{"path_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes64(name, &v.Path, PathMax) }},
	{"spath", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes(name, &v.SourcePath, PathMax) }},
	{"spath_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes64(name, &v.SourcePath, PathMax) }},
	{"path_truncated", func(j *jsonReader, name string, v *jsonRecord) error { return j.part(name, &v.Has, PathCut) }},
	{"uid", func(j *jsonReader, name string, v *jsonRecord) error { return v.user(j, name, &v.UID) }},
	{"gid", func(j *jsonReader, name string, v *jsonRecord) error { return v.user(j, name, &v.GID) }},
	{"nid", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Has |= HasNID
		return j.nid(name, &v.NID)
	}},
	{"job", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes(name, &v.Job, JobMax) }},
	{"job_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes64(name, &v.Job, JobMax) }},
	{"proc", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Has |= HasProc
		v.Proc = Proc{PID: Unknown, TID: Unknown, PPID: Unknown, LoginUID: Unknown, FSUID: Unknown, FSGID: Unknown}
		return readObject(j, name, &procMembers, &v.Proc)
	}},
	{"attr", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Has |= HasAttr
		return readObject(j, name, &attrMembers, &v.Attr)
	}},
	{"link", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes(name, &v.Link, LinkMax) }},
	{"link_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes64(name, &v.Link, LinkMax) }},
	{"xattr", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes(name, &v.Xattr, NameMax) }},
	{"xattr_b64", func(j *jsonReader, name string, v *jsonRecord) error { return j.bytes64(name, &v.Xattr, NameMax) }},
	{"open", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Has |= HasOpen
		return j.openMode(name, &v.Open)
	}},
	{"open_flags", func(j *jsonReader, name string, v *jsonRecord) error { return j.uint32(name, &v.openFlags) }},
	{"mark", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Mark = &Marker{}
		return readObject(j, name, &markMembers, v.Mark)
	}},
	{"synth", func(j *jsonReader, name string, v *jsonRecord) error { return j.boolean(name, &v.synth) }},
	{"partial", func(j *jsonReader, name string, v *jsonRecord) error { return j.boolean(name, &v.partial) }},
	{"gone", func(j *jsonReader, name string, v *jsonRecord) error { return j.boolean(name, &v.gone) }},
	{"merged", func(j *jsonReader, name string, v *jsonRecord) error { return j.uint32(name, &v.Merged) }},
	{"edge", func(j *jsonReader, name string, v *jsonRecord) error { return j.edge(name, &v.Edge) }},
	{"host", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Has |= HasHost
		return j.host(name, &v.Host)
	}},
	{"reint", func(j *jsonReader, name string, v *jsonRecord) error {
		v.Has |= HasReint
		return j.reint(name, &v.Reint)
	}},
}, "i", "t", "type", "n", "fl")

var procMembers = newMembers([]member[Proc]{
	{"by", func(j *jsonReader, name string, v *Proc) error { return j.by(name, &v.By) }},
	{"pid", func(j *jsonReader, name string, v *Proc) error { return j.uint32(name, &v.PID) }},
	{"tid", func(j *jsonReader, name string, v *Proc) error { return j.uint32(name, &v.TID) }},
	{"ppid", func(j *jsonReader, name string, v *Proc) error { return j.uint32(name, &v.PPID) }},
	{"auid", func(j *jsonReader, name string, v *Proc) error { return j.uint32(name, &v.LoginUID) }},
	{"fsuid", func(j *jsonReader, name string, v *Proc) error { return j.uint32(name, &v.FSUID) }},
	{"fsgid", func(j *jsonReader, name string, v *Proc) error { return j.uint32(name, &v.FSGID) }},
	{"cgroup", func(j *jsonReader, name string, v *Proc) error { return j.uintText(name, &v.Cgroup) }},
	{"comm", func(j *jsonReader, name string, v *Proc) error {
		text, err := j.limited(name, commLen)
		copy(v.Comm[:], text)
		return err
	}},
	{"comm_b64", func(j *jsonReader, name string, v *Proc) error {
		text, err := j.base64(name, commLen)
		copy(v.Comm[:], text)
		return err
	}},
})

var attrMembers = newMembers([]member[Attr]{
	{"valid", func(j *jsonReader, name string, v *Attr) error { return j.valid(name, &v.Valid) }},
	{"mode", func(j *jsonReader, name string, v *Attr) error { return j.octal(name, &v.Mode) }},
	{"nlink", func(j *jsonReader, name string, v *Attr) error { return j.uint32(name, &v.Links) }},
	{"uid", func(j *jsonReader, name string, v *Attr) error { return j.uint32(name, &v.UID) }},
	{"gid", func(j *jsonReader, name string, v *Attr) error { return j.uint32(name, &v.GID) }},
	{"size", func(j *jsonReader, name string, v *Attr) error { return j.uintText(name, &v.Size) }},
	{"blocks", func(j *jsonReader, name string, v *Attr) error { return j.uintText(name, &v.Blocks) }},
	{"atime", func(j *jsonReader, name string, v *Attr) error { return j.time(name, &v.Atime) }},
	{"mtime", func(j *jsonReader, name string, v *Attr) error { return j.time(name, &v.Mtime) }},
	{"ctime", func(j *jsonReader, name string, v *Attr) error { return j.time(name, &v.Ctime) }},
	{"rdev", func(j *jsonReader, name string, v *Attr) error { return j.device(name, &v.RdevMajor, &v.RdevMinor) }},
})

// user reads one id of the user; the other is unknown until it comes.
func (v *jsonRecord) user(j *jsonReader, name string, id *uint32) error {
	if v.Has&HasUser == 0 {
		v.Has |= HasUser
		v.UID, v.GID = Unknown, Unknown
	}
	return j.uint32(name, id)
}

// part reads whether a part is there.
func (j *jsonReader) part(name string, has *Fields, part Fields) error {
	var set bool
	err := j.boolean(name, &set)
	if set {
		*has |= part
	}
	return err
}

// name reads a name; an empty one is none.
func (j *jsonReader) name(name string, v *[]byte) error { return j.nonempty(name, v, j.limited) }

func (j *jsonReader) name64(name string, v *[]byte) error { return j.nonempty(name, v, j.base64) }

func (j *jsonReader) nonempty(name string, v *[]byte, read func(string, int) ([]byte, error)) error {
	at := j.place()
	text, err := read(name, NameMax)
	if err != nil {
		return err
	}
	if i := strings.IndexByte(string(text), 0); i >= 0 {
		return j.fail(name, at, "a zero", "a name without")
	}
	if len(text) > 0 {
		*v = text
	}
	return nil
}

func (j *jsonReader) bytes(name string, v *[]byte, most int) (err error) {
	return j.zeroless(name, v, most, j.limited)
}

func (j *jsonReader) bytes64(name string, v *[]byte, most int) (err error) {
	return j.zeroless(name, v, most, j.base64)
}

func (j *jsonReader) zeroless(name string, v *[]byte, most int, read func(string, int) ([]byte, error)) (err error) {
	at := j.place()
	if *v, err = read(name, most); err != nil {
		return err
	}
	if i := strings.IndexByte(string(*v), 0); i >= 0 {
		return j.fail(name, at, "a zero", "a text without")
	}
	return nil
}

func (j *jsonReader) recordType(name string, v *Type) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	for t, word := range typeNames {
		if word == string(text) {
			*v = Type(t)
			return nil
		}
	}
	return j.fail(name, at, quoted(text), "a type of records, as CREAT")
}

func (j *jsonReader) nid(name string, v *NID) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	if *v, err = ParseNID(string(text)); err != nil {
		return j.fail(name, at, quoted(text), "ADDRESS@NETWORK")
	}
	return nil
}

func (j *jsonReader) by(name string, v *By) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	for b, word := range byNames {
		if word == string(text) {
			*v = By(b)
			return nil
		}
	}
	return j.fail(name, at, quoted(text), strings.Join(byNames[:], ", "))
}

func (j *jsonReader) edge(name string, v *Edge) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	switch string(text) {
	case "in":
		*v = EdgeIn
	case "out":
		*v = EdgeOut
	default:
		return j.fail(name, at, quoted(text), "in or out")
	}
	return nil
}

// openMode reads letters of r, w and x, or a question mark for none.
func (j *jsonReader) openMode(name string, v *uint32) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil || string(text) == "?" {
		return err
	}
	for _, c := range text {
		i := strings.IndexByte("rwx", c)
		if i < 0 || *v&(1<<i) != 0 {
			return j.fail(name, at, quoted(text), "letters of rwx, or ?")
		}
		*v |= 1 << i
	}
	return nil
}

func (j *jsonReader) host(name string, v *[16]byte) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	if len(text) != 2*len(v) {
		return j.fail(name, at, quoted(text), "32 hexadecimal digits")
	}
	if _, err := hex.Decode(v[:], text); err != nil {
		return j.fail(name, at, quoted(text), "32 hexadecimal digits")
	}
	return nil
}

func (j *jsonReader) reint(name string, v *Reint) error {
	at := j.place()
	block, err := j.base64(name, len(v))
	if err != nil {
		return err
	}
	if len(block) != len(v) {
		return j.fail(name, at, strconv.Itoa(len(block))+" bytes", strconv.Itoa(len(v)))
	}
	*v = Reint(block)
	return nil
}

// valid reads an array of words and numbers in strings.
func (j *jsonReader) valid(name string, v *Valid) error {
	if err := j.open(name, '[', "an array"); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := j.next(name, ']', first)
		if err != nil || !more {
			return err
		}
		at := j.place()
		word, err := j.text(name)
		if err != nil {
			return err
		}
		bits, ok := validOf(string(word))
		if !ok {
			return j.fail(name, at, quoted(word), "an attribute, as mode")
		}
		*v |= bits
	}
}

func validOf(word string) (Valid, bool) {
	for i, name := range validNames {
		if name == word && name != "" {
			return 1 << i, true
		}
	}
	v, ok := parseHex(word, 64)
	return Valid(v), ok && v != 0
}

// octal reads a number of base 8 in a string, with a zero in front.
func (j *jsonReader) octal(name string, v *uint32) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	var n uint64
	ok := len(text) > 0 && text[0] == '0' && len(text) < 16
	for _, c := range text {
		ok = ok && c >= '0' && c <= '7'
		n = n<<3 | uint64(c&7)
	}
	if !ok || n > math.MaxUint32 {
		return j.fail(name, at, quoted(text), "an octal number of 32 bits in a string, as 0100644")
	}
	*v = uint32(n)
	return nil
}

func (j *jsonReader) device(name string, major, minor *uint32) error {
	at := j.place()
	text, err := j.text(name)
	if err != nil {
		return err
	}
	a, b, found := strings.Cut(string(text), ":")
	x, ok1 := parseDecimal(a, 32)
	y, ok2 := parseDecimal(b, 32)
	if !found || !ok1 || !ok2 {
		return j.fail(name, at, quoted(text), "MAJOR:MINOR")
	}
	*major, *minor = uint32(x), uint32(y)
	return nil
}
