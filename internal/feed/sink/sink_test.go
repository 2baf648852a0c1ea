// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/wait"
)

var (
	storms = flag.Int("storms", 1, "storms on each file system")
	tries  = flag.Int("tries", 1500, "operations that each worker of a storm tries")
)

func TestFirstScanAndChanges(t *testing.T) {
	databases(t, func(t *testing.T, to string) {
		dir := fstest.New(t, "ext4").Dir
		must(t, populate(dir))
		k := newSunk(t, dir, to)
		s, done := k.open()
		k.follow(s)
		k.sh("mv a c; rm other; ln -s y c/b/new; truncate -s 100000 c/b/file; chmod 4755 c/b/file; mkdir -p e/f; mv c/b e/f; touch e/f/b/z")
		k.follow(s)
		k.checkLog(s)
		done()
		k.sh("rm -r c")
		s, done = k.open() // goes on where it was
		defer done()
		if s.Cursor().State != StateOK || s.Cursor().Scan != 1 {
			t.Errorf("cursor after opening again: got %+v, want no scan", s.Cursor())
		}
		k.follow(s)
		k.checkLog(s)
	})
}

func TestTablesAreTheDiskAfterStorms(t *testing.T) {
	for _, kind := range fstest.Kinds {
		for seed := range *storms {
			t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
				k := newSunk(t, fstest.New(t, kind).Dir, sqliteIn(t))
				s, done := k.open()
				defer done()
				stormed := make(chan struct{})
				go func() {
					defer close(stormed)
					elsewhere(t, "storm", k.dir, seed, 1+(seed+1)%3, *tries)
				}()
				for running := true; running; {
					select {
					case <-stormed:
						running = false
					default:
						must(t, s.Run(t.Context(), true))
					}
				}
				k.follow(s)
				k.checkLog(s)
			})
		}
	}
}

// The source changes while it is scanned, and a part of a file system has an edge.
func TestPartOfAFileSystem(t *testing.T) {
	root := fstest.New(t, "ext4").Dir
	in, out := filepath.Join(root, "in"), filepath.Join(root, "out")
	must(t, os.Mkdir(in, 0o700), os.Mkdir(out, 0o700))
	must(t, populate(in))
	must(t, populate(out))
	k := newSunk(t, in, sqliteIn(t))
	s, done := k.open()
	defer done()
	k.follow(s)
	sh(t, root, "mv out/a in/came; mv in/a out/went; mv in/fifo out/fifo2; touch in/came/b/late; ln in/came/b/late out/late; rm in/came/b/file")
	elsewhere(t, "exchange", filepath.Join(in, "came/b"), filepath.Join(out, "went/b"))
	k.sh("touch came/b/later; mv came/b b2; mkdir -p x/y/z; rm -r x/y")
	k.follow(s)
}

// What is told of a directory that was moved in has the index of the move, and takes
// several batches: the log has the move once, and nothing twice.
func TestMoveIntoAPartIsLoggedOnce(t *testing.T) {
	databases(t, func(t *testing.T, to string) {
		root := fstest.New(t, "tmpfs").Dir
		in := filepath.Join(root, "in")
		sh(t, root, "mkdir -p in out/few out/many; touch out/few/f; cd out/many; seq 500 | xargs touch")
		k := newSunk(t, in, to)
		s, done := k.open()
		k.follow(s)
		sh(t, root, "mv out/few in/few; mv out/many in/many; touch in/end")
		k.follow(s)
		done()
		s, done = k.open()
		defer done()
		k.follow(s)
		counts := map[string]int64{}
		must(t, s.db.query(t.Context(), `SELECT type, COUNT(*) FROM {log} GROUP BY type`, nil, func(_ []string, v []any) error {
			counts[fmt.Sprintf("%s", v[0])] = v[1].(int64)
			return nil
		}))
		if counts["RENME"] != 2 || counts["CREAT"] != 1 {
			t.Errorf("log: got %v records by type, want 2 of moves and 1 of the file made", counts)
		}
	})
}

func TestGapIsHealed(t *testing.T) {
	databases(t, func(t *testing.T, to string) {
		dir := fstest.New(t, "tmpfs").Dir
		must(t, populate(dir))
		k := newSunk(t, dir, to)
		s, done := k.open()
		k.follow(s)
		done()
		k.sh("rm -r a; touch unseen")
		wait.Until(t, "the records to be there", func() bool {
			i, err := k.api.Info(t.Context(), k.info.ID)
			must(t, err)
			return i.Available >= 5
		})
		info, err := k.api.Reset(t.Context(), client.ResetRequest{Feed: k.info.ID}) // the records are lost to it
		must(t, err)
		k.info.Cancelled = info.Cancelled
		s, done = k.open()
		defer done()
		if s.Cursor().State != StateGap {
			t.Errorf("state after a reset: got %q, want %q", s.Cursor().State, StateGap)
		}
		k.follow(s)
		if got := s.Cursor(); got.State != StateOK || got.Scan < 2 {
			t.Errorf("cursor: got %+v, want a second scan", got)
		}
	})
}

func TestForeignTablesAreRefused(t *testing.T) {
	k := newSunk(t, fstest.New(t, "tmpfs").Dir, sqliteIn(t))
	s, done := k.open()
	k.follow(s)
	done()
	for what, change := range map[string]func(*Options){
		"file system": func(o *Options) { o.Info.Source = "another" },
		"made anew":   func(o *Options) { o.Info.Last = 0; o.Info.Cancelled = 0 },
		"prefix":      func(o *Options) { o.Tables = "x; DROP" },
		"database":    func(o *Options) { o.To = "mysql:x" },
	} {
		o := Options{Info: k.info, To: k.to, Log: slog.New(slog.DiscardHandler)}
		o.Info.Last = 1 << 40
		change(&o)
		s2, err := Open(t.Context(), o)
		if err == nil {
			s2.Close()
		}
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got error %v", what, err)
		}
	}
}

// Two sinks never write the same tables: the second sees that the first moved.
func TestCursorIsMovedByOne(t *testing.T) {
	databases(t, func(t *testing.T, to string) {
		ctx := t.Context()
		open := func() *Sink {
			s, err := Open(ctx, Options{Info: client.Info{ID: "cl1", Source: "u", Last: 100}, To: to, Log: slog.New(slog.DiscardHandler), Audit: true})
			must(t, err)
			t.Cleanup(func() { s.Close() })
			return s
		}
		first, second := open(), open()
		batch := func() *client.Batch {
			return &client.Batch{Records: []changelog.Record{{Index: 1, Type: changelog.Mark, Mark: &changelog.Marker{Kind: changelog.MarkStart}}}, Through: 1}
		}
		must(t, first.Apply(ctx, batch()))
		must(t, first.Apply(ctx, batch())) // delivered again: no effect
		if err := second.Apply(ctx, batch()); !errors.Is(err, errMoved) {
			t.Errorf("second sink: got %v, want %v", err, errMoved)
		}
	})
}
