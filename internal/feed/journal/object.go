// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// objectForm is the first byte of a stored object: how the rest is laid out.
const objectForm = 1

// maxObject is no less than what an object takes.
const maxObject = 1 + 7*binary.MaxVarintLen32 + 6*binary.MaxVarintLen64 + 8

// errObject is why the bytes of an object are none.
var errObject = errors.New("malformed object")

// append writes the object: form, then Type|Mode, UID, GID, Links, RdevMajor,
// RdevMinor, Size, Blocks, Last as uvarints, Atime, Mtime-Atime, Ctime-Mtime as
// varints, and XattrHash in eight bytes if there is one.
func (o *Object) append(b []byte) []byte {
	b = append(b, objectForm)
	b = binary.AppendUvarint(b, uint64(o.Type))
	b = binary.AppendUvarint(b, uint64(o.Mode))
	b = binary.AppendUvarint(b, uint64(o.UID))
	b = binary.AppendUvarint(b, uint64(o.GID))
	b = binary.AppendUvarint(b, uint64(o.Links))
	b = binary.AppendUvarint(b, uint64(o.RdevMajor))
	b = binary.AppendUvarint(b, uint64(o.RdevMinor))
	b = binary.AppendUvarint(b, o.Size)
	b = binary.AppendUvarint(b, o.Blocks)
	b = binary.AppendUvarint(b, o.Last)
	b = binary.AppendVarint(b, o.Atime)
	b = binary.AppendVarint(b, o.Mtime-o.Atime)
	b = binary.AppendVarint(b, o.Ctime-o.Mtime)
	if o.XattrHash != 0 {
		b = binary.BigEndian.AppendUint64(b, o.XattrHash)
	}
	return b
}

// parse reads what append has written.
func (o *Object) parse(b []byte) error {
	size := len(b)
	if size == 0 || b[0] != objectForm {
		return fmt.Errorf("%w of %d bytes: form is not %d", errObject, size, objectForm)
	}
	b = b[1:]
	*o = Object{}
	for _, p := range [...]*uint32{&o.Type, &o.Mode, &o.UID, &o.GID, &o.Links, &o.RdevMajor, &o.RdevMinor} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<32-1 {
			return fmt.Errorf("%w of %d bytes: no number of 32 bits at %d", errObject, size, size-len(b))
		}
		*p, b = uint32(v), b[n:]
	}
	for _, p := range [...]*uint64{&o.Size, &o.Blocks, &o.Last} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w of %d bytes: no number at %d", errObject, size, size-len(b))
		}
		*p, b = v, b[n:]
	}
	for _, p := range [...]*int64{&o.Atime, &o.Mtime, &o.Ctime} {
		v, n := binary.Varint(b)
		if n <= 0 {
			return fmt.Errorf("%w of %d bytes: no time at %d", errObject, size, size-len(b))
		}
		*p, b = v, b[n:]
	}
	o.Mtime += o.Atime
	o.Ctime += o.Mtime
	switch len(b) {
	case 0:
		return nil
	case 8:
		if o.XattrHash = binary.BigEndian.Uint64(b); o.XattrHash != 0 {
			return nil
		}
	}
	return fmt.Errorf("%w of %d bytes: %d are left over", errObject, size, len(b))
}
