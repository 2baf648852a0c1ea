// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// textReader reads the text of one record from left to right.
type textReader struct {
	b   []byte
	off int
}

// ParseText reads what AppendText writes of a record, or "lfs changelog", without
// the line end, which must be all of b. Parts that the text form does not have stay
// empty. What was in r before is gone. Slices of r point into b.
//
// A job or the name of an extended attribute with a space in it is read as such only
// if " ef=" or " p=" follows it. Renames in whose names stands what may be the begin
// of the old name are refused. Errors are of type *Error.
func ParseText(b []byte, r *Record) error {
	*r = Record{}
	t := textReader{b: b}
	for _, read := range [...]func(*textReader, *Record) error{
		(*textReader).index, (*textReader).kind, (*textReader).time, (*textReader).flags, (*textReader).target,
		(*textReader).job, (*textReader).extra, (*textReader).parent, (*textReader).names,
	} {
		if err := read(&t, r); err != nil {
			return err
		}
	}
	return nil
}

func (t *textReader) fail(field string, offset int, got, want string) error {
	return &Error{Form: "text record", Field: field, Offset: offset, Got: got, Want: want}
}

// word takes what stands before the next space, or the end, and that space.
func (t *textReader) word() []byte {
	rest := t.b[t.off:]
	end := bytes.IndexByte(rest, ' ')
	if end < 0 {
		t.off = len(t.b)
		return rest
	}
	t.off += end + 1
	return rest[:end:end]
}

// has takes a key if it stands here.
func (t *textReader) has(key string) bool {
	if !bytes.HasPrefix(t.b[t.off:], []byte(key)) {
		return false
	}
	t.off += len(key)
	return true
}

func (t *textReader) index(r *Record) error {
	text := t.word()
	var ok bool
	if r.Index, ok = parseDecimal(text, 64); !ok {
		return t.fail("index", 0, quoted(text), "a number of 64 bits")
	}
	return nil
}

func (t *textReader) kind(r *Record) error {
	at := t.off
	rest := t.b[at:]
	if len(rest) < 2+typeWidth {
		return t.fail("type", at, quoted(rest), "two digits and a type, as 01CREAT")
	}
	text := rest[:2+typeWidth]
	n, err := strconv.Atoi(string(text[:2]))
	word := strings.TrimRight(string(text[2:]), " ")
	if len(rest) > len(text) && rest[len(text)] != ' ' { // RESYNC has six letters
		text = rest[:len(text)+1]
		word = string(text[2:])
	}
	if err != nil || n < 0 || n >= int(numTypes) || typeNames[n] != word {
		return t.fail("type", at, quoted(text), "two digits and their type, as 01CREAT")
	}
	r.Type = Type(n)
	t.off += len(text)
	return t.space("type")
}

func (t *textReader) space(after string) error {
	if !t.has(" ") {
		return t.fail(after, t.off, quoted(t.b[t.off:]), "a space behind it")
	}
	return nil
}

func (t *textReader) time(r *Record) error {
	const clock, date = "15:04:05.000000000", "2006.01.02"
	at := t.off
	text := limit(t.b[at:], len(clock+" "+date))
	v, err := time.Parse(clock+" "+date, string(text))
	if err != nil || len(text) != len(clock+" "+date) || v.Unix() < minUnixSecond || v.Unix() > maxUnixSecond {
		return t.fail("time", at, quoted(text), "a time as 10:00:00.123456789 2026.11.20")
	}
	r.Time = v.UnixNano()
	t.off += len(text)
	return t.space("time")
}

func (t *textReader) flags(r *Record) error {
	at := t.off
	text := t.word()
	v, ok := parseHex(string(text), 16)
	if !ok || v > uint64(flagsLow) {
		return t.fail("flags", at, quoted(text), "0x and a number of 12 bits")
	}
	r.Flags = Flags(v)
	return nil
}

// fid reads a FID and the space behind it.
func (t *textReader) fid(field string) (FID, error) {
	at := t.off
	text := t.word()
	f, err := ParseFID(string(text))
	if err != nil || len(text) == 0 || text[0] != '[' {
		return f, t.fail(field, at, quoted(text), "[0xSEQ:0xOID:0xVER]")
	}
	return f, nil
}

func (t *textReader) target(r *Record) (err error) {
	at := t.off
	if !t.has("t=") {
		return t.fail("t", at, quoted(t.b[at:]), "t=FID")
	}
	if r.Target, err = t.fid("t"); err != nil || r.Type != Mark {
		return err
	}
	if r.Target.Seq > Unknown || r.Target.OID != 0 || r.Target.Ver != 0 {
		return t.fail("t", at, r.Target.String(), "a flag of markers in 32 bits")
	}
	r.Mark = &Marker{Kind: MarkKind(r.Target.Seq)}
	r.Target = FID{}
	return nil
}

// spaced reads a text of some bytes at most that may have spaces in it: up to one of
// the keys that may follow, or else up to a space.
func (t *textReader) spaced(field string, most int, keys ...string) ([]byte, error) {
	at := t.off
	window, end := limit(t.b[at:], most+len(" ef=0x")), -1
	for _, key := range keys {
		if i := bytes.Index(window, []byte(key)); i >= 0 && (end < 0 || i < end) {
			end = i
		}
	}
	var text []byte
	if end >= 0 {
		text = t.b[at : at+end : at+end]
		t.off += end + 1
	} else {
		text = t.word()
	}
	if len(text) > most {
		return nil, t.fail(field, at, strconv.Itoa(len(text))+" bytes", "at most "+strconv.Itoa(most))
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, t.fail(field, at+i, "a zero", "none")
	}
	return text, nil
}

func (t *textReader) job(r *Record) (err error) {
	if t.has("j=") {
		r.Job, err = t.spaced("j", JobMax, " ef=0x", " p=[")
	}
	return err
}

func (t *textReader) extra(r *Record) error {
	if !t.has("ef=") {
		return nil
	}
	at := t.off
	text := t.word()
	extra, ok := parseHex(string(text), 64)
	if !ok || extra&^extraAll != 0 {
		return t.fail("ef", at, quoted(text), fmt.Sprintf("flags of %#x", extraAll))
	}
	for _, part := range [...]struct {
		flag uint64
		key  string
		read func(*textReader, *Record) error
	}{
		{extraUser, "u=", (*textReader).user},
		{extraNID, "nid=", (*textReader).nid},
		{extraOpen, "m=", (*textReader).open},
		{extraXattr, "x=", (*textReader).xattr},
	} {
		if extra&part.flag == 0 {
			continue
		}
		if at := t.off; !t.has(part.key) {
			return t.fail(part.key, at, quoted(t.b[at:]), fmt.Sprintf("%s, as ef=%#x says", part.key, extra))
		}
		if err := part.read(t, r); err != nil {
			return err
		}
	}
	return nil
}

func (t *textReader) user(r *Record) error {
	at := t.off
	uid, gid, found := bytes.Cut(t.word(), []byte(":"))
	u, ok1 := parseDecimal(uid, 32)
	g, ok2 := parseDecimal(gid, 32)
	if !found || !ok1 || !ok2 {
		return t.fail("u", at, quoted(t.b[at:max(at, t.off)]), "UID:GID")
	}
	r.UID, r.GID, r.Has = uint32(u), uint32(g), r.Has|HasUser
	return nil
}

func (t *textReader) nid(r *Record) (err error) {
	at := t.off
	text := t.word()
	if r.NID, err = ParseNID(string(text)); err != nil {
		return t.fail("nid", at, quoted(text), "ADDRESS@NETWORK")
	}
	r.Has |= HasNID
	return nil
}

func (t *textReader) open(r *Record) error {
	at := t.off
	text := t.word()
	ok := len(text) == 3
	for i, c := range limit(text, 3) {
		switch c {
		case "rwx"[i]:
			r.Open |= 1 << i
		case '-':
		default:
			ok = false
		}
	}
	if !ok {
		return t.fail("m", at, quoted(text), "rwx, each perhaps -")
	}
	r.Has |= HasOpen
	return nil
}

func (t *textReader) xattr(r *Record) (err error) {
	r.Xattr, err = t.spaced("x", NameMax, " p=[")
	return err
}

func (t *textReader) parent(r *Record) (err error) {
	if t.has("p=") {
		r.Parent, err = t.fid("p")
	}
	return err
}

// names reads the rest: a name, and in renames the object and its old name.
func (t *textReader) names(r *Record) error {
	at := t.off
	name, sname, sat := t.b[at:], []byte(nil), 0
	if i := bytes.IndexByte(name, 0); i >= 0 {
		return t.fail("name", at+i, "a zero", "none")
	}
	if r.Type == Rename || r.Type == Migrate || r.Type == Ext {
		s, err := t.source(at)
		if err != nil {
			return err
		}
		if s.end > 0 {
			r.Source, r.SourceParent = s.fid, s.parent
			name, sname, sat = t.b[at:max(at, s.begin)], t.b[s.end:], s.end
		}
	}
	if len(name) > NameMax {
		return t.fail("name", at, strconv.Itoa(len(name))+" bytes", "at most "+strconv.Itoa(NameMax))
	}
	if len(sname) > NameMax {
		return t.fail("sname", sat, strconv.Itoa(len(sname))+" bytes", "at most "+strconv.Itoa(NameMax))
	}
	switch {
	case len(name) == 0:
	case r.Mark != nil && r.Mark.parseName(name):
	default:
		r.Name = name[:len(name):len(name)]
	}
	if len(sname) > 0 {
		r.SourceName = sname
	}
	return nil
}

// parseName reads what appendName writes. Lustre's marks have names that are none of that.
func (m *Marker) parseName(name []byte) bool {
	rest, ok := bytes.CutPrefix(name, []byte(m.Kind.String()))
	if !ok {
		return false
	}
	reason, ok := bytes.CutPrefix(rest, []byte(" "))
	if ok && isWord(string(reason)) {
		m.Reason = string(reason)
		return true
	}
	return len(rest) == 0
}

// source is the old half of a rename: " s=FID sp=FID " from begin to end, 0 if none.
type source struct {
	begin, end  int
	fid, parent FID
}

// source looks for the only place from an offset on where the old half may begin.
func (t *textReader) source(from int) (source, error) {
	var only source
	for i := max(0, from-1); ; i++ {
		n := bytes.Index(t.b[i:], []byte(" s=["))
		if n < 0 {
			return only, nil
		}
		i += n
		s, ok := sourceAt(t.b, i)
		if !ok {
			continue
		}
		if only.end > 0 {
			return s, t.fail("s", i, "a second s=FID sp=FID", "one: the names cannot be told apart")
		}
		only = s
	}
}

// sourceAt reads what may be the old half.
func sourceAt(b []byte, at int) (s source, ok bool) {
	sub := textReader{b: b, off: at + len(" s=")}
	var err error
	if s.fid, err = sub.fid("s"); err != nil || !sub.has("sp=") {
		return source{}, false
	}
	if s.parent, err = sub.fid("sp"); err != nil || b[sub.off-1] != ' ' {
		return source{}, false
	}
	s.begin, s.end = at, sub.off
	return s, true
}
