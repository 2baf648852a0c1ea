// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a scan.
const (
	scanBatch    = 256  // directory entries held at a time on each level
	scanDepth    = 64   // directories below each other
	scanFindings = 1000 // findings listed; further ones are only counted
)

// FindingKind says what a scan found.
type FindingKind string

// What a scan finds.
const (
	IndexCut         FindingKind = "index cut"          // records reached beyond the data file; Bytes were cut
	IndexDamaged     FindingKind = "index damaged"      // no valid header; left alone
	IndexWithoutData FindingKind = "index without data" // left alone
	DataBeyondIndex  FindingKind = "data beyond index"  // the data file is Bytes longer; left alone
	ChunkLeftover    FindingKind = "chunk leftover"     // a rotation was never finished; left alone
	Unreadable       FindingKind = "unreadable"         // could not be examined
	TooDeep          FindingKind = "too deep"           // more than 64 directories deep; not entered
)

// Finding is one result of a scan.
type Finding struct {
	Kind  FindingKind
	Path  string // relative to the root
	Bytes int64
}

// ScanReport is the result of a scan.
type ScanReport struct {
	Progress
	Findings []Finding // at most 1000 of them
}

// Progress counts what a scan has done so far.
type Progress struct {
	Dirs     uint64 // entered
	Indexes  uint64 // index files examined
	Skipped  uint64 // index files being written, or too young
	Cut      uint64 // index files cut
	Findings uint64 // also those that are not listed
}

// Scanner looks through an output tree for the damage of a power failure. It
// reads the end of each index file, so its cost is that of the number of files,
// and it holds a few directory entries at a time.
type Scanner struct {
	// Immutable after NewScanner.
	root   *os.Root
	log    *slog.Logger
	active func(rel string) bool
	before time.Time

	dirs, indexes, skipped, cut, count atomic.Uint64

	report ScanReport // owned by Run
}

// NewScanner returns a scanner of the tree below root. Files that changed at or
// after the time before (the start of the process) are left alone, and so are
// those for which active is true: that a session being written holds the data
// file, or unfinished chunk, rel. active is called from Run; nil means never.
func NewScanner(root *os.Root, log *slog.Logger, before time.Time, active func(rel string) bool) *Scanner {
	if active == nil {
		active = func(string) bool { return false }
	}
	return &Scanner{root: root, log: log, active: active, before: before}
}

// Scan runs a scanner that leaves alone what changes from now on.
func Scan(ctx context.Context, root *os.Root, log *slog.Logger, active func(rel string) bool) (ScanReport, error) {
	return NewScanner(root, log, time.Now(), active).Run(ctx)
}

// Progress may be called while Run runs.
func (s *Scanner) Progress() Progress {
	return Progress{s.dirs.Load(), s.indexes.Load(), s.skipped.Load(), s.cut.Load(), s.count.Load()}
}

// Run scans the tree once: index files whose records reach beyond their data
// file are cut to the whole records that fit, everything else is reported. The
// error is ctx's, or that of the root; what cannot be read further down is a
// finding. The report is valid with an error too.
func (s *Scanner) Run(ctx context.Context) (ScanReport, error) {
	s.report = ScanReport{}
	err := s.enter(ctx, ".", 0)
	s.report.Progress = s.Progress()
	if err != nil {
		return s.report, fmt.Errorf("scan %s: %w", s.root.Name(), err)
	}
	return s.report, nil
}

// enter scans one directory and those below it.
func (s *Scanner) enter(ctx context.Context, dir string, depth int) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return s.unreadable(dir, depth, err)
	}
	defer d.Close()
	s.dirs.Add(1)
	for {
		entries, err := d.ReadDir(scanBatch)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.entry(ctx, dir, e, depth); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return s.unreadable(dir, depth, err)
		}
	}
}

// unreadable reports a directory, or returns the error when that is the root.
func (s *Scanner) unreadable(dir string, depth int, err error) error {
	if depth == 0 {
		return err
	}
	if !notThere(err) { // gone since it was listed: no finding
		s.found(Unreadable, dir, 0, "error", err)
	}
	return nil
}

// entry scans one entry of a directory. Symbolic links are never followed.
func (s *Scanner) entry(ctx context.Context, dir string, e fs.DirEntry, depth int) error {
	rel := path.Join(dir, e.Name())
	switch {
	case e.IsDir() && depth == scanDepth:
		s.found(TooDeep, rel, 0)
	case e.IsDir():
		if leftover(e.Name()) && !s.active(rel) {
			s.found(ChunkLeftover, rel, 0)
		}
		return s.enter(ctx, rel, depth+1)
	case e.Type().IsRegular() && path.Base(dir) == "index" && strings.HasSuffix(e.Name(), ".idx"):
		data := path.Join(path.Dir(dir), strings.TrimSuffix(e.Name(), ".idx"))
		if err := s.index(rel, data); err != nil {
			s.found(Unreadable, rel, 0, "error", err)
		}
	}
	return nil
}

// leftover says whether the directory is one that a rotation makes and renames
// when it ends.
func leftover(name string) bool {
	return name == ".tmp_old_chunk" || name == ".tmp_new_chunk"
}

// index examines an index file against its data file.
func (s *Scanner) index(rel, data string) error {
	file, st, err := openRegular(s.root, rel, os.O_RDWR, func(*unix.Stat_t) bool { return true })
	if err != nil || file == nil {
		return err
	}
	info, err := s.root.Lstat(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, file.Close())
	}
	if s.isYoung(time.Unix(st.Mtim.Unix())) || err == nil && s.isYoung(info.ModTime()) || s.active(data) {
		s.skipped.Add(1)
		return file.Close()
	}
	s.indexes.Add(1)
	if err != nil || !info.Mode().IsRegular() {
		s.found(IndexWithoutData, rel, st.Size)
		return file.Close()
	}
	return errors.Join(s.compare(file, st.Size, rel, data, info.Size()), file.Close())
}

func (s *Scanner) isYoung(t time.Time) bool { return !t.Before(s.before) }

// compare cuts the open index file to what the data file holds.
func (s *Scanner) compare(file *os.File, size int64, rel, data string, dataEnd int64) error {
	end, err := readIndexEnd(file, size, dataEnd, rel)
	if corrupt, ok := errors.AsType[*CorruptError](err); ok {
		s.found(IndexDamaged, rel, size, "error", corrupt)
		return nil
	}
	if err != nil {
		return err
	}
	if end.keep < end.size {
		if s.active(data) { // since we asked: somebody writes it again
			return nil
		}
		if err := file.Truncate(end.keep); err != nil {
			return err
		}
		s.cut.Add(1)
		s.found(IndexCut, rel, end.size-end.keep)
	}
	if end.data < dataEnd {
		s.found(DataBeyondIndex, data, dataEnd-end.data)
	}
	return nil
}

// found counts and lists a finding. The listed ones are logged too.
func (s *Scanner) found(kind FindingKind, rel string, bytes int64, more ...any) {
	s.count.Add(1)
	if len(s.report.Findings) == scanFindings {
		return
	}
	s.report.Findings = append(s.report.Findings, Finding{kind, rel, bytes})
	s.log.Warn("damage found in output tree", append([]any{"kind", string(kind), "path", rel, "bytes", bytes}, more...)...)
}
