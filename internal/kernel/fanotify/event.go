// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Event is one notice. Its slices point into the buffer that it was decoded from.
type Event struct {
	Mask   uint64
	PID    int32  // 0: of another namespace of processes
	PIDFD  int32  // descriptor of the process, the reader's to close; negative: none
	Object Handle // what was touched; zero in Overflow
	Dir    Handle // where Name is; zero if the event names no directory
	Name   []byte // "." if the event is on Dir itself

	// Of Rename, where the object was and where it is.
	OldDir, NewDir   Handle
	OldName, NewName []byte

	// Of FSError.
	Errno, Count uint32
}

// Handle names an object of a file system. Two handles name the same object if
// all parts are equal.
type Handle struct {
	FSID  uint64
	Type  int32
	Bytes []byte
}

// Is reports whether the event has one of the bits of mask.
func (e *Event) Is(mask uint64) bool { return e.Mask&mask != 0 }

// Sizes and versions of fanotify(7): struct fanotify_event_metadata and the header of
// the information records that follow it, all little-endian here.
const (
	metadataSize    = 24
	metadataVersion = 3
	infoHeader      = 4
	fsidSize        = 8
	handleHeader    = 8
)

// Types of information records.
const (
	infoFID     = 1
	infoDirName = 2
	infoDir     = 3
	infoPIDFD   = 4
	infoError   = 5
	infoOldDir  = 10
	infoNewDir  = 12
)

// FormatError is an event that is not as the kernel writes them.
type FormatError struct {
	Offset int // from the begin of the event
	What   string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("fanotify event: offset %d: %s", e.Offset, e.What)
}

// Decode decodes the first event of b into e and returns what follows it. An event
// length of 0 ends a buffer: it is reported as io.EOF would be, by a nil rest and an
// event of no mask.
func Decode(b []byte, e *Event) (rest []byte, err error) {
	*e = Event{PIDFD: -1}
	if len(b) >= 4 && binary.LittleEndian.Uint32(b) == 0 {
		return nil, nil
	}
	if len(b) < metadataSize {
		return nil, &FormatError{0, fmt.Sprintf("%d bytes, want %d of metadata", len(b), metadataSize)}
	}
	size, head := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint16(b[6:]))
	switch {
	case b[4] != metadataVersion:
		return nil, &FormatError{4, fmt.Sprintf("version %d, want %d", b[4], metadataVersion)}
	case head < metadataSize || size < head || size > len(b):
		return nil, &FormatError{0, fmt.Sprintf("length %d with %d bytes of metadata in a buffer of %d", size, head, len(b))}
	}
	e.Mask = binary.LittleEndian.Uint64(b[8:])
	e.PID = int32(binary.LittleEndian.Uint32(b[20:]))
	for at := head; at < size; {
		n, err := e.info(b[at:size], at)
		if err != nil {
			return nil, err
		}
		at += n
	}
	return b[size:], nil
}

// info takes over the information record at the begin of b and returns its length.
func (e *Event) info(b []byte, at int) (int, error) {
	if len(b) < infoHeader {
		return 0, &FormatError{at, fmt.Sprintf("%d bytes, want %d of an information record", len(b), infoHeader)}
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n < infoHeader || n > len(b) {
		return 0, &FormatError{at, fmt.Sprintf("information record of %d bytes in %d", n, len(b))}
	}
	body := b[infoHeader:n]
	var err error
	switch b[0] {
	case infoFID:
		e.Object, _, err = handle(body, at)
	case infoDirName:
		e.Dir, e.Name, err = named(body, at)
	case infoDir:
		e.Dir, _, err = handle(body, at)
	case infoOldDir:
		e.OldDir, e.OldName, err = named(body, at)
	case infoNewDir:
		e.NewDir, e.NewName, err = named(body, at)
	case infoPIDFD:
		if len(body) < 4 {
			return 0, &FormatError{at, fmt.Sprintf("process descriptor of %d bytes, want 4", len(body))}
		}
		e.PIDFD = int32(binary.LittleEndian.Uint32(body))
	case infoError:
		if len(body) < 8 {
			return 0, &FormatError{at, fmt.Sprintf("error record of %d bytes, want 8", len(body))}
		}
		e.Errno, e.Count = binary.LittleEndian.Uint32(body), binary.LittleEndian.Uint32(body[4:])
	}
	return n, err // records of other types are those of newer kernels
}

// handle decodes a file system's identity and a handle, and returns what follows.
func handle(b []byte, at int) (Handle, []byte, error) {
	if len(b) < fsidSize+handleHeader {
		return Handle{}, nil, &FormatError{at, fmt.Sprintf("handle of %d bytes, want %d", len(b), fsidSize+handleHeader)}
	}
	n := int(binary.LittleEndian.Uint32(b[fsidSize:]))
	rest := b[fsidSize+handleHeader:]
	if n > len(rest) {
		return Handle{}, nil, &FormatError{at, fmt.Sprintf("handle of %d bytes in %d", n, len(rest))}
	}
	h := Handle{
		FSID:  binary.LittleEndian.Uint64(b),
		Type:  int32(binary.LittleEndian.Uint32(b[fsidSize+4:])),
		Bytes: rest[:n:n],
	}
	return h, rest[n:], nil
}

// named decodes the handle of a directory and a name in it.
func named(b []byte, at int) (Handle, []byte, error) {
	h, rest, err := handle(b, at)
	if err != nil {
		return h, nil, err
	}
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		return h, nil, &FormatError{at, fmt.Sprintf("name of %d bytes without its end", len(rest))}
	}
	return h, rest[:end:end], nil
}
