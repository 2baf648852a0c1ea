// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"

	"github.com/weir-io/weir/changelog"
)

// Result is what of a record passes a filter.
type Result uint8

// Results.
const (
	None    Result = iota
	Whole          // all of it
	EdgeIn         // a rename whose new path passes and whose old one does not
	EdgeOut        // a rename whose old path passes and whose new one does not
)

func (r Result) String() string {
	names := [...]string{"none", "whole", "edge in", "edge out"}
	if int(r) < len(names) {
		return names[r]
	}
	return "?"
}

// Edge is what Record.CutEdge needs to make the record that is delivered.
func (r Result) Edge() changelog.Edge {
	switch r {
	case EdgeIn:
		return changelog.EdgeIn
	case EdgeOut:
		return changelog.EdgeOut
	}
	return changelog.EdgeNone
}

// Matcher is a compiled filter. It does not change: any number of goroutines may ask
// it.
type Matcher struct {
	types         changelog.Mask
	uid, gid      *idSet
	owner, pid    *idSet
	path, name    globList
	comm, job     globList
	kinds         kindSet
	synth, merged wish
}

// Below returns the filter of a directory, given from the root of the source: itself
// and what is in it pass. Its name may have any bytes; "." is the root.
func Below(dir []byte) *Matcher {
	if string(dir) == "." {
		dir = nil
	}
	return &Matcher{types: changelog.AllMask, path: globList{{glob: &glob{path: true, plain: bytes.Clone(dir)}}}}
}

// Match tells what of a record passes. Marks pass as a whole. An exchange over the
// edge is EdgeIn if the place that Source went to passes; Target crosses the edge the
// other way.
func (m *Matcher) Match(r *changelog.Record) Result {
	if r.Type == changelog.Mark {
		return Whole
	}
	if !m.types.Has(r.Type) || !m.flags(r) || !m.actor(r) || !m.object(r) || !m.names(r) {
		return None
	}
	if len(m.path) == 0 {
		return Whole
	}
	in := m.path.pass(r.Path)
	if !renames(r) {
		if in {
			return Whole
		}
		return None
	}
	switch from := m.path.pass(r.SourcePath); {
	case in && from:
		return Whole
	case in:
		return EdgeIn
	case from:
		return EdgeOut
	}
	return None
}

// Types are the types of which records may pass; journals record the union of all
// readers'.
func (m *Matcher) Types() changelog.Mask { return m.types }

// renames reports whether a record has two paths.
func renames(r *changelog.Record) bool {
	return r.Type == changelog.Rename || r.Type == changelog.Migrate
}

func (m *Matcher) flags(r *changelog.Record) bool {
	if r.Type == changelog.HSM { // its flags have another meaning
		return m.synth.pass(false) && m.merged.pass(false)
	}
	return m.synth.pass(r.Flags&changelog.FlagSynth != 0) && m.merged.pass(r.Flags&changelog.FlagMerged != 0)
}

func (m *Matcher) actor(r *changelog.Record) bool {
	if m.uid != nil || m.gid != nil {
		uid, gid := r.Actor()
		if !m.uid.pass(uid) || !m.gid.pass(gid) {
			return false
		}
	}
	pid, comm := uint32(changelog.Unknown), []byte(nil)
	if r.Has&changelog.HasProc != 0 {
		pid = r.Proc.PID
		if comm = r.Proc.CommBytes(); len(comm) == 0 {
			comm = nil
		}
	}
	return m.pid.pass(pid) && m.comm.pass(comm) && m.job.pass(r.Job)
}

func (m *Matcher) object(r *changelog.Record) bool {
	if m.owner != nil {
		owner := uint32(changelog.Unknown)
		if r.Has&changelog.HasAttr != 0 {
			owner = r.Attr.UID
		}
		if !m.owner.pass(owner) {
			return false
		}
	}
	return m.kinds == 0 || m.kinds&kindsOf(r) != 0
}

// names compares the last components; of renames either will do.
func (m *Matcher) names(r *changelog.Record) bool {
	if len(m.name) == 0 || m.name.pass(lastName(r.Name, r.Path)) {
		return true
	}
	return renames(r) && m.name.pass(lastName(r.SourceName, r.SourcePath))
}

// lastName returns a name, or else the last component of a path, nil if there is
// neither.
func lastName(name, path []byte) []byte {
	if len(name) > 0 {
		return name
	}
	if len(path) == 0 {
		return nil
	}
	return path[bytes.LastIndexByte(path, '/')+1:]
}

// wish says what becomes of records with a flag.
type wish uint8

const (
	wishYes  wish = iota // they pass as others do
	wishNo               // they do not pass
	wishOnly             // only they pass
)

func (w wish) pass(set bool) bool { return w == wishYes || (w == wishOnly) == set }

// kindSet is a set of kinds of objects.
type kindSet uint8

const (
	kindFile kindSet = 1 << iota
	kindDir
	kindLink
	kindPipe
	kindSocket
	kindBlock
	kindChar
	kindsAll = kindChar<<1 - 1
)

// kindLetters are as those of find's -type.
const kindLetters = "fdlpsbc"

// kindsOf returns what the object of a record may be: one kind where its mode is
// known, and else what its type leaves open, so that no record is lost.
func kindsOf(r *changelog.Record) kindSet {
	if r.Has&changelog.HasAttr != 0 {
		switch r.Attr.Mode & 0o170000 {
		case 0o100000:
			return kindFile
		case 0o040000:
			return kindDir
		case 0o120000:
			return kindLink
		case 0o010000:
			return kindPipe
		case 0o140000:
			return kindSocket
		case 0o060000:
			return kindBlock
		case 0o020000:
			return kindChar
		}
	}
	switch r.Type {
	case changelog.Mkdir, changelog.Rmdir:
		return kindDir
	case changelog.Softlink:
		return kindLink
	case changelog.Mknod:
		return kindPipe | kindSocket | kindBlock | kindChar
	case changelog.Create, changelog.Hardlink, changelog.Unlink: // an object that is gone was any of these
		return kindsAll &^ kindDir
	case changelog.Trunc:
		return kindFile
	}
	return kindsAll
}
