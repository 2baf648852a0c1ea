// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import "github.com/weir-io/weir/changelog"

// op is a change of the index.
type op struct {
	kind   uint8
	fid    changelog.FID // object, or parent of a name
	target changelog.FID
	object Object
	key    []byte // name, or key of a meta value
	value  []byte
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
	b.ops = append(b.ops, op{kind: opPutObject, fid: f, object: *o})
}

// DeleteObject forgets an object.
func (b *Batch) DeleteObject(f changelog.FID) {
	b.ops = append(b.ops, op{kind: opDeleteObject, fid: f})
}

// PutDirent lets a name stand for an object.
func (b *Batch) PutDirent(parent changelog.FID, name []byte, f changelog.FID) {
	b.ops = append(b.ops, op{kind: opPutDirent, fid: parent, key: append([]byte(nil), name...), target: f})
}

// DeleteDirent forgets a name, which stood for f.
func (b *Batch) DeleteDirent(parent changelog.FID, name []byte, f changelog.FID) {
	b.ops = append(b.ops, op{kind: opDeleteDirent, fid: parent, key: append([]byte(nil), name...), target: f})
}

// SetMeta sets a value of the journal's own.
func (b *Batch) SetMeta(key string, value []byte) {
	b.ops = append(b.ops, op{kind: opMeta, key: []byte(key), value: append([]byte(nil), value...)})
}
