// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/weir-io/weir/ctf/schema"
)

// Trace is an opened trace: its metadata, and its data streams with an index of
// their packets. It holds no files open.
type Trace struct {
	Name    string   // host name, a slash, the path below what was asked for
	Dirs    []string // where its files are, more than one after session rotations
	Schema  *schema.Trace
	Streams []*Stream

	plans  map[*schema.Stream]*streamPlan
	scan   *scanner // made when first needed
	quirks quirks
	opts   Options
	dirs   []*traceDir
	files  []*dataFile
	byKey  map[streamKey]*Stream
}

// traceDir is a directory of a trace, and how far its metadata have been read.
type traceDir struct {
	path   string
	info   fs.FileInfo
	parser *MetadataParser
	read   int // bytes of the file metadata
	told   int // size of the file when it was last said that it is not good
}

// streamKey is what files of the same stream have in common.
type streamKey struct{ class, instance uint64 }

// Options say how traces are opened and read. The zero value is what
// babeltrace2 does by default.
type Options struct {
	// ClockOffset is added to all times, in ns.
	ClockOffset int64
	// ForceEpoch takes the origin of all clocks for the Unix epoch.
	ForceEpoch bool
	// ForceCorrelate merges traces although their clocks have nothing in common.
	ForceCorrelate bool
	// Window is how much of a packet each stream holds, in bytes; 0: as much as
	// suits the number of streams.
	Window int
	// Growing says that the traces are being recorded: see [Set.Refresh]. What
	// of a file's end is no whole packet is left for later then.
	Growing bool
	// Warn is called with what is odd and not an error; nil: nobody is told.
	Warn func(path string, warning string)
}

func (o *Options) warn(path, warning string) {
	if o.Warn != nil {
		o.Warn(path, warning)
	}
}

// ErrNoTrace says that there is no trace at or below a path.
var ErrNoTrace = errors.New("no trace found: no directory with a file named metadata")

// OpenTrace opens the trace of one directory.
func OpenTrace(dir string, opts Options) (*Trace, error) {
	return openTrace(dir, dir, opts)
}

func openTrace(root, dir string, opts Options) (*Trace, error) {
	d, err := openDir(dir, opts)
	if err != nil {
		return nil, err
	}
	t := newTrace(d.parser.Trace(), opts)
	t.Dirs, t.dirs = []string{dir}, []*traceDir{d}
	t.Name = traceName(t.Schema, root, dir)
	files, _, err := regularFiles(dir)
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		f, err := t.scanner().file(path)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, f)
	}
	t.group()
	return t, nil
}

// openDir reads the metadata of a directory.
func openDir(dir string, opts Options) (*traceDir, error) {
	path := filepath.Join(dir, "metadata")
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := &traceDir{path: dir, parser: &MetadataParser{}}
	if d.info, err = os.Stat(dir); err != nil {
		return nil, err
	}
	if opts.Growing {
		b = b[:wholeMetadata(b)]
	}
	d.read = len(b)
	if err := d.parser.Parse(b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.parser.Trace() == nil {
		return nil, fmt.Errorf("%s: %w", path, errNoTraceDeclared)
	}
	for _, w := range d.parser.Warnings() {
		opts.warn(path, w)
	}
	return d, nil
}

// newTrace makes a trace of a schema, without streams.
func newTrace(sch *schema.Trace, opts Options) *Trace {
	return &Trace{Schema: sch, opts: opts, quirks: quirksOf(sch), plans: map[*schema.Stream]*streamPlan{}}
}

// traceName is babeltrace2's name of a trace.
func traceName(sch *schema.Trace, root, dir string) string {
	rel, err := filepath.Rel(root, dir) // "." for two empty paths
	if err != nil || rel == "." {
		rel = ""
	}
	host, ok := sch.EnvString("hostname")
	switch {
	case !ok:
		return rel
	case rel == "":
		return host
	default:
		return host + "/" + rel
	}
}

// scanner returns what finds packets and their stream classes.
func (t *Trace) scanner() *scanner {
	if t.scan == nil {
		t.scan = newScanner(t)
	}
	return t.scan
}

// plan returns the plan of a stream class.
func (t *Trace) plan(class *schema.Stream) *streamPlan {
	p := t.plans[class]
	if p == nil {
		p = newStreamPlan(class)
		t.plans[class] = p
	}
	return p
}

// timebase returns the conversion of a clock, by the options.
func (t *Trace) timebase(c *schema.Clock) timebase {
	return newTimebase(c).shifted(t.opts.ClockOffset)
}

// group makes data streams of the trace's files.
func (t *Trace) group() {
	t.Streams, t.byKey = nil, map[streamKey]*Stream{}
	slices.SortStableFunc(t.files, func(a, b *dataFile) int { return cmp.Compare(a.firstBegin(), b.firstBegin()) })
	for _, f := range t.files {
		t.place(f)
	}
	for _, s := range t.Streams {
		s.settle()
		t.quirks.settle(s, 0)
	}
	slices.SortStableFunc(t.Streams, func(a, b *Stream) int {
		return cmp.Or(cmp.Compare(a.Class.ID, b.Class.ID), cmp.Compare(a.ID, b.ID))
	})
}

// place adds a file to its stream, which may be a new one. A file in which
// nothing is whole yet has none, as long as it grows.
func (t *Trace) place(f *dataFile) {
	if t.opts.Growing && f.err == nil && len(f.packets) == 0 {
		return
	}
	f.stream = t.streamOf(f)
	f.stream.add(f)
}

// streamOf returns the stream of a file, a new one if there is none.
func (t *Trace) streamOf(f *dataFile) *Stream {
	if f.class == nil {
		s := &Stream{Trace: t, Class: &schema.Stream{Trace: t.Schema}, Name: f.path}
		t.Streams = append(t.Streams, s)
		return s
	}
	joins := len(f.packets) > 0 && f.packets[0].Has&(HasInstanceID|HasBegin) == HasInstanceID|HasBegin
	var key streamKey
	if joins {
		key = streamKey{f.class.ID, f.packets[0].InstanceID}
		if s := t.byKey[key]; s != nil {
			return s
		}
	}
	s := t.newStream(f)
	if joins {
		s.ID, s.HasID = key.instance, true
		t.byKey[key] = s
	} else {
		for _, other := range t.Streams {
			if other.Class == s.Class && !other.HasID {
				s.ID++
			}
		}
	}
	t.Streams = append(t.Streams, s)
	return s
}

// firstBegin is what files are ordered by before they become streams.
func (f *dataFile) firstBegin() uint64 {
	if len(f.packets) == 0 {
		return 0
	}
	return f.packets[0].Begin
}

func (t *Trace) newStream(f *dataFile) *Stream {
	s := &Stream{Trace: t, Class: f.class, Name: absolute(f.path), plan: t.plan(f.class)}
	if f.class.Clock != nil {
		s.time = t.timebase(f.class.Clock)
	}
	return s
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// StreamIDText is the stream's id as text, "" when it has none of its own.
func (s *Stream) StreamIDText() string {
	if !s.HasID {
		return ""
	}
	return strconv.FormatUint(s.ID, 10)
}

// Bounds returns the time that all streams of the trace have in common: from
// the last begin to the first end. It is what babeltrace2 calls the stream
// intersection.
func (t *Trace) Bounds() (begin, end int64, ok bool) {
	for i, s := range t.Streams {
		b, e, has := s.Bounds()
		if !has {
			return 0, 0, false
		}
		if i == 0 {
			begin, end = b, e
			continue
		}
		begin, end = max(begin, b), min(end, e)
	}
	return begin, end, len(t.Streams) > 0
}
