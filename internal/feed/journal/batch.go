// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"

	"github.com/weir-io/weir/changelog"
)

// op is a change of the index.
type op struct {
	kind   uint8
	fid    changelog.FID // object, or parent of a name
	target changelog.FID
	at     int // where in bytes the name or the key of a value begins
	key    int // its length
	value  int // length of what follows it
}

// Kinds of changes.
const (
	opPutObject = iota
	opDeleteObject
	opPutDirent
	opDeleteDirent
	opMeta
)

// Reset empties the batch; first is the index of the record that is appended next.
func (b *Batch) Reset(first uint64) {
	b.data, b.ends, b.ops = b.data[:0], b.ends[:0], b.ops[:0]
	b.bytes, b.objects = b.bytes[:0], b.objects[:0]
	b.first, b.Serial = first, 0
}

// Next is the index of the record that is appended next.
func (b *Batch) Next() uint64 { return b.first + uint64(len(b.ends)) }

// Len is how many records it has.
func (b *Batch) Len() int { return len(b.ends) }

// Append takes a record that encode appends to the buffer that it gets. The record
// carries the index Next already.
func (b *Batch) Append(encode func([]byte) []byte) {
	b.data = encode(b.data)
	b.ends = append(b.ends, len(b.data))
}

// PutObject sets what is known of an object.
func (b *Batch) PutObject(f changelog.FID, o *Object) {
	b.ops = append(b.ops, op{kind: opPutObject, fid: f, at: len(b.objects)})
	b.objects = append(b.objects, *o)
}

// DeleteObject forgets an object.
func (b *Batch) DeleteObject(f changelog.FID) {
	b.ops = append(b.ops, op{kind: opDeleteObject, fid: f})
}

// PutDirent lets a name stand for an object. A name that stands for another one is
// to be deleted before, or that one keeps the link.
func (b *Batch) PutDirent(parent changelog.FID, name []byte, f changelog.FID) {
	b.addNamed(op{kind: opPutDirent, fid: parent, target: f}, name)
}

// DeleteDirent forgets a name, which stood for f.
func (b *Batch) DeleteDirent(parent changelog.FID, name []byte, f changelog.FID) {
	b.addNamed(op{kind: opDeleteDirent, fid: parent, target: f}, name)
}

// SetMeta sets a value of the journal's own; an empty one is deleted.
func (b *Batch) SetMeta(key string, value []byte) {
	b.ops = append(b.ops, op{kind: opMeta, at: len(b.bytes), key: len(key), value: len(value)})
	b.bytes = append(append(b.bytes, key...), value...)
}

func (b *Batch) addNamed(o op, name []byte) {
	o.at, o.key = len(b.bytes), len(name)
	b.bytes = append(b.bytes, name...)
	b.ops = append(b.ops, o)
}

// name is that of a change, or the key of a value; nil for changes of objects, whose place
// is one in objects.
func (b *Batch) name(o *op) []byte {
	if o.key == 0 {
		return nil
	}
	return b.bytes[o.at : o.at+o.key]
}

// record is the i-th record.
func (b *Batch) record(i int) []byte {
	if i == 0 {
		return b.data[:b.ends[0]]
	}
	return b.data[b.ends[i-1]:b.ends[i]]
}

// state is where a journal is, which each batch changes.
type state struct {
	last   uint64 // index given last
	bytes  uint64 // of all records ever
	serial uint64
}

const stateLen = 24

func (s state) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.last)
	b = binary.BigEndian.AppendUint64(b, s.bytes)
	return binary.BigEndian.AppendUint64(b, s.serial)
}

// stateOf reads a state of stateLen bytes.
func stateOf(b []byte) state {
	return state{
		last:   binary.BigEndian.Uint64(b),
		bytes:  binary.BigEndian.Uint64(b[8:]),
		serial: binary.BigEndian.Uint64(b[16:]),
	}
}

// Empty reports whether nothing would be committed.
func (b *Batch) Empty() bool { return len(b.ends) == 0 && len(b.ops) == 0 }
