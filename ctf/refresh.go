// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-io/weir/ctf/schema"
)

// Refresh looks for what has come to the traces since the set was opened, or
// refreshed before: declarations at the end of metadata, whole packets at the
// end of data files, new files, and new directories at and below the paths that
// were opened. It reports whether there is anything new. The set must have been
// opened with [Options].Growing.
//
// Traces and streams stay the same ones. Their new packets come behind those
// that were known, so that a [Cursor] that was at its end goes on; a [Merger]
// takes such cursors by [Merger.Again], and those of new streams by its Joining.
// New directories of the same uuid, as the rotation of a session makes them,
// become part of their trace; files that were moved, as it does too, are found
// in their new place. Packets of files that are gone are left out.
// Streams whose packets do not carry a size do not grow. Names stay.
//
// No cursor of the set may be in use meanwhile. After an error, which is about
// one trace, the set is usable and may be refreshed again.
func (s *Set) Refresh() (grew bool, err error) {
	before := s.extent()
	var errs []error
	for _, root := range s.roots {
		dirs, err := Find(root)
		errs = append(errs, err)
		for _, dir := range dirs {
			if !s.knows(dir) {
				errs = append(errs, s.addDir(root, dir))
			}
		}
	}
	for _, t := range s.Traces {
		errs = append(errs, t.refresh())
	}
	errs = append(errs, s.checkClocks())
	return s.extent() != before, errors.Join(errs...)
}

// extent counts what there is to read.
func (s *Set) extent() (n struct{ traces, streams, packets, classes, errors int }) {
	n.traces = len(s.Traces)
	for _, t := range s.Traces {
		n.streams += len(t.Streams)
		for _, st := range t.Streams {
			n.packets += len(st.Packets)
			if st.err != nil {
				n.errors++
			}
		}
		for _, class := range t.Schema.Streams {
			n.classes += 1 + len(class.Events)
		}
	}
	return n
}

// knows reports whether a directory is one of a trace's. A rotation may have put
// another one in the place of one that it moved.
func (s *Set) knows(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return true // gone already
	}
	return slices.ContainsFunc(s.Traces, func(t *Trace) bool {
		return slices.ContainsFunc(t.dirs, func(d *traceDir) bool { return d.path == dir && os.SameFile(d.info, info) })
	})
}

// addDir adds a directory that was not there before. One whose metadata are not
// whole yet is left for the next time.
func (s *Set) addDir(root, dir string) error {
	d, err := openDir(dir, s.opts)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	}
	if t := s.sameTrace(d.parser.Trace()); t != nil {
		t.adopt(d.parser.Trace())
		t.dirs = append(t.dirs, d)
		return nil // its files come when the trace is refreshed
	}
	t, err := openTrace(root, dir, s.opts)
	if err != nil {
		return err
	}
	t.forgetPackets()
	s.Traces = append(s.Traces, t)
	return nil
}

// forgetPackets leaves the packets of files to the streams.
func (t *Trace) forgetPackets() {
	for _, f := range t.files {
		f.packets = nil
	}
}

// refresh looks for more in the trace's directories.
func (t *Trace) refresh() error {
	t.dirs = slices.DeleteFunc(t.dirs, func(d *traceDir) bool { return !isSame(d.path, d.info) })
	t.Dirs = nil
	var errs []error
	known := make(map[string]*dataFile, len(t.files))
	for _, f := range t.files {
		known[f.path] = f
	}
	for _, d := range t.dirs {
		t.Dirs = append(t.Dirs, d.path)
		files, _, err := regularFiles(d.path)
		errs = append(errs, err, t.readMetadata(d))
		for _, path := range files {
			errs = append(errs, t.refreshFile(known[path], path))
		}
	}
	for _, f := range t.files {
		if f.stream != nil {
			f.stream.setGone(f.number, !isSame(f.path, f.info))
		}
	}
	return errors.Join(errs...)
}

// isSame reports whether a path leads to a file that was there before.
func isSame(path string, info fs.FileInfo) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(now, info) && (info.IsDir() || now.Size() >= info.Size())
}

// where says which trace is meant, also when its directories are gone.
func (t *Trace) where() string {
	if len(t.Dirs) == 0 {
		return t.Name
	}
	return t.Dirs[0]
}

// readMetadata reads what has been added to the metadata of a directory. What
// does not parse may not be whole yet, and is tried again with more.
func (t *Trace) readMetadata(d *traceDir) error {
	path := filepath.Join(d.path, "metadata")
	b, err := readBounded(path, maxMetadataBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	end := wholeMetadata(b)
	if end <= d.read {
		return nil
	}
	if err := d.parser.Parse(b[d.read:end]); err != nil {
		if d.told != end {
			d.told = end
			t.opts.warn(path, "not used as far as it was added: "+err.Error())
		}
		return nil
	}
	d.read = end
	for _, w := range d.parser.Warnings() {
		t.opts.warn(path, w)
	}
	t.adopt(d.parser.Trace())
	return nil
}

// refreshFile looks for more in a file, nil when none was known by this path.
func (t *Trace) refreshFile(f *dataFile, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if f == nil || !isSame(path, f.info) {
		if f = t.moved(info); f != nil {
			f.move(path)
		}
	}
	if f != nil && f.stream != nil {
		return f.grow(t, info)
	}
	fresh, err := t.scanner().file(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // moved meanwhile
	}
	if err != nil {
		return err
	}
	if f == nil {
		f = &dataFile{}
		t.files = append(t.files, f)
	}
	*f = *fresh
	t.placeLate(f)
	return nil
}

// placeLate adds a file that came after the streams were settled.
func (t *Trace) placeLate(f *dataFile) {
	packets := f.packets
	if packets == nil && f.err == nil {
		return
	}
	f.stream = t.streamOf(f)
	f.packets = nil
	f.stream.add(f)
	f.stream.extend(f, packets)
}

// moved returns the file that was known by another path.
func (t *Trace) moved(info fs.FileInfo) *dataFile {
	for _, f := range t.files {
		if os.SameFile(f.info, info) && info.Size() >= f.info.Size() && !isSame(f.path, f.info) {
			return f
		}
	}
	return nil
}

func (f *dataFile) move(path string) {
	f.path = path
	if f.stream != nil {
		f.stream.Files[f.number] = path
	}
}

// grow finds the packets behind those that a file is known to have.
func (f *dataFile) grow(t *Trace, info fs.FileInfo) error {
	size := info.Size()
	plan := f.stream.plan
	if size <= f.info.Size() || f.err != nil || !plan.roles[schema.RolePacketSize] && !plan.roles[schema.RoleContentSize] {
		return nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // moved meanwhile
	}
	if err != nil {
		return err
	}
	defer file.Close()
	d := newDecoder(f.path, plan, scanWindow)
	packets, err := scan(d, file, f.count, f.end, size)
	if err != nil && !isEarly(err) {
		f.err = err
	}
	f.info = info
	f.found(packets)
	f.stream.extend(f, packets)
	if f.stream.err == nil {
		f.stream.err = f.err
	}
	return nil
}
