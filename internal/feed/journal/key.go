// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"

	"github.com/weir-io/weir/changelog"
)

// Prefixes of the database's keys. All numbers in keys and values are big-endian,
// so that the order of the keys is that of the numbers.
const (
	keyBytes  = 'b' // source(4) index(8) → bytes of all records before the index (8)
	keyDirent = 'd' // source(4) parent(16) name → object(16)
	keyFeed   = 'f' // feed(4) → source UUID(16) cancelled(8) document
	keyLink   = 'l' // source(4) object(16) parent(16) name → nothing
	keyMeta   = 'm' // what it is(1) …
	keyObject = 'o' // source(4) object(16) → Object
	keyRecord = 'r' // source(4) index(8) → record
)

// What follows keyMeta.
const (
	metaFeed    = 'f' // → highest ID of a feed ever(4)
	metaValue   = 'k' // source(4) name → value of whoever applies batches
	metaSource  = 's' // source UUID(16) → source(4)
	metaState   = 't' // source(4) → state
	metaNumber  = 'u' // → highest number of a source ever(4)
	metaVersion = 'v' // → version of all this(4)
	metaFirst   = 'w' // source(4) → first index kept(8)
)

const (
	fidLen    = 16
	prefixLen = 1 + 4 // of a key of a source
	recordLen = prefixLen + 8
	objectLen = prefixLen + fidLen
)

func appendFID(k []byte, f changelog.FID) []byte {
	k = binary.BigEndian.AppendUint64(k, f.Seq)
	k = binary.BigEndian.AppendUint32(k, f.OID)
	return binary.BigEndian.AppendUint32(k, f.Ver)
}

// fidOf reads a FID from the first 16 bytes.
func fidOf(b []byte) changelog.FID {
	_ = b[fidLen-1]
	return changelog.FID{
		Seq: binary.BigEndian.Uint64(b),
		OID: binary.BigEndian.Uint32(b[8:]),
		Ver: binary.BigEndian.Uint32(b[12:]),
	}
}

func appendPrefix(k []byte, kind byte, source uint32) []byte {
	return binary.BigEndian.AppendUint32(append(k, kind), source)
}

// appendIndexed makes a key of a record or of a count of bytes.
func appendIndexed(k []byte, kind byte, source uint32, index uint64) []byte {
	return binary.BigEndian.AppendUint64(appendPrefix(k, kind, source), index)
}

// appendObject makes a key of an object, or the beginning of those of its links or,
// for a directory, of its names.
func appendObject(k []byte, kind byte, source uint32, f changelog.FID) []byte {
	return appendFID(appendPrefix(k, kind, source), f)
}

func appendDirent(k []byte, source uint32, parent changelog.FID, name []byte) []byte {
	return append(appendObject(k, keyDirent, source, parent), name...)
}

func appendLink(k []byte, source uint32, f, parent changelog.FID, name []byte) []byte {
	return append(appendFID(appendObject(k, keyLink, source, f), parent), name...)
}

func appendFeed(k []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(k, keyFeed), id)
}

// appendMeta makes a key that is the store's own.
func appendMeta(k []byte, what byte) []byte { return append(k, keyMeta, what) }

// appendMetaOf makes a key that is of one source, or the beginning of those of its
// values.
func appendMetaOf(k []byte, what byte, source uint32) []byte {
	return binary.BigEndian.AppendUint32(appendMeta(k, what), source)
}

// after makes the first key behind all those that begin with a prefix: nil if there
// is none, which no prefix here comes to.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
