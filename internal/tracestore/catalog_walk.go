// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// sessionDepth is the least depth of a session's directory: HOST/SESSION.
const sessionDepth = 2

// metadataDepth is how far below ust or kernel a trace's metadata lies at most.
const metadataDepth = 4

// readBatch is how many directory entries are read at once.
const readBatch = 512

// maxNesting bounds the depth of the files of one chunk.
const maxNesting = 32

// walker finds the sessions of an output directory. It opens each directory by
// its parent's handle and never follows a symbolic link.
type walker struct {
	ctx    context.Context // of this walk, which is all that a walker lives for
	limits CatalogLimits
	by     Grouping
	loc    *time.Location
	open   []string // directories in use by open sessions, sorted
	left   int      // entries that may still be read
	inv    *Inventory
}

func newWalker(ctx context.Context, c *Catalog, inv *Inventory) *walker {
	w := &walker{
		ctx: ctx, limits: c.limits, by: c.store.opts.GroupBy, loc: c.store.opts.Location,
		left: c.limits.Entries, inv: inv,
	}
	for dir := range c.store.openDirs() {
		w.open = append(w.open, dir)
	}
	slices.Sort(w.open)
	return w
}

// holdsOpen reports whether a directory of an open session is dir or below it.
func (w *walker) holdsOpen(dir string) bool {
	i, found := slices.BinarySearch(w.open, dir)
	if found {
		return true
	}
	for _, o := range w.open[i:] {
		if within(o, dir) {
			return true
		}
		if !strings.HasPrefix(o, dir) {
			return false
		}
	}
	return false
}

// visit looks for sessions in dir.
func (w *walker) visit(root *os.Root, dir string, depth int) error {
	entries, err := w.read(root)
	if err != nil {
		return w.tolerate(dir, err)
	}
	p := w.sort(root, dir, depth, entries)
	deeper := p.rest
	if w.isSession(dir, depth, p, len(entries)) {
		w.inv.Sessions = append(w.inv.Sessions, w.session(root, dir, p))
		deeper = nil
	}
	if depth >= w.limits.Depth {
		return nil
	}
	// Sessions may have others in their directory: base paths are free.
	for _, e := range append(deeper, p.nested...) {
		if !e.IsDir() {
			continue
		}
		if err := w.descend(root, dir, e.Name(), depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) descend(root *os.Root, dir, name string, depth int) error {
	sub, err := openDir(root, name)
	if err != nil {
		return w.tolerate(path.Join(dir, name), err)
	}
	defer sub.Close()
	return w.visit(sub, path.Join(dir, name), depth+1)
}

// tolerate lets the walk go on when a directory has gone or changed meanwhile,
// or may not be read; the end of the caller's patience ends it.
func (w *walker) tolerate(dir string, err error) error {
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		w.inv.Truncated = true
		return nil
	}
	return fmt.Errorf("%q: %w", dir, err)
}

// read returns the entries of a directory by name, as many as the limits let.
func (w *walker) read(root *os.Root) ([]fs.DirEntry, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []fs.DirEntry
	for {
		batch, err := f.ReadDir(readBatch)
		w.left -= len(batch)
		all = append(all, batch...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if w.left <= 0 || len(all) >= w.limits.DirEntries {
			w.inv.Truncated = true
			break
		}
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all, nil
}

// hasMetadata looks for the metadata of a trace in ust or kernel.
func (w *walker) hasMetadata(root *os.Root, name string, depth int) bool {
	sub, err := openDir(root, name)
	if err != nil {
		return false
	}
	defer sub.Close()
	entries, err := w.read(sub)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name() == "metadata" && e.Type().IsRegular() {
			return true
		}
	}
	if depth == 0 || w.left <= 0 {
		return false
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != indexDir && w.hasMetadata(sub, e.Name(), depth-1) {
			return true
		}
	}
	return false
}

// hasTraces reports whether a directory holds traces as producers lay them
// out. It keeps the catalog, and who removes by it, away from directories that
// only look similar.
func (w *walker) hasTraces(root *os.Root, entries []fs.DirEntry) bool {
	for _, e := range entries {
		if e.IsDir() && (e.Name() == "ust" || e.Name() == "kernel") && w.hasMetadata(root, e.Name(), metadataDepth) {
			return true
		}
	}
	return false
}

// usage adds up the files of a directory.
type usage struct {
	bytes    int64
	files    int
	modified time.Time
}

func (u *usage) add(o usage) {
	u.bytes += o.bytes
	u.files += o.files
	if o.modified.After(u.modified) {
		u.modified = o.modified
	}
}

// measure adds up what is below an entry.
func (w *walker) measure(root *os.Root, e fs.DirEntry, nesting int) (u usage) {
	if !e.IsDir() {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			return u
		}
		return usage{bytes: info.Size(), files: 1, modified: info.ModTime()}
	}
	if nesting == 0 || w.left <= 0 {
		w.inv.Truncated = true
		return u
	}
	sub, err := openDir(root, e.Name())
	if err != nil {
		return u
	}
	defer sub.Close()
	entries, err := w.read(sub)
	if err != nil {
		return u
	}
	for _, child := range entries {
		u.add(w.measure(sub, child, nesting-1))
	}
	return u
}

// errReplaced says that a directory is not the one it was a moment ago.
var errReplaced = errors.New("directory was replaced")

// openDir opens a directory in root unless it is a symbolic link, also when it
// is made one at this moment.
func openDir(root *os.Root, name string) (*os.Root, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, fmt.Errorf("%s: %w", name, errReplaced)
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := sub.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s: %w", name, errReplaced)
	}
	if err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// openBelow opens a directory some levels down, likewise. The caller closes it.
func openBelow(root *os.Root, dir string) (*os.Root, error) {
	at, err := root.OpenRoot(".")
	if err != nil || dir == "" || dir == "." {
		return at, err
	}
	for name := range strings.SplitSeq(dir, "/") {
		next, err := openDir(at, name)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// within reports whether p is dir or below it.
func within(p, dir string) bool {
	return p == dir || dir == "" || strings.HasPrefix(p, dir) && p[len(dir)] == '/'
}
