// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/weir-io/weir/ctf/schema"
)

// TraceOptions says how a trace is written. The zero value is usable.
type TraceOptions struct {
	// Packetized is true for metadata in packets, as viewers of live traces and
	// LTTng's own tools have it; else it is plain text.
	Packetized bool
	// Stream is what streams begin with; name and instance are set for each.
	Stream StreamOptions
}

// TraceWriter writes a trace to a directory: the metadata, and a file with its
// index for each data stream. It is safe for concurrent use; the writers of its
// streams are for one goroutine each.
//
// The metadata is complete or not there whenever the program ends, a data file
// ends with a whole packet or with a part of one that its index does not name.
type TraceWriter struct {
	// Immutable after CreateTrace.
	dir    string
	schema *schema.Trace
	opts   TraceOptions

	mu       sync.Mutex // guards what follows
	metadata []byte     // content of the file
	declared declared   // in it
	streams  []*StreamWriter
	sinks    []*FileSink
	closed   bool
}

// CreateTrace creates a directory, or takes one without a trace, and writes the
// metadata to it.
func CreateTrace(dir string, t *schema.Trace, o TraceOptions) (*TraceWriter, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, "metadata")); err == nil {
		return nil, &os.PathError{Op: "create trace", Path: dir, Err: os.ErrExist}
	}
	w := &TraceWriter{dir: dir, schema: t, opts: o, declared: declared{}}
	text, err := appendMetadata(nil, t)
	if err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", dir, err)
	}
	w.declared.all(t)
	if err := w.replaceMetadata(w.wrap(text)); err != nil {
		return nil, err
	}
	return w, nil
}

// UpdateMetadata declares the stream and event classes that were added to the
// schema since the last time, as has to be done before their events are written.
// It returns what was added to the file, nil for nothing: whole declarations,
// which a viewer of the live trace needs next. No writer of the schema's streams
// may run meanwhile.
func (w *TraceWriter) UpdateMetadata() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch, err := w.declared.appendNew(nil, w.schema)
	if err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", w.dir, err)
	}
	if len(batch) == 0 {
		return nil, nil
	}
	batch = w.wrap(batch)
	all := append(w.metadata[:len(w.metadata):len(w.metadata)], batch...)
	if err := w.replaceMetadata(all); err != nil {
		return nil, err
	}
	w.declared.all(w.schema)
	return batch, nil
}

func (w *TraceWriter) wrap(text []byte) []byte {
	if w.opts.Packetized {
		return AppendMetadataPacket(nil, w.schema, text)
	}
	return text
}

// replaceMetadata writes the file under another name first: at any time there
// is the old one or the new one.
func (w *TraceWriter) replaceMetadata(content []byte) error {
	const temporary = ".metadata.new" // readers of traces leave out names that begin with a dot
	path := filepath.Join(w.dir, temporary)
	if err := os.WriteFile(path, content, 0o666); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	if err := os.Rename(path, filepath.Join(w.dir, "metadata")); err != nil {
		return err
	}
	w.metadata = content
	return nil
}

// Stream creates the data stream of a channel on a CPU, in the file CHANNEL_CPU.
// The number becomes the stream's instance and, where packets have such a
// member, cpu_id.
func (w *TraceWriter) Stream(class *schema.Stream, channel string, cpu int) (*StreamWriter, error) {
	name := channel + "_" + strconv.Itoa(cpu)
	if channel == "" || channel[0] == '.' || filepath.Base(channel) != channel || cpu < 0 {
		return nil, fmt.Errorf("stream %s: a channel's name is that of a file, its CPU not negative", name)
	}
	o := w.opts.Stream
	o.Name, o.Instance = name, uint64(cpu)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, fmt.Errorf("stream %s: %w", name, ErrClosed)
	}
	sink, err := CreateFileSink(w.dir, name)
	if err != nil {
		return nil, err
	}
	s, err := NewStreamWriter(class, sink, o)
	if err != nil {
		return nil, errors.Join(err, sink.Close(), os.Remove(filepath.Join(w.dir, name)))
	}
	if class.PacketContext.Member("cpu_id") != nil {
		err = s.SetMember("cpu_id", cpu)
	}
	w.streams, w.sinks = append(w.streams, s), append(w.sinks, sink)
	return s, err
}

// Close closes all streams and their files. The writers of streams must not be
// in use any more.
func (w *TraceWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	var errs []error
	for i, s := range w.streams {
		errs = append(errs, s.Close(), w.sinks[i].Close())
	}
	w.streams, w.sinks = nil, nil
	return errors.Join(errs...)
}
