// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
)

// JSONMax is how many bytes a record in JSON may have: texts of a record of
// RecordMax bytes, each byte written as six.
const JSONMax = 512 << 10

var byNames = [...]string{
	ByNone: "none", ByPidfd: "pidfd", ByProc: "proc", ByBPF: "bpf", ByAudit: "audit", ByOwner: "owner",
}

// String returns the word of the JSON form.
func (b By) String() string {
	if int(b) < len(byNames) {
		return byNames[b]
	}
	return "by " + strconv.Itoa(int(b))
}

// AppendJSON appends a record as one JSON object without a line end. The reint block
// is in it if the record has one: clear HasReint to leave it out.
func AppendJSON(dst []byte, r *Record) []byte {
	dst = strconv.AppendUint(append(dst, `{"i":`...), r.Index, 10)
	dst = appendTime(append(dst, `,"t":`...), r.Time)
	dst = appendString(append(dst, `,"type":`...), r.Type.String())
	dst = strconv.AppendUint(append(dst, `,"n":`...), uint64(r.Type), 10)
	dst = strconv.AppendUint(append(dst, `,"fl":`...), uint64(uint16(r.Flags)&flagsLow), 10)
	dst = appendUint(dst, `,"prev":`, r.Prev, false)
	dst = r.appendObjects(dst)
	dst = r.appendUser(dst)
	if r.Has&HasProc != 0 {
		dst = r.Proc.appendJSON(append(dst, `,"proc":`...))
	}
	if r.Has&HasAttr != 0 {
		dst = r.Attr.appendJSON(append(dst, `,"attr":`...))
	}
	if r.Link != nil {
		dst = appendBytes(dst, "link", limit(r.Link, LinkMax))
	}
	if r.Xattr != nil {
		dst = appendBytes(dst, "xattr", limit(r.Xattr, NameMax))
	}
	if r.Has&HasOpen != 0 {
		dst = appendOpen(dst, r.Open)
	}
	if r.Type == Mark && r.Mark != nil {
		dst = r.Mark.AppendJSON(append(dst, `,"mark":`...))
	}
	dst = r.appendFlags(dst)
	if r.Edge == EdgeIn || r.Edge == EdgeOut {
		dst = appendString(append(dst, `,"edge":`...), r.Edge.String())
	}
	if r.Has&HasHost != 0 {
		dst = append(hex.AppendEncode(append(dst, `,"host":"`...), r.Host[:]), '"')
	}
	if r.Has&HasReint != 0 {
		dst = append(base64.StdEncoding.AppendEncode(append(dst, `,"reint":"`...), r.Reint[:]), '"')
	}
	return append(dst, '}')
}

// appendObjects appends objects, names and paths.
func (r *Record) appendObjects(dst []byte) []byte {
	for _, o := range [...]struct {
		fidKey, key string
		fid         FID
		name        []byte
	}{
		{`,"tfid":`, "", r.Target, nil},
		{`,"pfid":`, "name", r.Parent, r.Name},
		{`,"sfid":`, "", r.Source, nil},
		{`,"spfid":`, "sname", r.SourceParent, r.SourceName},
	} {
		if !o.fid.IsZero() {
			dst = appendFID(dst, o.fidKey, o.fid)
		}
		if len(o.name) > 0 {
			dst = appendBytes(dst, o.key, limit(o.name, NameMax))
		}
	}
	path, source, cut := r.paths()
	if path != nil {
		dst = appendBytes(dst, "path", path)
	}
	if source != nil {
		dst = appendBytes(dst, "spath", source)
	}
	if cut {
		dst = append(dst, `,"path_truncated":true`...)
	}
	return dst
}

// appendUser appends who did it, as far as it is known.
func (r *Record) appendUser(dst []byte) []byte {
	if r.Has&HasUser != 0 {
		dst = appendID(dst, `,"uid":`, r.UID)
		dst = appendID(dst, `,"gid":`, r.GID)
	}
	if r.Has&HasNID != 0 {
		dst = append(r.NID.AppendText(append(dst, `,"nid":"`...)), '"')
	}
	if r.Job != nil {
		dst = appendBytes(dst, "job", limit(r.Job, JobMax))
	}
	return dst
}

func appendID(dst []byte, key string, id uint32) []byte {
	if id == Unknown {
		return dst
	}
	return appendUint(dst, key, uint64(id), true)
}

// appendFlags appends what the flags say as members of their own.
func (r *Record) appendFlags(dst []byte) []byte {
	own := r.own()
	if own&FlagSynth != 0 {
		dst = append(dst, `,"synth":true`...)
	}
	if own&FlagPartial != 0 {
		dst = append(dst, `,"partial":true`...)
	}
	if own&FlagGone != 0 {
		dst = append(dst, `,"gone":true`...)
	}
	merged := r.Merged
	if merged == 0 && own&FlagMerged != 0 {
		merged = 1
	}
	return appendUint(dst, `,"merged":`, uint64(merged), false)
}

func appendOpen(dst []byte, open uint32) []byte {
	dst = append(dst, `,"open":"`...)
	begin := len(dst)
	for i, c := range [...]byte{'r', 'w', 'x'} {
		if open&(1<<i) != 0 {
			dst = append(dst, c)
		}
	}
	if len(dst) == begin {
		dst = append(dst, '?')
	}
	dst = append(dst, '"')
	return appendUint(dst, `,"open_flags":`, uint64(open&^openKnown), false)
}

const openKnown = OpenRead | OpenWrite | OpenExec

func (p *Proc) appendJSON(dst []byte) []byte {
	begin := len(dst)
	dst = appendID(dst, `,"pid":`, p.PID)
	dst = appendID(dst, `,"tid":`, p.TID)
	dst = appendID(dst, `,"ppid":`, p.PPID)
	if comm := p.CommBytes(); len(comm) > 0 {
		dst = appendBytes(dst, "comm", comm)
	}
	dst = appendID(dst, `,"auid":`, p.LoginUID)
	dst = appendID(dst, `,"fsuid":`, p.FSUID)
	dst = appendID(dst, `,"fsgid":`, p.FSGID)
	dst = appendUintText(dst, `,"cgroup":`, p.Cgroup, false)
	dst = appendString(append(dst, `,"by":`...), p.By.String())
	dst[begin] = '{' // in place of the first comma
	return append(dst, '}')
}

// CommBytes returns the name of the program, without the zeros behind it.
func (p *Proc) CommBytes() []byte {
	if end := bytes.IndexByte(p.Comm[:], 0); end >= 0 {
		return p.Comm[:end]
	}
	return p.Comm[:]
}

// validNames are the words of Valid, by bit; bits without one are written as numbers.
var validNames = [...]string{
	0: "mode", 1: "uid", 2: "gid", 3: "size", 4: "atime", 5: "mtime", 6: "ctime", 7: "atime_set", 8: "mtime_set",
	10: "flags", 14: "from_open", 15: "blocks", 16: "project",
}

func (a *Attr) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"valid":[`...)
	rest, first := a.Valid, true
	for i, name := range validNames {
		if bit := Valid(1) << i; name != "" && a.Valid&bit != 0 {
			if !first {
				dst = append(dst, ',')
			}
			dst, rest, first = appendString(dst, name), rest&^bit, false
		}
	}
	if rest != 0 {
		if !first {
			dst = append(dst, ',')
		}
		dst = append(strconv.AppendUint(append(dst, `"0x`...), uint64(rest), 16), '"')
	}
	dst = append(dst, `],"mode":"`...)
	if a.Mode != 0 {
		dst = append(dst, '0')
	}
	dst = append(strconv.AppendUint(dst, uint64(a.Mode), 8), '"')
	dst = appendUint(dst, `,"nlink":`, uint64(a.Links), true)
	dst = appendUint(dst, `,"uid":`, uint64(a.UID), true)
	dst = appendUint(dst, `,"gid":`, uint64(a.GID), true)
	dst = appendUintText(dst, `,"size":`, a.Size, true)
	dst = appendUintText(dst, `,"blocks":`, a.Blocks, true)
	dst = appendTime(append(dst, `,"atime":`...), a.Atime)
	dst = appendTime(append(dst, `,"mtime":`...), a.Mtime)
	dst = appendTime(append(dst, `,"ctime":`...), a.Ctime)
	if a.RdevMajor != 0 || a.RdevMinor != 0 {
		dst = strconv.AppendUint(append(dst, `,"rdev":"`...), uint64(a.RdevMajor), 10)
		dst = append(strconv.AppendUint(append(dst, ':'), uint64(a.RdevMinor), 10), '"')
	}
	return append(dst, '}')
}

// jsonRecord is a record while it is read, with what must agree with other members.
type jsonRecord struct {
	*Record
	number               uint64 // of the type
	flags                uint64
	synth, partial, gone bool
	openFlags            uint32
}

// DecodeJSON reads a record in JSON, which must be all of b but for white space
// around it. What was in r before is gone. Slices of r may point into b. Members
// that it does not know are skipped; those that it knows must have their type, be
// there once and agree with each other. Errors are of type *Error.
func DecodeJSON(b []byte, r *Record) error {
	*r = Record{}
	j := jsonReader{form: "JSON record", b: b}
	if len(b) > JSONMax {
		return j.fail("", 0, strconv.Itoa(len(b))+" bytes", "at most "+strconv.Itoa(JSONMax))
	}
	v := jsonRecord{Record: r}
	if err := readObject(&j, "", &recordMembers, &v); err != nil {
		return err
	}
	if err := j.end(); err != nil {
		return err
	}
	return v.agree(&j)
}

// agree compares the members that say the same and puts them into the record.
func (v *jsonRecord) agree(j *jsonReader) error {
	if v.number != uint64(v.Type) {
		return j.fail("n", 0, strconv.FormatUint(v.number, 10), fmt.Sprintf("%d, which %v is", v.Type, v.Type))
	}
	v.Flags = Flags(v.flags)
	for _, f := range [...]struct {
		name string
		set  bool
		flag Flags
	}{{"synth", v.synth, FlagSynth}, {"partial", v.partial, FlagPartial}, {"gone", v.gone, FlagGone}} {
		if f.set && v.Flags&f.flag == 0 {
			return j.fail(f.name, 0, "true", fmt.Sprintf("flag %#x in fl, which is %#x", uint16(f.flag), v.flags))
		}
	}
	if v.Mark != nil && v.Type != Mark {
		return j.fail("mark", 0, "a mark", "none in a record of type "+v.Type.String())
	}
	if v.Type == Mark && v.Mark == nil {
		v.Mark = &Marker{}
	}
	if v.openFlags != 0 && v.Has&HasOpen == 0 {
		return j.fail("open_flags", 0, "flags", "none without open")
	}
	v.Open |= v.openFlags
	return nil
}
