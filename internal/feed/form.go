// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/binary"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// AppendForm appends a record in a form; of texts and JSON it is a line. In the native
// form it has the REINT block, which the journal does not keep: all of it follows from
// the rest.
func AppendForm(dst []byte, f client.Format, r *changelog.Record) []byte {
	switch f {
	case client.FormatLustre:
		return changelog.AppendLustre(dst, r)
	case client.FormatJSON:
		return append(changelog.AppendJSON(dst, r), '\n')
	case client.FormatText:
		return append(changelog.AppendText(dst, r), '\n')
	}
	r.MakeReint()
	return changelog.AppendNative(dst, r)
}

// AppendStream appends a record as it stands in a stream of bytes: in the native form
// its length comes first, in four bytes, little-endian; the others end by themselves.
func AppendStream(dst []byte, f client.Format, r *changelog.Record) []byte {
	if f != client.FormatNative {
		return AppendForm(dst, f, r)
	}
	at := len(dst)
	dst = AppendForm(append(dst, 0, 0, 0, 0), f, r)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}
