// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Unpacker decompresses the bodies of messages, for who reads frames by other means
// than a [Reader]. It keeps its memory from one to the next.
type Unpacker struct {
	limit  int
	packed bytes.Reader
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	plain  []byte
}

// NewUnpacker returns an unpacker of bodies that have at most so many bytes once
// they are unpacked; not above 0, it is MaxMessage.
func NewUnpacker(limit int) *Unpacker {
	if limit <= 0 {
		limit = MaxMessage
	}
	return &Unpacker{limit: limit}
}

// Unpack returns a body as it was before it was compressed, valid until the next
// call. It refuses with a [*ProtocolError] what is no data of the encoding, or
// above the limit.
func (u *Unpacker) Unpack(e Encoding, body []byte) ([]byte, error) {
	var err error
	switch e {
	case Plain:
		return body, nil
	case Gzip:
		err = u.gunzip(body)
	default:
		err = u.unzstd(body)
	}
	switch {
	case len(u.plain) > u.limit || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, bodyError(body, 0, ErrTooLong, "a decompressed body within the limit")
	case err != nil:
		return nil, bodyError(body, len(body)-u.packed.Len(), ErrSyntax, "data of "+e.String())
	}
	return u.plain, nil
}

func bodyError(body []byte, at int, reason error, want string) error {
	return &ProtocolError{Op: "body", Offset: at, Got: excerpt(body, max(0, at-8)), Want: want, Err: reason}
}

func (u *Unpacker) unzstd(body []byte) (err error) {
	if u.zstd == nil {
		u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(uint64(u.limit)))
		if err != nil {
			return err
		}
	}
	u.packed.Reset(nil)
	u.plain, err = u.zstd.DecodeAll(body, u.plain[:0])
	return err
}

// gunzip fills plain, up to one byte more than the limit.
func (u *Unpacker) gunzip(body []byte) error {
	u.plain = u.plain[:0]
	u.packed.Reset(body)
	if u.gzip == nil {
		u.gzip = new(gzip.Reader)
	}
	if err := u.gzip.Reset(&u.packed); err != nil {
		return err
	}
	for len(u.plain) <= u.limit {
		if len(u.plain) == cap(u.plain) {
			u.plain = grow(u.plain, max(8<<10, 2*cap(u.plain)))[:len(u.plain)]
		}
		n, err := u.gzip.Read(u.plain[len(u.plain):min(cap(u.plain), u.limit+1)])
		u.plain = u.plain[:len(u.plain)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
