// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// An object whose number another one has is gone without a look. Where numbers are not
// given again, and of all others, the disk is asked; here there is none.
func TestInherited(t *testing.T) {
	of := func(ver uint32) notice { return notice{object: changelog.FID{Seq: 12, Ver: ver}} }
	for kind, gone := range map[fanotify.Kind]bool{fanotify.Ext4: true, fanotify.XFS: true, fanotify.Btrfs: false, fanotify.Tmpfs: false} {
		d := newDisk("/none", journal.UUID{}, kind)
		look := func(ver uint32) (*look, error) { return d.look(of(ver).object) }
		d.inherit([]notice{of(1), of(2), of(1), of(3)})
		for ver := range uint32(3) {
			l, err := look(ver)
			if gone && (err != nil || !l.gone || !l.dead) || !gone && !errors.Is(err, errAbsent) {
				t.Errorf("kind %v, generation %d of which 3 is the last: %+v, %v", kind, ver, l, err)
			}
		}
		if l, err := look(3); !errors.Is(err, errAbsent) {
			t.Errorf("kind %v, last generation: %+v, %v, want that the disk is asked", kind, l, err)
		}
		d.inherit(nil)
		if l, err := look(1); !errors.Is(err, errAbsent) {
			t.Errorf("kind %v, after the events: %+v, %v, want that the disk is asked", kind, l, err)
		}
	}
}

// What the kernel tells agrees: of objects that threads make and remove, no handle is good
// any more whose number another one has by a later event.
func TestInheritedIsGone(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) { testInheritedIsGone(t, kind) })
	}
}

func testInheritedIsGone(t *testing.T, kind string) {
	fs := fstest.New(t, kind)
	root, err := fanotify.OpenRoot(fs.Dir)
	must(t, err)
	defer root.Close()
	id, err := root.UUID()
	must(t, err)
	k, err := root.Kind()
	must(t, err)
	g, err := fanotify.OpenGroup(false)
	must(t, err)
	defer g.Close()
	must(t, g.Mark(fs.Dir, fanotify.Changes))

	var storm sync.WaitGroup
	over := make(chan struct{})
	storm.Go(func() {
		defer close(over)
		churnFiles(fs.Dir, 4, 4000)
	})
	defer storm.Wait()
	w := &worker{s: &Source{}, disk: newDisk(fs.Dir, id, k)}
	defer w.disk.close()
	inherited := 0
	for last := false; !last; {
		select {
		case <-over:
			last = true // once what there is now is read
		default:
		}
		w.notices = w.notices[:0]
		must(t, readAll(w, g))
		w.disk.inherit(w.notices)
		for _, n := range slices.Backward(w.notices) { // the youngest are the likeliest to be there
			if !w.disk.isInherited(n.object) {
				continue
			}
			inherited++
			fd, err := w.disk.openFID(n.object, unix.O_PATH)
			if err == nil {
				unix.Close(fd)
			}
			if !errors.Is(err, unix.ESTALE) {
				t.Fatalf("event %#x: object %v opens (%v), and %v has its number", n.mask, n.object, err, w.disk.heirs[n.object.Seq])
			}
		}
	}
	if t.Logf("%d events of objects whose number another one has", inherited); inherited == 0 && kind == "ext4" {
		t.Error("no number was given again: nothing was tested")
	}
}

// readAll makes notices of all events that wait.
func readAll(w *worker, g *fanotify.Group) error {
	b := make([]byte, spoolRead)
	for {
		n, err := g.TryRead(b)
		if n == 0 || err != nil {
			return err
		}
		if err := eachEvent(b[:n], func(e *fanotify.Event) bool {
			closeProcess(e)
			w.note(e, nobody(e.PID))
			return true
		}); err != nil {
			return err
		}
	}
}
