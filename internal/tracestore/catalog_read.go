// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// ChunkReader reads the files of a closed chunk. It must be closed. A removal
// meanwhile shows as an error that is fs.ErrNotExist.
type ChunkReader struct {
	root   *os.Root // the chunk's directory
	limits CatalogLimits
	skip   map[string]bool // in the session directory: what other chunks have
}

// ChunkFile is a regular file of a chunk.
type ChunkFile struct {
	Path     string // within the chunk
	Size     int64  // bytes
	Mode     fs.FileMode
	Modified time.Time
}

// OpenChunk opens a chunk for reading. ErrInUse: it is open. ErrNotStored: it
// has gone.
func (c *Catalog) OpenChunk(ctx context.Context, s StoredSession, chunk StoredChunk) (*ChunkReader, error) {
	if s.Dir == "" || chunk.State == ChunkOpen {
		return nil, fmt.Errorf("chunk %s of session %s: %w", chunk.ID, s.Dir, ErrInUse)
	}
	out, err := os.OpenRoot(c.store.opts.Output)
	if err != nil {
		return nil, notStored(err)
	}
	defer out.Close()
	root, err := openBelow(out, chunk.Dir)
	if err != nil {
		return nil, fmt.Errorf("chunk %s of session %s: %w", chunk.ID, s.Dir, notStored(err))
	}
	r := &ChunkReader{root: root, limits: c.limits}
	if chunk.sub == "" {
		if r.skip, err = c.otherChunks(ctx, root, s.Dir); err != nil {
			root.Close()
			return nil, fmt.Errorf("chunk %s of session %s: %w", chunk.ID, s.Dir, err)
		}
	}
	return r, nil
}

// otherChunks lists what of a session directory is not the chunk in it.
func (c *Catalog) otherChunks(ctx context.Context, root *os.Root, dir string) (map[string]bool, error) {
	own, err := c.rootEntries(ctx, root, dir)
	if err != nil {
		return nil, err
	}
	entries, err := readNames(ctx, root, c.limits.DirEntries)
	if err != nil {
		return nil, err
	}
	skip := make(map[string]bool)
	for _, e := range entries {
		skip[e.Name()] = !slices.Contains(own, e.Name())
	}
	return skip, nil
}

// Close lets go of the directory.
func (r *ChunkReader) Close() error { return r.root.Close() }

// Files walks the regular files in the order of their paths, element by
// element; symbolic links and whatever else is no file are left out. An error
// ends the walk.
func (r *ChunkReader) Files(ctx context.Context) iter.Seq2[ChunkFile, error] {
	return func(yield func(ChunkFile, error) bool) {
		r.walk(ctx, r.root, "", maxNesting, yield)
	}
}

// walk reports whether the walk is to go on.
func (r *ChunkReader) walk(ctx context.Context, dir *os.Root, name string, nesting int, yield func(ChunkFile, error) bool) bool {
	entries, err := readNames(ctx, dir, r.limits.DirEntries)
	if err == nil && nesting == 0 {
		err = fmt.Errorf("%w: %s is nested more than %d levels", ErrLimit, name, maxNesting)
	}
	if err != nil {
		yield(ChunkFile{}, fmt.Errorf("directory %q of the chunk: %w", name, err))
		return false
	}
	for _, e := range entries {
		at := path.Join(name, e.Name())
		if name == "" && r.skip[e.Name()] {
			continue
		}
		if !r.entry(ctx, dir, e, at, nesting, yield) {
			return false
		}
	}
	return true
}

func (r *ChunkReader) entry(ctx context.Context, dir *os.Root, e fs.DirEntry, at string, nesting int, yield func(ChunkFile, error) bool) bool {
	if e.IsDir() {
		sub, err := openDir(dir, e.Name())
		if err != nil {
			yield(ChunkFile{}, fmt.Errorf("directory %q of the chunk: %w", at, err))
			return false
		}
		defer sub.Close()
		return r.walk(ctx, sub, at, nesting-1, yield)
	}
	if !e.Type().IsRegular() {
		return true
	}
	info, err := e.Info()
	if err != nil {
		yield(ChunkFile{}, fmt.Errorf("file %q of the chunk: %w", at, err))
		return false
	}
	return yield(ChunkFile{Path: at, Size: info.Size(), Mode: info.Mode().Perm(), Modified: info.ModTime()}, nil)
}

// Open opens a file that Files has named. The caller closes it.
func (r *ChunkReader) Open(f ChunkFile) (io.ReadCloser, error) {
	dir, err := openBelow(r.root, path.Dir(f.Path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	before, err := dir.Lstat(path.Base(f.Path))
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", f.Path, errReplaced)
	}
	file, err := dir.Open(path.Base(f.Path))
	if err != nil {
		return nil, err
	}
	if after, err := file.Stat(); err != nil || !os.SameFile(before, after) {
		file.Close()
		return nil, fmt.Errorf("%s: %w", f.Path, errReplaced)
	}
	return file, nil
}

// readNames returns the entries of a directory by name.
func readNames(ctx context.Context, root *os.Root, limit int) ([]fs.DirEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(limit + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(entries) > limit {
		return nil, fmt.Errorf("%w: more than %d entries", ErrLimit, limit)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}
