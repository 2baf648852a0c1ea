// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Op is what a frame of the local socket asks for. The answer has OpAnswer set, or is
// OpError.
//
//	      frame   u32 length of what follows, u8 op, u8 flags, u16 tag, payload
//
//	HELLO   "WFD1", u16 version, u8 format              u16 version, JSON of Hello
//	LIST    -                                           JSON list of Info
//	CREATE  JSON of CreateOptions                       JSON of Info
//	DESTROY JSON of Ref                                 -
//	GETINFO JSON of Ref                                 JSON of Info
//	OPEN    JSON of Ref                                 JSON of Info
//	READ    u32 records, u32 bytes, u32 wait, u32       u64 through, u32 count, u32 flags,
//	        linger (both in ms); flag KEEP              then count times u32 length, record
//	CANCEL  u64 index                                   u64 cancelled
//	CLOSE   u8 commit                                   -
//	PIPE    -                                           a descriptor beside an empty payload
//	RESET   JSON of ResetRequest                        JSON of Info
//	RESOLVE JSON of ResolveRequest                      JSON of ResolveAnswer
//	TAIL    JSON of CreateOptions                       JSON of Info
//	SET     JSON of SetRequest                          JSON of Info
//	FIFO    JSON of FIFORequest                         -
//	SOURCES -                                           JSON list of sources
//	RESCAN  JSON of Ref, its feed being a source        -
//
// All numbers are little-endian. The first frame of a client is HELLO. One READ is
// outstanding at most; while it waits, only CLOSE and GETINFO may be asked.
type Op uint8

// Operations.
const (
	OpHello Op = iota + 1
	OpList
	OpCreate
	OpDestroy
	OpInfo
	OpOpen
	OpRead
	OpCancel
	OpClose
	OpPipe
	OpReset
	OpResolve
	OpTail
	OpSet
	OpFIFO
	OpSources
	OpRescan

	OpAnswer Op = 0x80
	OpError  Op = 0xFF
)

// Version is that of the protocol, and Magic what a client begins with.
const (
	Version = 1
	Magic   = "WFD1"
)

// Format is the form of records.
type Format uint8

// Formats.
const (
	FormatNative Format = iota
	FormatLustre
	FormatJSON
	FormatText
)

// formatNames are the formats in texts.
var formatNames = [...]string{"native", "lustre", "json", "text"}

// String returns the name by which commands and requests ask for it.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// ParseFormat is the reverse of String.
func ParseFormat(text string) (Format, error) {
	for i, n := range formatNames {
		if n == text {
			return Format(i), nil
		}
	}
	return 0, fmt.Errorf("format %q: want native, lustre, json or text", text)
}

// Flags of frames and of batches.
const (
	FlagKeep = 1 << 0 // READ: do not cancel the batch before

	BatchMore    = 1 << 0
	BatchGap     = 1 << 1
	BatchAborted = 1 << 2
)

// Limits of frames: those of clients, and all.
const (
	MaxRequest = 64 << 10
	MaxFrame   = 16<<20 + 64<<10
)

// FrameHeader is how many bytes come before the payload.
const FrameHeader = 8

// Frame is one message.
type Frame struct {
	Op      Op
	Flags   uint8
	Tag     uint16
	Payload []byte
}

// FrameError tells of bytes that are no frame.
type FrameError struct {
	Op     Op
	Offset int // bytes, in the payload; -1: of the header
	What   string
}

// Error says on one line what of which frame is wrong.
func (e *FrameError) Error() string {
	if e.Offset < 0 {
		return "feed protocol: " + e.What
	}
	return fmt.Sprintf("feed protocol: op %d: payload offset %d: %s", e.Op, e.Offset, e.What)
}

// Append appends the frame to dst.
func (f *Frame) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(4+len(f.Payload)))
	dst = append(dst, byte(f.Op), f.Flags)
	dst = binary.LittleEndian.AppendUint16(dst, f.Tag)
	return append(dst, f.Payload...)
}

// ReadFrame reads one frame into buf, which grows as needed up to the limit of bytes
// of payload. The payload is good until buf is used again.
func ReadFrame(r io.Reader, buf *[]byte, limit int) (Frame, error) {
	var head [FrameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n < 4 || n-4 > limit {
		return Frame{}, &FrameError{0, -1, fmt.Sprintf("frame of %d bytes, want 4 to %d", n, limit+4)}
	}
	n -= 4
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	f := Frame{Op: Op(head[4]), Flags: head[5], Tag: binary.LittleEndian.Uint16(head[6:]), Payload: (*buf)[:n]}
	if _, err := io.ReadFull(r, f.Payload); errors.Is(err, io.EOF) {
		return Frame{}, io.ErrUnexpectedEOF
	} else if err != nil {
		return Frame{}, err
	}
	return f, nil
}

// AppendHello appends the payload of HELLO.
func AppendHello(dst []byte, f Format) []byte {
	dst = append(dst, Magic...)
	dst = binary.LittleEndian.AppendUint16(dst, Version)
	return append(dst, byte(f))
}

// ParseHello parses the payload of HELLO.
func ParseHello(b []byte) (Format, error) {
	const size = len(Magic) + 3
	switch {
	case len(b) != size:
		return 0, &FrameError{OpHello, 0, fmt.Sprintf("%d bytes, want %d", len(b), size)}
	case string(b[:4]) != Magic:
		return 0, &FrameError{OpHello, 0, fmt.Sprintf("magic %q, want %q", b[:4], Magic)}
	case binary.LittleEndian.Uint16(b[4:]) != Version:
		return 0, &FrameError{OpHello, 4, fmt.Sprintf("version %d, want %d", binary.LittleEndian.Uint16(b[4:]), Version)}
	case int(b[6]) >= len(formatNames):
		return 0, &FrameError{OpHello, 6, fmt.Sprintf("format %d, want 0 to %d", b[6], len(formatNames)-1)}
	}
	return Format(b[6]), nil
}

// Forever is the number of milliseconds that stands for waiting without end.
const Forever = 0xFFFFFFFF

// readSize is that of the payload of READ.
const readSize = 16

// AppendRead appends the payload of READ.
func AppendRead(dst []byte, o *ReadOptions) []byte {
	wait := uint32(Forever)
	if o.Wait >= 0 {
		wait = uint32(min(o.Wait.Milliseconds(), Forever-1))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(o.MaxRecords))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(o.MaxBytes))
	dst = binary.LittleEndian.AppendUint32(dst, wait)
	return binary.LittleEndian.AppendUint32(dst, uint32(o.Linger.Milliseconds()))
}

// ParseRead parses the payload and the flags of READ.
func ParseRead(b []byte, flags uint8) (ReadOptions, error) {
	if len(b) != readSize {
		return ReadOptions{}, &FrameError{OpRead, 0, fmt.Sprintf("%d bytes, want %d", len(b), readSize)}
	}
	at := func(i int) time.Duration { return time.Duration(binary.LittleEndian.Uint32(b[4*i:])) }
	o := ReadOptions{
		MaxRecords: int(at(0)), MaxBytes: int(at(1)),
		Wait: at(2) * time.Millisecond, Linger: at(3) * time.Millisecond, Keep: flags&FlagKeep != 0,
	}
	if at(2) == Forever {
		o.Wait = -1
	}
	return o, nil
}

// batchHead is how many bytes of a batch come before its records.
const batchHead = 16

// AppendBatchHead appends the begin of the answer to READ.
func AppendBatchHead(dst []byte, through uint64, count, flags uint32) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, through)
	dst = binary.LittleEndian.AppendUint32(dst, count)
	return binary.LittleEndian.AppendUint32(dst, flags)
}

// ParseBatch parses the answer to READ and calls record with each record.
func ParseBatch(b []byte, record func([]byte) error) (Batch, error) {
	if len(b) < batchHead {
		return Batch{}, &FrameError{OpRead | OpAnswer, 0, fmt.Sprintf("%d bytes, want %d at least", len(b), batchHead)}
	}
	count, flags := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	batch := Batch{
		Through: binary.LittleEndian.Uint64(b),
		More:    flags&BatchMore != 0, Gap: flags&BatchGap != 0, Aborted: flags&BatchAborted != 0,
	}
	at := batchHead
	for range count {
		if len(b)-at < 4 {
			return batch, &FrameError{OpRead | OpAnswer, at, fmt.Sprintf("%d bytes, want 4 of a record's length", len(b)-at)}
		}
		n := binary.LittleEndian.Uint32(b[at:])
		at += 4
		if uint64(n) > uint64(len(b)-at) {
			return batch, &FrameError{OpRead | OpAnswer, at, fmt.Sprintf("record of %d bytes in %d", n, len(b)-at)}
		}
		if err := record(b[at : at+int(n)]); err != nil {
			return batch, err
		}
		at += int(n)
	}
	if at != len(b) {
		return batch, &FrameError{OpRead | OpAnswer, at, fmt.Sprintf("%d bytes behind %d records, want none", len(b)-at, count)}
	}
	return batch, nil
}
