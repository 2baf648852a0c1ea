// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/weir-io/weir/changelog"
)

// Limits of a chunk.
const (
	chunkRecords = 1000
	chunkBytes   = 512 << 10
)

// Headers of a chunk. The message id is <uuid>/<first>.
const (
	headFirst  = "Weir-First"   // index of the first record
	headLast   = "Weir-Last"    // index that the stream is through with the chunk; a filter may have left it out
	headHost   = "Weir-Host"    // name of the host
	headHostID = "Weir-Host-Id" // 32 hexadecimal digits
	headFeed   = "Weir-Feed"
)

// Names of streams and subjects.
const (
	streamPrefix  = "WEIR_"
	subjectPrefix = "weir.j."
)

// streamOf and subjectOf are those of a journal.
func streamOf(uuid string) string  { return streamPrefix + uuid }
func subjectOf(uuid string) string { return subjectPrefix + uuid }

// HostID is a machine, as in merged records.
type HostID [16]byte

// ParseHostID reads 32 hexadecimal digits, as in /etc/machine-id.
func ParseHostID(text string) (id HostID, err error) {
	text = strings.TrimSpace(text)
	if len(text) != hex.EncodedLen(len(id)) {
		return id, fmt.Errorf("host id %q: want 32 hexadecimal digits", text)
	}
	_, err = hex.Decode(id[:], []byte(text))
	return id, err
}

// String is the reverse of ParseHostID.
func (id HostID) String() string { return hex.EncodeToString(id[:]) }

// ChunkError tells of a message that is no chunk.
type ChunkError struct {
	Stream   string
	Sequence uint64
	Field    string // header, or "payload"
	Offset   int
	Got      string
	Want     string
}

func (e *ChunkError) Error() string {
	return fmt.Sprintf("stream %s: message %d: %s at offset %d: got %s, want %s", e.Stream, e.Sequence, e.Field, e.Offset, e.Got, e.Want)
}

// appendRecord appends a record to a payload.
func appendRecord(dst []byte, r *changelog.Record) []byte {
	at := len(dst)
	dst = changelog.AppendNative(append(dst, 0, 0, 0, 0), r)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// parsePayload parses the records of a chunk. They point into b.
func parsePayload(b []byte) ([]changelog.Record, *ChunkError) {
	fail := func(at int, got, want string) ([]changelog.Record, *ChunkError) {
		return nil, &ChunkError{Field: "payload", Offset: at, Got: got, Want: want}
	}
	var records []changelog.Record
	for at := 0; at < len(b); {
		if len(b)-at < 4 {
			return fail(at, fmt.Sprintf("%d bytes", len(b)-at), "4 of a record's length")
		}
		n := int(binary.LittleEndian.Uint32(b[at:]))
		if at += 4; n > len(b)-at {
			return fail(at, fmt.Sprintf("record of %d bytes in %d", n, len(b)-at), "a whole record")
		}
		if len(records) >= chunkRecords {
			return fail(at, "another record", fmt.Sprintf("%d at most", chunkRecords))
		}
		records = append(records, changelog.Record{})
		if err := changelog.DecodeNative(b[at:at+n:at+n], &records[len(records)-1]); err != nil {
			return fail(at, err.Error(), "a native record")
		}
		at += n
	}
	return records, nil
}

// chunk is a message that was read.
type chunk struct {
	first, last uint64
	host        string
	hostID      HostID
	records     []changelog.Record
}

// parseChunk parses a message.
func parseChunk(stream string, sequence uint64, h nats.Header, b []byte) (*chunk, error) {
	c := &chunk{host: h.Get(headHost)}
	fail := func(field, got, want string) (*chunk, error) {
		return nil, &ChunkError{stream, sequence, field, 0, strconv.Quote(got), want}
	}
	var err error
	if c.first, err = strconv.ParseUint(h.Get(headFirst), 10, 64); err != nil || c.first == 0 {
		return fail(headFirst, h.Get(headFirst), "an index")
	}
	if c.last, err = strconv.ParseUint(h.Get(headLast), 10, 64); err != nil || c.last < c.first {
		return fail(headLast, h.Get(headLast), fmt.Sprintf("an index from %d on", c.first))
	}
	if text := h.Get(headHostID); text != "" {
		if c.hostID, err = ParseHostID(text); err != nil {
			return fail(headHostID, text, "32 hexadecimal digits")
		}
	}
	records, bad := parsePayload(b)
	if bad != nil {
		bad.Stream, bad.Sequence = stream, sequence
		return nil, bad
	}
	for i := range records {
		r := &records[i]
		if r.Index < c.first || r.Index > c.last || i > 0 && r.Index <= records[i-1].Index {
			return fail("payload", fmt.Sprintf("record %d", r.Index), fmt.Sprintf("growing indexes from %d to %d", c.first, c.last))
		}
		if c.hostID != (HostID{}) {
			r.Host, r.Has = c.hostID, r.Has|changelog.HasHost
		}
	}
	c.records = records
	return c, nil
}
