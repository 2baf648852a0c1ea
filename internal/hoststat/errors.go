// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// parseError says that a source holds what its reader does not expect.
type parseError struct {
	what string // which part
	text string // what is there, cut
}

func (e *parseError) Error() string { return fmt.Sprintf("%s: unexpected %q", e.what, e.text) }

// unexpected returns the error of a text. What was read before it stays.
func unexpected(what string, text []byte) error {
	const enough = 40
	return &parseError{what, string(text[:min(len(text), enough)])}
}

func isParse(err error) bool {
	_, ok := errors.AsType[*parseError](err)
	return ok
}

// isAbsent reports whether an error only says that this host has no such thing.
func (s *section) isAbsent(err error) bool {
	return errors.Is(err, errAbsent) || s.absent && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP))
}

// errAbsent is what a reader returns when the host has no such thing.
var errAbsent = errors.New("not on this host")

// codeOf returns the name by which clients know an error.
func codeOf(err error) string {
	var errno unix.Errno
	switch {
	case errors.Is(err, errBusy):
		return "ETIMEDOUT"
	case isParse(err):
		return "EPARSE"
	case errors.As(err, &errno):
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
	case errors.Is(err, reread.ErrNotRegular):
		return "EINVAL"
	}
	return "EIO"
}

// errorNodes are the elements of system/errors.
type errorNodes struct {
	errors, entry, path, code, text xmlsysd.NodeID
}

func newErrorNodes(m *xmlsysd.Model) errorNodes {
	const at = "system/errors"
	return errorNodes{m.Must(at), m.Must(at + "/error"), m.Must(at + "/error/path"), m.Must(at + "/error/code"), m.Must(at + "/error/text")}
}

// write makes the section of a message's errors; it is empty without any.
func (n *errorNodes) write(t *xmlsysd.Tape, results []result) {
	var room [20]byte
	count := 0
	for i := range results {
		r := &results[i]
		if r.err == nil || r.section.isAbsent(r.err) {
			continue
		}
		if count == 0 {
			t.Open(n.errors, xmlsysd.Stamp{})
		}
		t.Open(n.entry, xmlsysd.Stamp{}, strconv.AppendInt(room[:0], int64(count), 10))
		t.Leaf(n.path, []byte(r.section.path))
		t.Leaf(n.code, []byte(codeOf(r.err)))
		t.Leaf(n.text, []byte(r.err.Error()))
		t.Close()
		count++
	}
	if count > 0 {
		t.Close()
	}
}
