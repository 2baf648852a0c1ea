// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// sourceError tells that one object of the source cannot be looked at or read, as for a
// damaged disk: it says nothing of the others.
type sourceError struct {
	op  string
	of  changelog.FID
	at  string // a name in it; empty: it is of the object itself
	err error
}

func (e *sourceError) Error() string {
	if e.at != "" {
		return fmt.Sprintf("source: %s: name %q in %v: %v", e.op, e.at, e.of, e.err)
	}
	return fmt.Sprintf("source: %s: %v: %v", e.op, e.of, e.err)
}

func (e *sourceError) Unwrap() error { return e.err }

// ofSource makes an error one of an object of the source, unless that says that the object is
// gone, or that this process may not open any more files.
func ofSource(op string, f changelog.FID, at string, err error) error {
	var told *sourceError
	if err == nil || isGone(err) || errors.Is(err, errCovered) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.As(err, &told) {
		return err
	}
	return &sourceError{op, f, at, err}
}

// isOfSource reports whether an error is of one object of the source, here or on another host.
func isOfSource(err error) bool {
	var here *sourceError
	var far *answerError
	return errors.As(err, &here) || errors.As(err, &far)
}

// failedName notes that a name could not be looked at, where the error is of that only; other
// errors it returns. The name stays as it is in the target until it can.
func (w *work) failedName(n name, err error) error {
	if !isOfSource(err) {
		return err
	}
	path := w.m.dst.path(n)
	t, full := w.m.st.troubles.note(subject{name: n}, Failing, path, err)
	if full != nil {
		return full
	}
	if t.Tries < triesListed {
		w.retry[n] = true
	}
	w.warn(t, path, err)
	return nil
}

// failedList is the same for a directory whose names cannot be listed: those that the target
// has of it stay.
func (w *work) failedList(s *survey, err error) error {
	if !isOfSource(err) {
		return err
	}
	path := w.m.dst.dirPath(s.dir)
	t, full := w.m.st.troubles.note(subject{object: s.dir, list: true}, Failing, path, err)
	if full != nil {
		return full
	}
	w.m.surveys.end(s)
	if t.Tries < triesListed {
		w.unlisted[s.dir] = true
	}
	w.warn(t, path, err)
	return nil
}

func (w *work) warn(t *trouble, path string, err error) {
	if t.Tries == triesListed {
		w.m.log.Warn("failing", "path", path, "tries", t.Tries, "error", err)
	}
}

// dirPath is the path of a directory on the target, for people.
func (t *target) dirPath(dir changelog.FID) string {
	if n, ok, err := t.anyPlace(dir); err == nil && ok && n != (name{}) {
		return t.path(n)
	}
	return t.dir
}
