// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metacheck

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/metadata"
	"github.com/weir-io/weir/internal/tracestore"
)

// readSize is how much metadata is read at once to find where its declarations
// end.
const readSize = 64 << 10

// checkedTrace is the check of a trace's metadata.
type checkedTrace struct {
	// Immutable after it was made.
	session *checkedSession
	trace   *tracestore.Trace
	path    string

	// Guarded by Checker.mu.
	next   tracestore.StoredMetadata // not looked at
	fresh  bool                      // next is there
	ended  bool                      // nothing will follow
	queued bool
	known  map[uint64]*metadata.Layout // by stream class; the map does not change

	// Owned by the checker's goroutine.
	now     tracestore.StoredMetadata
	split   metadata.Splitter
	parser  *ctf.MetadataParser // nil: nothing is to be checked
	begun   bool
	read    int64 // bytes checked
	meter   metadata.Meter
	weight  int64 // bytes of memory that the parser takes, about
	fault   *Fault
	layouts map[uint64]*metadata.Layout // replaced, never changed
	classes int                         // stream classes that were looked at
}

// take looks at what was stored.
func (t *checkedTrace) take(c *Checker, m tracestore.StoredMetadata) {
	if !t.begun || !m.Continues(&t.now) {
		t.forget(c)
		t.begun, t.parser = true, new(ctf.MetadataParser)
		t.split, t.read, t.fault = metadata.Splitter{}, 0, nil
		t.meter = metadata.Meter{}
		t.layouts, t.classes = nil, 0
	}
	t.now.Close()
	t.now = m
	if t.parser == nil {
		return
	}
	if size := m.Size(); size > c.opts.MaxBytes || c.held+size-t.read > c.opts.MaxTotal {
		t.giveUp(c)
		return
	}
	if err := t.scan(); err != nil {
		t.unreadable(c)
		return
	}
	t.parse(c, t.split.Whole())
}

// scan follows the declarations to the end of what is stored.
func (t *checkedTrace) scan() error {
	buf := make([]byte, min(readSize, max(t.now.Size()-t.split.Scanned(), 0)))
	for at := t.split.Scanned(); at < t.now.Size(); at = t.split.Scanned() {
		n, err := t.now.ReadAt(buf, at)
		if err != nil {
			return err
		}
		t.split.Feed(buf[:n])
	}
	return nil
}

// parse checks what lies before an offset.
func (t *checkedTrace) parse(c *Checker, end int64) {
	if end <= t.read {
		return
	}
	batch := make([]byte, end-t.read)
	if _, err := t.now.ReadAt(batch, t.read); err != nil {
		t.unreadable(c)
		return
	}
	grown, err := t.understand(batch)
	if err != nil {
		t.fail(c, t.failure(err, t.read))
		return
	}
	t.weight += grown
	c.held += grown
	c.counters.Bytes.Add(uint64(end - t.read))
	t.read = end
	if c.held > c.opts.MaxTotal {
		t.giveUp(c)
	}
}

// errPanic says that what reads metadata failed in a way that it should not.
var errPanic = errors.New("metadata not understood")

// understand parses a batch and takes note of what it declares. It returns about
// how much memory that takes. A stranger's text does not end the hub by a mistake
// in what reads it.
func (t *checkedTrace) understand(batch []byte) (grown int64, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	if err := t.parser.Parse(batch); err != nil {
		return 0, err
	}
	grown = int64(len(batch)) + t.meter.Add(t.parser.Trace())
	t.addLayouts()
	return grown, nil
}

// addLayouts takes note of the stream classes that were declared last.
func (t *checkedTrace) addLayouts() {
	tr := t.parser.Trace()
	if tr == nil || len(tr.Streams) == t.classes {
		return
	}
	all := maps.Clone(t.layouts)
	if all == nil {
		all = make(map[uint64]*metadata.Layout)
	}
	for _, s := range tr.Streams[t.classes:] {
		if l, ok := metadata.NewLayout(s); ok {
			all[s.ID] = l
		}
	}
	t.layouts, t.classes = all, len(tr.Streams)
}

// fail ends the check: what follows may be wrong because of what was.
func (t *checkedTrace) fail(c *Checker, f *Fault) {
	t.forget(c)
	t.fault = f
	c.tell(t, f)
}

func (t *checkedTrace) giveUp(c *Checker) {
	t.fail(c, &Fault{
		Trace: t.path, trace: t.trace, Unchecked: true, Offset: t.read,
		Message: fmt.Sprintf("not checked from byte %d on: %d bytes, want at most %d, and memory of %d bytes for all traces that can grow",
			t.read, t.now.Size(), c.opts.MaxBytes, c.opts.MaxTotal),
	})
}

// unreadable ends the check of a file that cannot be read: most likely it was
// cleared, and another one follows.
func (t *checkedTrace) unreadable(c *Checker) { t.forget(c) }

// forget lets go of what the parser knows.
func (t *checkedTrace) forget(c *Checker) {
	c.held -= t.weight
	t.weight, t.parser = 0, nil
}

// end checks that nothing is left over, unless that is of no interest, and lets
// go of everything.
func (t *checkedTrace) end(c *Checker, given bool) {
	if t.parser != nil && !given && t.read < t.now.Size() {
		rest := make([]byte, t.now.Size()-t.read)
		_, err := t.now.ReadAt(rest, t.read)
		if err == nil && len(bytes.Trim(rest, " \t\r\n\x00")) > 0 {
			t.parse(c, t.now.Size())
		}
	}
	t.forget(c)
	t.now.Close()
	t.now = tracestore.StoredMetadata{}
}
