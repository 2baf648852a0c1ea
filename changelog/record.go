// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package changelog

// Record is one change. Its byte slices may point into the buffer that it was
// decoded from and are good for as long as that is.
type Record struct {
	// The header. Index counts from 1 within a journal, without holes. Prev is the
	// index of the record before that tells of Target, or of Source where Target is zero;
	// 0 if unknown. Time is in nanoseconds since 1970 and does not go back within a journal.
	Index, Prev uint64
	Time        int64
	Type        Type
	Flags       Flags
	Has         Fields
	Target      FID // object; zero in marks
	Parent      FID // directory that Name is in; zero if unknown
	Name        []byte

	// Of renames: the object that moved and where it was. Target is then what it took
	// the place of, zero if nothing; with FlagExchange, Target went where Source was.
	Source, SourceParent FID
	SourceName           []byte

	// Of the names, from the root of the source and without a leading slash; what they
	// were at this place in the journal.
	Path, SourcePath []byte

	// Who did it.
	UID, GID uint32 // HasUser
	NID      NID    // HasNID
	Job      []byte // at most 31 bytes; nil if unknown
	Proc     Proc   // HasProc

	// What the object is like now.
	Attr  Attr   // HasAttr
	Link  []byte // target of a symbolic link; nil if not one
	Xattr []byte // name of an extended attribute; nil if unknown
	Open  uint32 // HasOpen: OpenRead and others

	Mark   *Marker  // of marks only
	Merged uint32   // events of the kernel folded into this; 0: unknown, taken for 1
	Edge   Edge     // of renames over the edge of a path filter
	Host   [16]byte // HasHost: machine, in merged feeds
	Reint  Reint    // HasReint
}

// Fields says which parts of a record are there that have no value of their own
// for being absent.
type Fields uint16

// Parts of a record.
const (
	HasUser Fields = 1 << iota
	HasNID
	HasProc
	HasAttr
	HasOpen
	HasHost
	HasReint
	PathCut // Path or SourcePath is only the begin of what it was
)

// Edge says how a rename crosses the edge of a path filter.
type Edge uint8

// Crossings.
const (
	EdgeNone Edge = iota
	EdgeIn        // the object was outside
	EdgeOut       // the object is outside now
)

// String returns the word that texts and JSON have for it.
func (e Edge) String() string {
	switch e {
	case EdgeIn:
		return "in"
	case EdgeOut:
		return "out"
	}
	return "none"
}

// CutEdge makes a rename what a reader behind a path filter gets of it: the half that
// lies outside is gone, but for the objects that cross the edge, and the record says
// so. With EdgeIn, the half outside is the old one. An exchange has an object that
// crosses the other way; without an exchange, EdgeOut takes the victim away too.
func (r *Record) CutEdge(e Edge) {
	if e == EdgeNone {
		return
	}
	r.Edge = e
	r.Flags |= FlagPartial
	if e == EdgeIn {
		r.SourceParent, r.SourceName, r.SourcePath = FID{}, nil, nil
		return
	}
	r.Parent, r.Name, r.Path = FID{}, nil, nil
	if r.Flags&FlagExchange == 0 {
		r.Target = FID{}
		r.Flags &^= FlagLast
	}
}
