// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// partMode is that of the directories that lead to a part.
const partMode = 0o770

// tree is an output of files: a directory for each part, in the place of that below the
// domain's. It belongs to the engine.
type tree struct {
	// Immutable.
	most      time.Duration        // that a call may take before it is told
	onFailure func(error)          // is told when writing begins to fail, and with nil when it does no more; nil: nobody
	onHang    func(handover.Stuck) // is told when a call does not come back; nil: nobody
	onBack    func()               // is told when one that was told has; nil: nobody

	root *os.File // owned by the engine

	mu      sync.Mutex
	parts   []treePart          // changed by the engine alone; guarded by mu
	failing map[*directory]bool // guarded by mu
}

// treePart is the directory of a part.
type treePart struct {
	*directory

	place string
}

// newTree begins to write below a directory, which it takes over.
func newTree(root *os.File, most time.Duration) *tree {
	return &tree{most: most, root: root, failing: make(map[*directory]bool)}
}

// part returns the directory of a part, which is made if it is not there.
func (t *tree) part(p part) (*directory, error) {
	for _, o := range t.parts {
		if o.place == p.place {
			return o.directory, nil
		}
	}
	dir, err := t.enter(t.root, p.place)
	if err != nil {
		return nil, err
	}
	d, err := newDirectory(dir, t.most)
	if err != nil {
		return nil, err
	}
	d.onBack, d.onHang = t.onBack, t.onHang
	d.onFailure = func(err error) { t.failed(d, err) }
	t.mu.Lock()
	t.parts = append(t.parts, treePart{d, p.place})
	t.mu.Unlock()
	return d, nil
}

// enter makes the directory of a part, and opens it. Another part watches over it that
// the file system answers.
func (t *tree) enter(root *os.File, place string) (*os.File, error) {
	if len(t.parts) > 0 {
		t.parts[0].own.begin("directory of a trace")
		defer t.parts[0].own.end()
	}
	dir, err := open(root, ".")
	for name := range strings.SplitSeq(place, "/") {
		if err != nil || name == "" {
			break
		}
		if err = unix.Mkdirat(int(dir.Fd()), name, partMode); errors.Is(err, unix.EEXIST) {
			err = nil
		}
		above := dir
		if err == nil {
			dir, err = open(above, name)
		}
		above.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("directory %s of a trace: %w", place, err)
	}
	return dir, nil
}

// open opens a directory below another one.
func open(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// failed passes on that writing to a part begins to fail, or does no more: the last one
// tells that.
func (t *tree) failed(d *directory, err error) {
	t.mu.Lock()
	if err != nil {
		t.failing[d] = true
	} else {
		delete(t.failing, d)
	}
	rest, parts := len(t.failing), t.parts
	t.mu.Unlock()
	for _, o := range parts {
		rest += len(o.stuck())
	}
	if t.onFailure != nil && (err != nil || rest == 0) {
		t.onFailure(err)
	}
}

func (t *tree) metadata(p part, text []byte) error {
	d, err := t.part(p)
	if err != nil {
		return err
	}
	return d.metadata(text)
}

func (t *tree) regenerate(p part, text []byte) error {
	d, err := t.part(p)
	if err != nil {
		return err
	}
	return d.regenerate(text)
}

func (t *tree) writer(s *stream) (packetWriter, error) {
	d, err := t.part(s.in)
	if err != nil {
		return nil, err
	}
	return d.writer(s)
}

// rotate has all parts go on in the next chunk, or none.
func (t *tree) rotate(_ handover.Chunk, root *os.File) (func() error, error) {
	if root == nil {
		return nil, errors.New("rotation: no directory was given")
	}
	moves := make([]*move, 0, len(t.parts))
	for _, o := range t.parts {
		m, err := t.prepare(root, o)
		if err != nil {
			for i, m := range moves {
				m.undo()
				leave(root, t.parts[i].place)
			}
			leave(root, o.place)
			root.Close()
			return nil, fmt.Errorf("rotation: part %s: %w", cmp.Or(o.place, "."), err)
		}
		moves = append(moves, m)
	}
	for _, m := range moves {
		m.commit()
	}
	t.root.Close()
	t.root = root
	return done, nil
}

// prepare makes what a part needs in the next chunk.
func (t *tree) prepare(root *os.File, o treePart) (*move, error) {
	dir, err := t.enter(root, o.place)
	if err != nil {
		return nil, err
	}
	return o.directory.prepare(dir)
}

// leave removes the directories that lead to a part, as far as nothing is in them.
func leave(root *os.File, place string) {
	for ; place != "." && place != ""; place = path.Dir(place) {
		if err := unix.Unlinkat(int(root.Fd()), place, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
			return
		}
	}
}

// clear is a rotation whose old directory the daemon removes.
func (t *tree) clear(c handover.Chunk, root *os.File) (func() error, error) {
	return t.rotate(c, root)
}

func (t *tree) settle(context.Context) error { return nil }

func (t *tree) close(ctx context.Context) (unsent, error) {
	errs := []error{t.root.Close()}
	for _, o := range t.parts {
		_, err := o.close(ctx)
		errs = append(errs, err)
	}
	return unsent{}, errors.Join(errs...)
}

func (t *tree) status(to *handover.Status) {
	t.mu.Lock()
	parts := t.parts
	t.mu.Unlock()
	text := ""
	for _, o := range parts {
		o.status(to)
		if to.LastError != "" {
			text = to.LastError
		}
	}
	to.Output, to.LastError = handover.OutputDirectory, text
}

// endPart lets go of the directory, which stays as it is.
func (t *tree) endPart(p part) error {
	i := slices.IndexFunc(t.parts, func(o treePart) bool { return o.place == p.place })
	if i < 0 {
		return nil
	}
	d := t.parts[i].directory
	_, err := d.close(context.Background())
	if errors.Is(err, errHung) {
		return err // somebody is in it yet
	}
	t.mu.Lock()
	failing := t.failing[d]
	t.parts = slices.Delete(slices.Clone(t.parts), i, i+1) // others may look at what there was
	t.mu.Unlock()
	if failing {
		t.failed(d, nil)
	}
	return err
}

func (t *tree) confirmed(*stream) uint64 { return 0 }

func (t *tree) confirmedPast(uint32, uint32) uint64 { return 0 }
