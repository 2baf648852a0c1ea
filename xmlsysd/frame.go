// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// headerRoom is what an Encoder keeps free before a body: the header is written
// when the length is known.
const headerRoom = 64

// Encoding is how the body of a message is compressed.
type Encoding uint8

// Encodings.
const (
	Plain Encoding = iota
	Gzip
	Zstd
)

// String returns the name that commands and headers have.
func (e Encoding) String() string { return [...]string{"none", "gzip", "zstd"}[e] }

// ParseEncoding finds an encoding by its name.
func ParseEncoding(name string) (Encoding, bool) {
	for e := range Zstd + 1 {
		if e.String() == name {
			return e, true
		}
	}
	return Plain, false
}

// packer compresses bodies. Its state is kept from one to the next.
type packer struct {
	buf  bytes.Buffer
	gzip *gzip.Writer
	zstd *zstd.Encoder
	out  []byte
}

// room returns the buffer with room for a header and nothing behind it.
func (e *Encoder) room() []byte {
	if cap(e.buf) < headerRoom {
		e.buf = make([]byte, headerRoom, 4<<10)
	}
	return e.buf[:headerRoom]
}

// frame puts the header before the body that is in the buffer, or the compressed
// one in its own.
func (e *Encoder) frame() []byte {
	buf := e.buf
	if e.Encoding != Plain {
		buf = e.out.pack(e.Encoding, e.buf[headerRoom:])
	}
	var header [headerRoom]byte
	h := append(header[:0], "Content-Length: "...)
	h = strconv.AppendInt(h, int64(len(buf)-headerRoom), 10)
	h = append(h, '\n')
	if e.Encoding != Plain {
		h = append(h, "Content-Encoding: "...)
		h = append(h, e.Encoding.String()...)
		h = append(h, '\n')
	}
	h = append(h, '\n')
	start := headerRoom - len(h)
	copy(buf[start:], h)
	return buf[start:]
}

// pack returns a compressed body behind the room for its header.
func (p *packer) pack(enc Encoding, body []byte) []byte {
	if p.out == nil {
		p.out = make([]byte, headerRoom, 2<<10)
	}
	if enc == Zstd {
		if p.zstd == nil {
			// The options are valid, and there is nothing else to fail.
			p.zstd, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
		}
		p.out = p.zstd.EncodeAll(body, p.out[:headerRoom])
		return p.out
	}
	p.buf.Reset()
	if p.gzip == nil {
		p.gzip, _ = gzip.NewWriterLevel(&p.buf, gzip.BestSpeed) // the level is valid
	}
	p.gzip.Reset(&p.buf)
	_, _ = p.gzip.Write(body) // a buffer takes all
	_ = p.gzip.Close()
	p.out = append(p.out[:headerRoom], p.buf.Bytes()...)
	return p.out
}
