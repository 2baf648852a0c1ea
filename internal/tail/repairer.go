// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// repairer cuts the files of one table.
type repairer struct {
	log    *slog.Logger
	report *Report
}

// place is a directory in which files are looked for.
type place struct {
	path string
	root *os.Root
}

// run repairs all files of the table, one directory after the other, so that
// few descriptors are open at a time.
func (r *repairer) run(m *image) error {
	byDir := make(map[uint32][]followed)
	for _, f := range m.files {
		byDir[f.dir] = append(byDir[f.dir], f)
	}
	r.report.Followed = len(m.files)
	numbers := make([]uint32, 0, len(byDir))
	for dir := range byDir {
		numbers = append(numbers, dir)
	}
	slices.Sort(numbers)
	var errs []error
	for _, dir := range numbers {
		errs = append(errs, r.directory(m.dirs[dir], byDir[dir]))
	}
	return errors.Join(errs...)
}

// directory repairs the files of one directory.
func (r *repairer) directory(d directory, files []followed) error {
	var places []place
	for _, path := range []string{d.current, d.other} {
		if path == "" {
			continue
		}
		root, err := os.OpenRoot(path)
		if notThere(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open directory of followed files: %w", err)
		}
		// Read access through a Root leaves nothing to flush.
		defer root.Close()
		places = append(places, place{path, root})
	}
	var errs []error
	for _, f := range files {
		errs = append(errs, r.file(places, f))
	}
	return errors.Join(errs...)
}

// file looks for a file in the places and repairs it where it is.
func (r *repairer) file(places []place, f followed) error {
	for _, p := range places {
		found, err := r.fileAt(p, f)
		if found || err != nil {
			return err
		}
	}
	if r.removedFrom(places, f.rel) {
		return nil
	}
	r.report.Missing++
	r.log.Warn("followed file is gone", "path", f.rel)
	return nil
}

// removedFrom reports whether this repair has removed a file.
func (r *repairer) removedFrom(places []place, rel string) bool {
	return slices.ContainsFunc(r.report.Repairs, func(done Repair) bool {
		return done.Removed && slices.ContainsFunc(places, func(p place) bool {
			return done.Path == filepath.Join(p.path, rel)
		})
	})
}

// fileAt repairs a file and its index when p holds that very file.
func (r *repairer) fileAt(p place, f followed) (found bool, err error) {
	full := filepath.Join(p.path, f.rel)
	file, st, err := openRegular(p.root, f.rel, os.O_RDWR, func(st *unix.Stat_t) bool {
		return st.Dev == f.dev && st.Ino == f.ino
	})
	if refused(err) {
		r.log.Warn("path of followed file leads out of its directory", "path", full)
		return false, nil
	}
	if err != nil || file == nil {
		return false, err
	}
	end := min(st.Size, f.committed)
	switch {
	case st.Size < f.committed:
		r.report.Short++
		r.log.Warn("file is shorter than committed", "path", full, "size_bytes", st.Size, "committed_bytes", f.committed)
	case st.Size > f.committed:
		err = r.cut(file, full, st.Size, f.committed)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return true, err
	}
	return true, errors.Join(r.index(p, indexPath(f.rel), end), r.emptyMetadata(p, filepath.Dir(f.rel)))
}

// emptyMetadata removes the metadata of a directory when there is none in it
// yet. It may be so new that no slot followed it.
func (r *repairer) emptyMetadata(p place, dir string) error {
	rel := filepath.Join(dir, metadataName)
	st, err := p.root.Lstat(rel)
	switch {
	case notThere(err):
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", filepath.Join(p.path, rel), err)
	case !st.Mode().IsRegular() || st.Size() > 0:
		return nil
	}
	return r.remove(p, rel, "trace without metadata: its packets cannot be read")
}

// metadataName is the file that says how to read the others of its directory.
// An empty one makes readers refuse the whole tree, a missing one only hides
// that directory.
const metadataName = "metadata"

// remove removes a file that holds nothing whole.
func (r *repairer) remove(p place, rel, why string) error {
	full := filepath.Join(p.path, rel)
	if err := p.root.Remove(rel); err != nil {
		return fmt.Errorf("remove %s: %w", full, err)
	}
	r.report.Repairs = append(r.report.Repairs, Repair{Path: full, Removed: true})
	r.log.Warn("empty file removed", "path", full, "why", why)
	return nil
}

// index cuts an index file to the whole records of the first dataEnd bytes. A
// data file without an index, or with one that has no valid header, is readable
// without it.
func (r *repairer) index(p place, rel string, dataEnd int64) error {
	full := filepath.Join(p.path, rel)
	file, st, err := openRegular(p.root, rel, os.O_RDWR, func(*unix.Stat_t) bool { return true })
	if refused(err) {
		r.log.Warn("path of index file leads out of its directory", "path", full)
		return nil
	}
	if err != nil || file == nil {
		return err
	}
	if st.Size == 0 {
		return errors.Join(file.Close(), r.remove(p, rel, "index file without its header: readers make their own"))
	}
	end, err := readIndexEnd(file, st.Size, dataEnd, full)
	if corrupt, ok := errors.AsType[*CorruptError](err); ok {
		r.log.Warn("index file is damaged", "path", full, "error", corrupt)
		return file.Close()
	}
	if err == nil && end.keep < end.size {
		err = r.cut(file, full, end.size, end.keep)
	}
	return errors.Join(err, file.Close())
}

// cut cuts a file from size to length bytes and reports it.
func (r *repairer) cut(f *os.File, full string, size, length int64) error {
	if err := f.Truncate(length); err != nil {
		return fmt.Errorf("cut %s to %d bytes: %w", full, length, err)
	}
	r.report.Repairs = append(r.report.Repairs, Repair{Path: full, Cut: size - length, Size: length})
	r.log.Warn("file cut to whole packets", "path", full, "cut_bytes", size-length, "size_bytes", length)
	return nil
}

// refused says that os.Root did not follow a path out of its directory. That
// error has no name; it is the one that no system call returned.
func refused(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return false
	}
	_, isErrno := errors.AsType[syscall.Errno](path.Err)
	return !isErrno
}
