// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// move is a directory that a trace of files can go on in: all that it needs there is made.
// Either commit or undo follows, so that of many traces all go on elsewhere, or none.
type move struct {
	d         *directory
	dir, meta *os.File
	files     []traceFile // of the directory's writers
}

// prepare makes what the trace needs in a directory, which it takes over. Files for packets
// that find no room are made when they do.
func (d *directory) prepare(dir *os.File) (*move, error) {
	d.own.begin("directory of the trace")
	defer d.own.end()
	m := &move{d: d, dir: dir}
	if err := m.enter(); err != nil {
		m.undo()
		return nil, err
	}
	for _, w := range d.writers {
		f, err := w.make(dir, 0)
		if err != nil && !noRoom(err) {
			m.undo()
			return nil, err
		}
		m.files = append(m.files, f)
	}
	return m, nil
}

// enter makes the metadata there are, and the directory of indexes.
func (m *move) enter() (err error) {
	if err := unix.Mkdirat(int(m.dir.Fd()), "index", 0o750); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("directory of indexes: %w", err)
	}
	if m.meta, err = create(m.dir, "metadata"); err != nil {
		return err
	}
	m.d.metaMu.Lock()
	defer m.d.metaMu.Unlock()
	if _, err := m.meta.Write(m.d.text); err != nil {
		return fmt.Errorf("metadata of %d bytes: %w", len(m.d.text), err)
	}
	return nil
}

// undo removes what was made.
func (m *move) undo() {
	for _, f := range m.files {
		f.remove(m.dir)
	}
	if m.meta != nil {
		m.meta.Close()
		_ = unix.Unlinkat(int(m.dir.Fd()), "metadata", 0)
	}
	_ = unix.Unlinkat(int(m.dir.Fd()), "index", unix.AT_REMOVEDIR)
	m.dir.Close()
}

// commit has the trace go on there. What goes wrong as the old files are closed is told as
// an error of the disk.
func (m *move) commit() {
	d := m.d
	d.own.begin("files of the next chunk")
	defer d.own.end()
	for i, w := range d.writers {
		if err := w.close(); err != nil {
			d.failed(w, err)
		}
		w.number = 0
		w.take(m.files[i])
	}
	d.metaMu.Lock()
	defer d.metaMu.Unlock()
	if d.dir != nil {
		d.dir.Close()
		d.meta.Close()
	}
	d.dir, d.meta, d.written, d.memory = m.dir, m.meta, len(d.text), inMemory(m.dir)
}
