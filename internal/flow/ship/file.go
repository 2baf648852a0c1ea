// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/weir-io/weir/internal/flow/record"
)

// FileOptions are settings of a File.
type FileOptions struct {
	Path    string
	JSON    bool  // objects, not lines of text
	MaxSize int64 // when it would be larger another one is begun
	Keep    int   // how many older ones there are: Path.1, the newest, to Path.Keep
}

// File is a local file that records are written to, a line each. Who moves it away, or
// deletes it, gets a new one.
type File struct {
	opts FileOptions
	file *os.File
	size int64
}

// OpenFile opens the file, which is made if there is none.
func OpenFile(opts FileOptions) (*File, error) {
	f := &File{opts: opts}
	return f, f.open()
}

// open opens the file. One that is not regular, such as a pipe, could hold up who writes.
func (f *File) open() error {
	if info, err := os.Stat(f.opts.Path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", f.opts.Path)
	}
	file, err := os.OpenFile(f.opts.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// Send writes records. Of those that are left there is no part in the file.
func (f *File) Send(_ context.Context, batch []record.Record) (refused int, left []record.Record, err error) {
	sent, lines := make([]record.Record, 0, len(batch)), make([][]byte, 0, len(batch))
	for i := range batch {
		line, err := f.line(&batch[i])
		if err != nil {
			refused++
			continue
		}
		sent, lines = append(sent, batch[i]), append(lines, line)
	}
	if err := f.follow(); err != nil {
		return refused, sent, err
	}
	for len(lines) > 0 {
		n, err := f.fill(lines)
		if err != nil {
			return refused, sent, err
		}
		sent, lines = sent[n:], lines[n:]
		if len(lines) == 0 {
			break
		}
		if err := f.rotate(); err != nil {
			return refused, sent, err
		}
	}
	return refused, nil, nil
}

// line returns a record as a line.
func (f *File) line(r *record.Record) ([]byte, error) {
	if !f.opts.JSON {
		return r.AppendText(nil)
	}
	line, err := r.AppendJSON(nil)
	return append(line, '\n'), err
}

// fill writes as many lines as the file has room for, one at least into an empty file,
// and returns how many.
func (f *File) fill(lines [][]byte) (n int, err error) {
	var text []byte
	for ; n < len(lines); n++ {
		size := f.size + int64(len(text))
		if size > 0 && size+int64(len(lines[n])) > f.opts.MaxSize {
			break
		}
		text = append(text, lines[n]...)
	}
	if len(text) == 0 {
		return n, nil
	}
	if _, err := f.file.Write(text); err != nil {
		return 0, errors.Join(err, f.file.Truncate(f.size))
	}
	f.size += int64(len(text))
	return n, nil
}

// follow opens the file unless it is open and still has its name.
func (f *File) follow() error {
	if f.file == nil {
		return f.open()
	}
	at, err := os.Stat(f.opts.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	is, ours := f.file.Stat()
	if ours != nil {
		return ours
	}
	if err == nil && os.SameFile(at, is) {
		f.size = is.Size() // who empties it makes room
		return nil
	}
	return errors.Join(f.Close(), f.open())
}

// rotate begins another file. The oldest goes.
func (f *File) rotate() error {
	if err := f.Close(); err != nil {
		return err
	}
	for i := f.opts.Keep - 1; i >= 0; i-- {
		if err := os.Rename(f.name(i), f.name(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if f.opts.Keep == 0 {
		if err := os.Remove(f.opts.Path); err != nil {
			return err
		}
	}
	return f.open()
}

// name returns the path of a file by how many are newer.
func (f *File) name(i int) string {
	if i == 0 {
		return f.opts.Path
	}
	return f.opts.Path + "." + strconv.Itoa(i)
}
