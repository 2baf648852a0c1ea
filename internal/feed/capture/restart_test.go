// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/holder"
	"github.com/weir-io/weir/internal/feed/journal"
)

// held has the worker do nothing until release is called.
func (s *watched) held() (release func()) {
	s.t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.ask(context.Background(), func(context.Context) error { close(begun); <-end; return nil })
	}()
	<-begun
	return func() { close(end) }
}

// replayed applies all records of the journal to what was there, and compares that with
// the disk.
func (s *watched) replayed(before map[name]changelog.FID) (all []changelog.Record) {
	s.t.Helper()
	s.from = 1
	all = s.records()
	p := &replay{names: maps.Clone(before)}
	for i := range all {
		if err := p.apply(&all[i]); err != nil {
			s.t.Fatal(err)
		}
	}
	compareNames(s.t, p.names, onDisk(s.t, s.Status().Dir))
	return all
}

// The kernel folds the third rename into the first: what is told last is the second. The
// worker that was told so ends before it has looked.
func TestNamesThatWaitOutliveTheWorker(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			store := memory(t)
			socket := hold(t)
			agent := func(t *testing.T) *watched {
				c, err := holder.Dial(socket)
				must(t, err)
				t.Cleanup(func() { c.Close() })
				return watchWith(t, Options{Dir: fs.Dir, Store: store, Holder: c})
			}
			must(t, os.WriteFile(fs.Path("a"), nil, 0o600))
			before := onDisk(t, fs.Dir)
			t.Run("told", func(t *testing.T) {
				s := agent(t)
				release := s.held()
				must(t, os.Rename(fs.Path("a"), fs.Path("b")), os.Rename(fs.Path("b"), fs.Path("a")), os.Rename(fs.Path("a"), fs.Path("b")))
				release()
				for last := uint64(0); last < s.from; {
					var changed <-chan struct{}
					if last, changed = s.Journal().Changed(); last < s.from {
						<-changed
					}
				}
			})
			agent(t).replayed(before)
		})
	}
}

// A scan that was cut short is done by the next worker.
func TestScanOutlivesTheWorker(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	c, err := holder.Dial(hold(t))
	must(t, err)
	defer c.Close()
	o := Options{Dir: fs.Dir, Store: memory(t), Holder: c}
	t.Run("cut short", func(t *testing.T) {
		s := watchWith(t, o)
		must(t, s.ask(t.Context(), func(context.Context) error {
			// As a worker that is killed behind the mark.
			err := s.worker.beginScan(false, nil)
			s.worker.scan = nil
			return err
		}))
	})
	s := watchWith(t, o)
	s.from = 1
	if got := briefs(s.records()); strings.Count(got, "MARK scan_begin") != 2 || strings.Count(got, "MARK scan_end") != 1 {
		t.Errorf("got %q, want two begins of a scan and one end", got)
	}
}

// Names are renamed back and forth while the worker is killed again and again: what the
// kernel has folded is looked up by a later worker.
func TestReplayOfStormsOverKillsIsTheDisk(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			storeDir, socket := t.TempDir(), hold(t)
			c := child(t, fs.Dir, storeDir, socket)
			before := onDisk(t, fs.Dir)
			stormed := make(chan struct{})
			go func() {
				defer close(stormed)
				fstest.Scramble(uint64(len(kind)), fs.Dir, 2, 4**tries)
			}()
			r := rand.New(rand.NewPCG(2, uint64(len(kind))))
			killed := 0
			for running := true; running; {
				pause(t, time.Duration(r.IntN(40))*time.Millisecond)
				must(t, c.Process.Kill())
				_ = c.Wait()
				select {
				case <-stormed:
					running = false
				default:
					killed++
					c = child(t, fs.Dir, storeDir, socket)
				}
			}
			store, err := journal.OpenStore(storeDir, journal.Options{})
			must(t, err)
			t.Cleanup(func() { must(t, store.Close()) }) // behind the source
			held, err := holder.Dial(socket)
			must(t, err)
			t.Cleanup(func() { must(t, held.Close()) })
			s := watchWith(t, Options{Dir: fs.Dir, Store: store, Holder: held})
			all := s.replayed(before)
			t.Logf("%d kills, %d records, %+v", killed, len(all), s.Status())
			if reasons := gaps(all); reasons != nil || killed == 0 {
				t.Errorf("got gaps %q after %d kills, want none after some", reasons, killed)
			}
		})
	}
}
