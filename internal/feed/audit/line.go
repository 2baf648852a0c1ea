// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/weir-io/weir/changelog"
)

// Hash is that of a line: SHA-256 over the hash before, 32 bytes, and the line without
// its last member.
type Hash [sha256.Size]byte

// String is the hash as lines have it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash is the reverse of String.
func ParseHash(text string) (h Hash, err error) {
	if len(text) != hex.EncodedLen(len(h)) {
		return h, fmt.Errorf("hash of %d characters, want %d", len(text), hex.EncodedLen(len(h)))
	}
	_, err = hex.Decode(h[:], []byte(text))
	return h, err
}

// follows is the hash of a body whose line stands behind a line with hash h.
func (h Hash) follows(body []byte) Hash {
	s := sha256.New()
	s.Write(h[:])
	s.Write(body)
	var sum Hash
	s.Sum(sum[:0])
	return sum
}

// chainMember comes between a line's body, without its last brace, and its hash.
const chainMember = `,"chain":"`

// chainLen is how many bytes of a line are not of its body, but for the brace.
const chainLen = len(chainMember) + 2*sha256.Size + len(`"`)

// appendLine appends the line of a body, which is a JSON object, and returns its hash.
func appendLine(dst, body []byte, before Hash) ([]byte, Hash) {
	h := before.follows(body)
	dst = append(dst, body[:len(body)-1]...)
	dst = append(dst, chainMember...)
	dst = hex.AppendEncode(dst, h[:])
	return append(dst, '"', '}', '\n'), h
}

// line is what a line says.
type line struct {
	body   []byte // as it was hashed
	hash   Hash   // that it carries
	index  uint64 // of its record; 0: a note or header
	header *header
	note   *Note
}

// header is the first line of a file.
type header struct {
	Audit   int       `json:"audit"` // version of the format
	Feed    string    `json:"feed"`
	Source  string    `json:"source"` // UUID of the file system
	Host    string    `json:"host,omitempty"`
	File    uint64    `json:"file"` // number of the file, from 1
	Time    time.Time `json:"t"`
	Through uint64    `json:"through"` // last index before this file
	After   string    `json:"after"`   // hash of the last line of the file before
}

// formatVersion is header.Audit.
const formatVersion = 1

// Note is a line about records that are missing.
type Note struct {
	Note    string    `json:"note"` // "gap", "abort", "missing"
	Time    time.Time `json:"t"`
	Reason  string    `json:"reason,omitempty"`
	First   uint64    `json:"first,omitempty"` // indexes that are lost, if known
	Last    uint64    `json:"last,omitempty"`
	Through uint64    `json:"through"` // where the log is behind it
}

// lineError tells what is wrong with a line.
type lineError struct{ got, want string }

func (e *lineError) Error() string { return "got " + e.got + ", want " + e.want }

// parseLine parses a line without its newline.
func parseLine(b []byte) (line, error) {
	at := len(b) - chainLen - 1
	if at < 1 || b[len(b)-1] != '}' || b[len(b)-2] != '"' || !bytes.HasPrefix(b[at:], []byte(chainMember)) {
		return line{}, &lineError{shown(b), `an object that ends with "chain" and a hash`}
	}
	l := line{body: append(append(make([]byte, 0, at+1), b[:at]...), '}')}
	digits := b[at+len(chainMember) : len(b)-2]
	if _, err := hex.Decode(l.hash[:], digits); err != nil || bytes.ContainsAny(digits, "ABCDEF") {
		return line{}, &lineError{shown(digits), "64 small hexadecimal digits"}
	}
	return l, l.parseBody()
}

// Beginnings of bodies.
var (
	recordBegin = []byte(`{"i":`)
	headerBegin = []byte(`{"audit":`)
	noteBegin   = []byte(`{"note":`)
)

func (l *line) parseBody() (err error) {
	switch {
	case bytes.HasPrefix(l.body, recordBegin):
		rest := l.body[len(recordBegin):]
		n := bytes.IndexByte(rest, ',')
		if n < 0 {
			n = len(rest)
		}
		if l.index, err = strconv.ParseUint(string(rest[:n]), 10, 64); err != nil || l.index == 0 {
			return &lineError{shown(rest[:n]), "the index of a record"}
		}
		return nil
	case bytes.HasPrefix(l.body, headerBegin):
		l.header = &header{}
		err = json.Unmarshal(l.body, l.header)
	case bytes.HasPrefix(l.body, noteBegin):
		l.note = &Note{}
		err = json.Unmarshal(l.body, l.note)
	default:
		err = &lineError{shown(l.body), "a record, a note or a header"}
	}
	if err != nil {
		return &lineError{shown(l.body) + ": " + err.Error(), "a record, a note or a header"}
	}
	if l.header != nil && l.header.Audit != formatVersion {
		return &lineError{fmt.Sprintf("format %d", l.header.Audit), fmt.Sprintf("format %d", formatVersion)}
	}
	return nil
}

// shown is the begin of what is wrong.
func shown[T string | []byte](b T) string {
	if len(b) > 80 {
		return strconv.Quote(string(b[:80])) + "…"
	}
	return strconv.Quote(string(b))
}

// through is where the log is behind the line, if it was at last.
func (l *line) through(last uint64) uint64 {
	switch {
	case l.header != nil:
		return l.header.Through
	case l.note != nil:
		return l.note.Through
	}
	return max(l.index, last)
}

// appendObject appends a header or note as the body of a line.
func appendObject(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// appendRecord appends a record as the body of a line.
func appendRecord(dst []byte, r *changelog.Record) []byte { return changelog.AppendJSON(dst, r) }
