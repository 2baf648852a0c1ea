// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
)

// ill is a source some objects of which cannot be asked for something.
type ill struct {
	origin
	ops map[string]bool
	of  map[changelog.FID]bool
}

func (i *ill) fails(op string, f changelog.FID, at string) error {
	if !i.ops[op] || !i.of[f] {
		return nil
	}
	return ofSource(op, f, at, unix.EIO)
}

func (i *ill) lookUp(n name) (changelog.FID, error) {
	f, err := i.origin.lookUp(n)
	if err == nil {
		err = i.fails("look up", f, n.name)
	}
	return f, err
}

func (i *ill) whereIs(f changelog.FID) (name, error) {
	if err := i.fails("where is", f, ""); err != nil {
		return name{}, err
	}
	return i.origin.whereIs(f)
}

func (i *ill) alive(f changelog.FID) (bool, error) {
	if err := i.fails("alive", f, ""); err != nil {
		return false, err
	}
	return i.origin.alive(f)
}

func (i *ill) list(dir changelog.FID) (lister, error) {
	if err := i.fails("list", dir, ""); err != nil {
		return nil, err
	}
	return i.origin.list(dir)
}

func (i *ill) stat(f changelog.FID) (*unix.Stat_t, string, error) {
	if err := i.fails("stat", f, ""); err != nil {
		return nil, "", err
	}
	return i.origin.stat(f)
}

func (i *ill) xattrs(f changelog.FID) (map[string][]byte, error) {
	if err := i.fails("xattrs", f, ""); err != nil {
		return nil, err
	}
	return i.origin.xattrs(f)
}

func (i *ill) copyTo(ctx context.Context, p *pace, out int, f changelog.FID, st *unix.Stat_t) (int64, error) {
	if err := i.fails("copy", f, ""); err != nil {
		return 0, err
	}
	return i.origin.copyTo(ctx, p, out, f, st)
}

// What cannot be asked of single objects of the source does not end the mirror: it is listed,
// the rest is done, and it comes when it can be asked again, also after a new start.
func TestErrorsOfSingleObjects(t *testing.T) {
	for _, op := range []string{"look up", "where is", "alive", "list", "stat", "xattrs", "copy"} {
		t.Run(op, func(t *testing.T) {
			m := newMirrored(t, "tmpfs")
			m.sh("mkdir -p a/b other gone/x; echo 1 > a/f; echo 2 > other/g; ln a/f other/h")
			mi := m.start()
			m.equal(mi)
			broken := &ill{origin: mi.src, ops: map[string]bool{op: true}, of: map[changelog.FID]bool{}}
			for _, path := range []string{"a", "a/f", "gone"} {
				_, f, err := mi.find(path)
				must(t, err)
				broken.of[f] = true
			}
			mi.src, mi.surveys.src = broken, broken
			m.sh("echo 3 >> a/f; mv a b; echo 4 > b/new; mkdir b/c; echo 5 > b/c/deep; echo 6 >> other/g; rm -r gone")
			mi.compareAll()
			must(t, mi.Run(t.Context(), true))
			left := map[string]bool{}
			for _, d := range m.differences() {
				left[d.Path] = true
			}
			if left["other/g"] {
				t.Errorf("another object is not equal: %v", m.differences())
			}
			var told string
			for _, s := range mi.Troubles() {
				told += s.Path + ": " + s.Error + "; "
			}
			if (op != "alive") != strings.Contains(told, "input/output error") && len(left) > 0 {
				t.Errorf("troubles: got %q, want those that are left: %v", told, left)
			}
			if len(left) > 0 && !strings.Contains(told, "source: ") {
				t.Errorf("differences %v without a trouble of the source: %q", left, told)
			}
			m.stop()
			mi = m.start()
			for _, s := range mi.st.troubles.all {
				s.next = time.Time{}
			}
			m.equal(mi)
			if left := mi.Troubles(); len(left) > 0 {
				t.Errorf("troubles that are over: got %v", left)
			}
		})
	}
}
