// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/metadata"
)

// Result is what became of the traces below a directory.
type Result struct {
	Traces  int // that were looked at
	Changes []Change
	Left    []Problem // what is wrong still
	Events  uint64    // that can be read
}

// Change is what a file has lost, or would lose.
type Change struct {
	Path    string `json:"path"`
	Cut     int64  `json:"cut_bytes"`
	Size    int64  `json:"size_bytes"`        // after that
	Removed bool   `json:"removed,omitempty"` // an index that said nothing
}

// Problem is what is wrong with a trace, or with a file of it.
type Problem struct {
	Path string
	Err  error
}

// maxMetadata bounds what is read of a metadata file, bytes.
const maxMetadata = 256 << 20

// Tree repairs all traces at or below a directory. With keep nothing is changed. The
// error is that of looking for traces; what is wrong with one is in the result.
func Tree(ctx context.Context, root string, keep bool) (Result, error) {
	var r Result
	dirs, err := ctf.Find(root)
	if err == nil && len(dirs) == 0 {
		err = fmt.Errorf("%s: %w", root, ctf.ErrNoTrace)
	}
	for _, dir := range dirs {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		r.Traces++
		r.trace(ctx, dir, keep)
	}
	return r, err
}

func (r *Result) left(path string, err error) {
	if err != nil {
		r.Left = append(r.Left, Problem{path, err})
	}
}

// trace repairs the trace of a directory.
func (r *Result) trace(ctx context.Context, dir string, keep bool) {
	path := filepath.Join(dir, "metadata")
	torn, err := tornMetadata(path)
	if err != nil {
		r.left(path, err)
		return
	}
	if torn != nil {
		if !r.do(torn, keep) {
			return
		}
		if keep {
			r.left(dir, errors.New("what data files need is seen once the metadata are whole"))
			return
		}
	}
	repairs, err := ctf.FindRepairs(dir)
	r.left(dir, err)
	for i := range repairs {
		r.do(&repairs[i], keep)
	}
	if !keep {
		r.read(ctx, dir)
	}
}

// do carries a repair out, or takes note of it. It reports whether the file needs it
// no more, or would not.
func (r *Result) do(c *ctf.Repair, keep bool) bool {
	err := idle(c.Path)
	if err == nil && !keep {
		err = c.Do()
	}
	if err != nil {
		r.left(c.Path, err)
		return false
	}
	r.Changes = append(r.Changes, Change{Path: c.Path, Cut: c.Cut, Size: c.Size, Removed: c.Remove})
	return true
}

// errInUse reports a file that somebody may write.
var errInUse = errors.New("another process has it open: is the trace still being recorded?")

// idle returns errInUse for a file that another process has open. A lease for
// writing is granted to nobody else then; where there are none, as on network file
// systems, nothing is said.
func idle(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close() // gives the lease back
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); errors.Is(err, unix.EAGAIN) {
		return errInUse
	}
	return nil
}

// tornMetadata returns what metadata need that nobody can read, nil for those that
// are whole. Only what is behind the last declaration goes.
func tornMetadata(path string) (*ctf.Repair, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxMetadata {
		return nil, fmt.Errorf("got more than %d bytes of metadata", maxMetadata)
	}
	if len(text) == 0 {
		return nil, errors.New("the metadata are empty: nothing tells how to read the trace")
	}
	_, _, whole := ctf.ParseMetadata(text)
	if whole == nil {
		return nil, nil
	}
	var s metadata.Splitter
	s.Feed(text)
	end := s.Whole()
	if end == 0 || end == int64(len(text)) {
		return nil, whole
	}
	if _, _, err := ctf.ParseMetadata(text[:end]); err != nil {
		return nil, whole
	}
	return &ctf.Repair{Path: path, Size: end, Cut: int64(len(text)) - end}, nil
}

// read reads all events, as readers will.
func (r *Result) read(ctx context.Context, dir string) {
	t, err := ctf.OpenTrace(dir, ctf.Options{})
	if err != nil {
		return // it was told
	}
	const window = 64 << 10
	for _, s := range t.Streams {
		c := ctf.NewCursor(s, window)
		err := r.readStream(ctx, c)
		if errors.Is(err, context.Canceled) {
			c.Close()
			return
		}
		if err != nil && !r.toldOf(dir) {
			r.left(dir, err)
		}
		c.Close()
	}
}

// readStream counts the events of a stream.
func (r *Result) readStream(ctx context.Context, c *ctf.Cursor) error {
	for {
		kind, err := c.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case kind == ctf.EventRecord:
			r.Events++
		case ctx.Err() != nil: // between packets
			return ctx.Err()
		}
	}
}

// toldOf reports whether something of the trace was left alone.
func (r *Result) toldOf(dir string) bool {
	for _, p := range r.Left {
		if p.Path == dir || filepath.Dir(p.Path) == dir {
			return true
		}
	}
	return false
}
