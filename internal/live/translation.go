// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
)

const (
	// maxTranslated bounds the fragments of one trace, and their translation.
	maxTranslated = 64 << 20
	// maxTranslations bounds the memory for what all translated traces declare.
	maxTranslations = 512 << 20
	// translateStep is how much is translated before others get their turn. A
	// fragment is taken whole.
	translateStep = 64 << 10
	// maxOmissions bounds the messages about classes that were left out.
	maxOmissions = 16
)

// translation is the metadata of a CTF 2 trace as text of CTF 1.8. All viewers
// of minors below 15 share it. It belongs to the loop.
type translation struct {
	srv    *Server
	stream *tracestore.Stream
	cursor *tracestore.MetadataCursor
	users  int

	split      metadata.Splitter
	translator metadata.Translator
	read       int64 // bytes translated
	meter      metadata.Meter
	weight     int64    // bytes of memory that it takes, about
	text       []byte   // only grows
	uuid       [16]byte // of the trace
	omitted    int      // classes left out
	err        error    // why it does not go on
	gone       bool     // the metadata is not kept any longer
}

// translated returns the translation of a metadata stream, with one more user.
func (s *Server) translated(st *tracestore.Stream) *translation {
	t := s.translations[st]
	if t == nil {
		t = &translation{srv: s, stream: st, cursor: st.MetadataCursor()}
		s.translations[st] = t
	}
	t.users++
	return t
}

// close ends one use.
func (t *translation) close() {
	if t.users--; t.users == 0 {
		t.cursor.Close()
		t.srv.translating -= t.weight
		delete(t.srv.translations, t.stream)
	}
}

// behind reports whether there is metadata that was not looked at.
func (t *translation) behind() bool {
	return t.err == nil && !t.gone && t.cursor.Unread() > t.split.Scanned()
}

// advance translates some of what is stored.
func (t *translation) advance() {
	if !t.behind() {
		return
	}
	if err := t.step(); err != nil {
		t.err = err
		t.srv.translating -= t.weight
		t.weight, t.translator = 0, metadata.Translator{}
		t.srv.counters.untranslated.Add(1)
		ss := t.stream.Session()
		t.srv.log.Warn("metadata not translated: viewers of CTF 1.8 are refused", "session", ss.ID(), "name", ss.Request().Name,
			"trace", t.stream.Trace().Path(), "err", err)
	}
	t.tellOmissions()
}

// errPanic says that the translation failed in a way that it should not.
var errPanic = errors.New("metadata not understood")

func (t *translation) step() (err error) {
	defer func() { // a stranger's text must not end the hub
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	if err := t.scan(); err != nil || t.gone {
		return err
	}
	whole := t.split.Whole()
	if n := max(t.split.Scanned(), int64(len(t.text))); n > maxTranslated {
		return fmt.Errorf("%d bytes, want at most %d", n, maxTranslated)
	}
	if whole <= t.read {
		return nil
	}
	batch := make([]byte, whole-t.read)
	if n, err := t.cursor.ReadAt(batch, t.read); err != nil || n < len(batch) {
		t.gone = err == nil
		return err
	}
	t.read = whole
	for len(batch) > 0 {
		n := t.fragment(batch)
		if err := t.translate(batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// recordSeparator begins each fragment of CTF 2.
const recordSeparator = 0x1e

// fragment returns the length of the first fragment, so that one that is broken
// does not take those before it along. Packets are taken together.
func (t *translation) fragment(b []byte) int {
	if t.split.Form() == metadata.FormFragments {
		if n := bytes.IndexByte(b[1:], recordSeparator); n >= 0 {
			return 1 + n
		}
	}
	return len(b)
}

func (t *translation) translate(b []byte) (err error) {
	before := len(t.text)
	if t.text, err = t.translator.Translate(t.text, b); err != nil {
		return err
	}
	t.uuid = t.translator.UUID()
	grown := int64(len(t.text)-before) + t.meter.Add(t.translator.Trace())
	t.weight += grown
	if t.srv.translating += grown; t.srv.translating > maxTranslations {
		return fmt.Errorf("all translations take %d bytes of memory, want at most %d", t.srv.translating, maxTranslations)
	}
	return nil
}

// scan follows a step's fragments.
func (t *translation) scan() error {
	var buf [metadataRead]byte
	for range translateStep / metadataRead {
		at := t.split.Scanned()
		left := t.cursor.Unread() - at
		if left <= 0 {
			return nil
		}
		n, err := t.cursor.ReadAt(buf[:min(int64(len(buf)), left)], at)
		if err != nil {
			return err
		}
		if n == 0 {
			t.gone = true
			return nil
		}
		t.split.Feed(buf[:n])
	}
	return nil
}

// tellOmissions logs what CTF 1.8 cannot express.
func (t *translation) tellOmissions() {
	for _, o := range t.translator.Omissions() {
		t.srv.counters.untranslated.Add(1)
		if t.omitted++; t.omitted > maxOmissions {
			continue
		}
		ss := t.stream.Session()
		t.srv.log.Warn("class left out of the translation: viewers of CTF 1.8 are refused when they need it", "session", ss.ID(),
			"name", ss.Request().Name, "trace", t.stream.Trace().Path(), "class", o.String(), "err", o.Err)
	}
}

// translation returns the translation that a viewer reads the trace by, or nil.
func (vt *viewerTrace) translation() *translation {
	for _, m := range vt.meta {
		if t := m.meta.translation; t != nil {
			return t
		}
	}
	return nil
}

// caughtUp reports whether all metadata that a viewer might need by now has been
// translated; if not, it does some of that, and calls again when others have had
// their turn.
func (c *conn) caughtUp(t *translation, again func()) bool {
	t.advance()
	if !t.behind() {
		return true
	}
	c.rest(0, func() {
		again()
		if c.phase != phaseClosed {
			c.goOn()
		}
	})
	return false
}

// readable decodes a packet by what has been translated.
func (t *translation) readable(class uint64, packet []byte) (err error) {
	defer func() { // as in step
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return t.translator.Readable(class, packet)
}

// maxInspected is the largest packet that is searched for classes that were
// left out, in bytes.
const maxInspected = 4 << 20

// refused returns why a viewer cannot have the packet that it has taken: there
// are classes in it that CTF 1.8 cannot express.
func (vs *viewerStream) refused(class, offset, size uint64) error {
	t := vs.trace.translation()
	switch {
	case t == nil:
		return nil
	case t.err != nil:
		return t.err
	case t.translator.Complete(class):
		return nil
	}
	if size > maxInspected {
		return fmt.Errorf("stream class %d is not translated completely, and the packet too large to be searched", class)
	}
	packet, err := appendFile(nil, vs.cursor.Data(), int64(offset), int64(size))
	if err != nil {
		return err
	}
	return t.readable(class, packet)
}
