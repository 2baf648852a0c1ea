// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// What goes wrong with the state is told of the target, and not of an agent's store.
func TestErrorsOfTheState(t *testing.T) {
	const own = "/backup/srv/.weir-mirror"
	for _, tt := range []struct {
		err  error
		is   error
		want []string
	}{
		{&journal.RoomError{Dir: own + "/state", Free: 5, Least: 7, What: "opening"}, unix.ENOSPC, []string{"target /backup/srv is full: 5 bytes are free, and 7"}},
		{fmt.Errorf("feed store %s: stalled: %w", own, unix.ENOSPC), unix.ENOSPC, []string{"target /backup/srv: ", "no space left"}},
		{fmt.Errorf("feed store %s: lock: %w", own, unix.EROFS), unix.EROFS, []string{"target /backup/srv: ", "read-only"}},
		{fmt.Errorf("%w: x", journal.ErrLocked), journal.ErrLocked, []string{"target /backup/srv: another mirror"}},
		{&journal.CorruptError{Path: own + "/state/1.sst", Err: errors.New("torn")}, nil, []string{own + "/state/1.sst: torn", "--begin-anew"}},
	} {
		got := explain(own, tt.err)
		if tt.is != nil && !errors.Is(got, tt.is) {
			t.Errorf("%v: got %v, which is no %v", tt.err, got, tt.is)
		}
		if strings.Contains(got.Error(), "feed store") || strings.Contains(got.Error(), "weir feed") {
			t.Errorf("%v: got %q, which is about a store of feeds", tt.err, got)
		}
		for _, w := range tt.want {
			if !strings.Contains(got.Error(), w) {
				t.Errorf("%v: got %q, want %q in it", tt.err, got, w)
			}
		}
	}
	if err := explain(own, nil); err != nil {
		t.Errorf("no error: got %v", err)
	}
}

// A small target has room for its copies beside the state, and one that was full goes on as
// soon as there is room again.
func TestSmallTarget(t *testing.T) {
	for _, kind := range []string{"ext4", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			size := int64(48 << 20)
			if kind == "btrfs" { // is not made smaller
				size = 128 << 20
			}
			m := newMirrored(t, "ext4")
			target := fstest.Sized(t, kind, size)
			m.target = target.Path("copy")
			m.sh("for i in 1 2 3 4; do head -c 5M /dev/urandom > f$i; done")
			mi := m.start()
			m.equal(mi)
			filler := target.Path("filler")
			m.fill(filler)
			m.sh("for i in 5 6; do head -c 4M /dev/urandom > f$i; done")
			if err := m.fails(mi); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "target "+m.target) {
				t.Errorf("full target: got %v, want that it is full", err)
			}
			_ = mi.Close() // it has no room to tell of itself
			m.mirror = nil
			m.stop()
			must(t, os.Remove(filler))
			m.equal(m.start())
		})
	}
}

// fill fills a file system by a file.
func (m *mirrored) fill(path string) {
	m.t.Helper()
	must(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
	f, err := os.Create(path)
	must(m.t, err)
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			block = block[:len(block)/2]
		} else {
			must(m.t, err)
		}
	}
	_ = f.Sync() // what has no room is told, and no matter
}
