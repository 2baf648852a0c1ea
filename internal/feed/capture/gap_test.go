// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/kernel/fanotify"
	"github.com/weir-io/weir/internal/wait"
)

// gaps are the reasons of gaps.
func gaps(all []changelog.Record) (reasons []string) {
	for i := range all {
		if m := all[i].Mark; m != nil && m.Kind == changelog.MarkGap {
			reasons = append(reasons, m.Reason)
		}
	}
	return reasons
}

// Changes of a file system that another one is mounted over cannot be looked at.
func TestCoveredFileSystemIsAGap(t *testing.T) {
	fs := fstest.New(t, "ext4")
	s := watch(t, memory(t), fs.Dir)
	before := onDisk(t, fs.Dir)
	below, err := os.OpenRoot(fs.Dir)
	must(t, err)
	defer below.Close()
	must(t, s.ask(t.Context(), func(context.Context) error { s.worker.disk.close(); return nil }))
	sh(t, "/", "mount -t tmpfs tmpfs "+fs.Dir)
	events := s.Status().Events
	must(t, below.WriteFile("unseen", nil, 0o600), below.Mkdir("d", 0o700), below.WriteFile("d/unseen", nil, 0o600))
	wait.Until(t, "the events to be read", func() bool { return s.Status().Events > events+2 })
	sh(t, "/", "umount "+fs.Dir)
	wait.Until(t, "the gap", func() bool { return s.Status().Gaps > 0 })
	if got := gaps(s.replayed(before)); !slices.Equal(got, []string{changelog.GapUnmounted}) {
		t.Errorf("gaps: got %q, want one of a file system that was not there", got)
	}
}

// File systems without a UUID would all be one source.
func TestFileSystemWithoutUUIDIsRefused(t *testing.T) {
	dir := fstest.New(t, "ext4-nouuid").Dir
	_, err := Open(t.Context(), Options{Dir: dir, Store: memory(t), Log: slog.New(slog.DiscardHandler)})
	var lacks *fanotify.UnsupportedError
	if !errors.As(err, &lacks) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "tune2fs -U random") {
		t.Errorf("got %v, want a refusal that says what to do", err)
	}
}

// After a crash the disk may not have what the journal has.
func TestJournalIsAheadOfTheDisk(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			store := memory(t)
			sh(t, fs.Dir, "mkdir -p a/b; echo 1 > a/f; echo 2 > g; sync")
			before := onDisk(t, fs.Dir)
			fs.Unmount()
			restore := fs.Keep()
			fs.Mount()
			t.Run("before", func(t *testing.T) {
				s := watch(t, store, fs.Dir)
				sh(t, fs.Dir, "mv a/f h; rm g; mkdir -p n/m; echo 3 > n/m/o; mv a/b n; chmod 600 h; ln h i")
				if len(s.records()) == 0 {
					t.Error("no records")
				}
			})
			fs.Unmount()
			restore()
			fs.Mount()
			watch(t, store, fs.Dir).replayed(before)
		})
	}
}

// The number of a loop device is part of what names an xfs in its events.
func TestOtherDevice(t *testing.T) {
	fs := fstest.New(t, "xfs")
	s := watch(t, memory(t), fs.Dir)
	before := onDisk(t, fs.Dir)
	sh(t, fs.Dir, "mkdir d; echo > d/a")
	s.settled()
	wait.Until(t, "the file system to be let go", func() bool { return unix.Unmount(fs.Dir, 0) == nil })
	wait.Until(t, "the source to be absent", func() bool { return s.Status().State == StateAbsent })
	other := fstest.New(t, "xfs") // has the device now, or one before it
	fs.Mount()
	wait.Until(t, "the source to be active", func() bool { return s.Status().State == StateActive })
	sh(t, fs.Dir, "mv d/a b; echo > d/c; ln b d/e; rm b")
	sh(t, other.Dir, "echo > not")
	all := s.replayed(before)
	if got := briefs(all); !strings.HasSuffix(got, "UNLNK b") || strings.Contains(got, "not") {
		t.Errorf("got %q", got)
	}
	var devices []string
	for _, r := range all {
		if r.Mark != nil && (r.Mark.Kind == changelog.MarkMount || r.Mark.Kind == changelog.MarkUnmount) {
			devices = append(devices, r.Mark.Device)
		}
	}
	if len(devices) != 2 || !strings.HasPrefix(devices[0], "/dev/") || devices[1] != deviceOf(fs.Dir) {
		t.Errorf("devices of unmount and mount: got %q, want two, now %s", devices, deviceOf(fs.Dir))
	}
}

// Times of records do not go back with the clock.
func TestClockIsSetBack(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	s := watch(t, memory(t), fs.Dir)
	ahead := time.Now().Add(time.Hour).UnixNano()
	must(t, s.ask(t.Context(), func(context.Context) error { s.worker.time = ahead; return nil }))
	sh(t, fs.Dir, "mkdir a b")
	for _, r := range s.records() {
		if r.Time != ahead {
			t.Errorf("%s: got time %d, want %d, the last one", brief(&r), r.Time, ahead)
		}
	}
}

// What writing records changes is not told, by a scan neither.
func TestStoreIsSkipped(t *testing.T) {
	fs := fstest.New(t, "ext4")
	sh(t, fs.Dir, "mkdir -p state/feeds other")
	s := watchWith(t, Options{Dir: fs.Dir, Store: memory(t), Skip: fs.Path("state/feeds")})
	sh(t, fs.Dir, "echo > state/feeds/new; echo >> state/feeds/new; mkdir state/feeds/d; mkdir other/x; rm state/feeds/new")
	must(t, s.Rescan(t.Context()))
	if got := briefs(s.records()); strings.Contains(got, "feeds/") || !strings.Contains(got, "MKDIR other/x") {
		t.Errorf("got %q, want nothing of what is in state/feeds", got)
	}
}

// What is mounted on a directory does not take it, or what is below it, away.
func TestCoveredNamesStay(t *testing.T) {
	fs := fstest.New(t, "ext4")
	other := fstest.New(t, "ext4")
	sh(t, fs.Dir, "mkdir -p was/d; echo > was/d/f")
	s := watch(t, memory(t), fs.Dir)
	must(t, os.Rename(fs.Path("was"), fs.Path("is"))) // has both names looked up
	must(t, unix.Mount(other.Dir, fs.Path("is"), "", unix.MS_BIND, ""))
	got := briefs(s.records())
	must(t, unix.Unmount(fs.Path("is"), 0))
	if got != "RENME was>is" {
		t.Errorf("got %q, want the rename alone", got)
	}
}

func TestManyUnreadEventsAreGivenUp(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	s := watchWith(t, Options{Dir: fs.Dir, Store: memory(t), MaxUnread: 1000})
	must(t, s.ask(t.Context(), func(context.Context) error {
		s.worker.spool.slots = s.worker.spool.slots[:1] // so that nothing is read ahead
		return nil
	}))
	before := onDisk(t, fs.Dir)
	release := s.held()
	sh(t, fs.Dir, "seq 9000 | xargs touch")
	release()
	if got := gaps(s.replayed(before)); !slices.Equal(got, []string{changelog.GapOverflow}) {
		t.Errorf("gaps: got %q, want one overflow", got)
	}
	if n := s.Status().Unread; n > 1000 {
		t.Errorf("%d events are unread, want 1000 at most", n)
	}
}

// fullStore is a store without room, while that is wanted.
type fullStore struct {
	journal.Store
	full    atomic.Bool
	refused atomic.Int64
}

type fullJournal struct {
	journal.Journal
	s *fullStore
}

func (s *fullStore) Open(id journal.UUID) (journal.Journal, error) {
	j, err := s.Store.Open(id)
	return &fullJournal{j, s}, err
}

func (j *fullJournal) Apply(ctx context.Context, b *journal.Batch) error {
	if j.s.full.Load() {
		j.s.refused.Add(1)
		return fmt.Errorf("test: %w", syscall.ENOSPC)
	}
	return j.Journal.Apply(ctx, b)
}

func TestFullJournalStallsTheSource(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := &fullStore{Store: memory(t)}
	s := watchWith(t, Options{Dir: fs.Dir, Store: store, MaxUnread: 2000})
	before := onDisk(t, fs.Dir)
	stalled := func(want string) func() bool {
		return func() bool { return s.Status().State == want }
	}
	store.full.Store(true)
	sh(t, fs.Dir, "mkdir d; touch d/a d/b")
	wait.Until(t, "the source to stall", stalled(StateStalled))
	store.full.Store(false)
	s.Retry()
	wait.Until(t, "the source to go on", stalled(StateActive))
	if got := gaps(s.replayed(before)); got != nil {
		t.Errorf("gaps: got %q, want none: the kernel has kept the events", got)
	}

	store.full.Store(true)
	sh(t, fs.Dir, "touch c")
	wait.Until(t, "the source to stall", stalled(StateStalled))
	sh(t, fs.Dir, "seq 3000 | xargs touch")
	tried := store.refused.Load()
	s.Retry() // the queue is looked at before each attempt
	wait.Until(t, "another attempt", func() bool { return store.refused.Load() > tried })
	store.full.Store(false)
	s.Retry()
	wait.Until(t, "the source to go on", stalled(StateActive))
	if got := gaps(s.replayed(before)); !slices.Equal(got, []string{changelog.GapStalled}) {
		t.Errorf("gaps: got %q, want one of a journal that was full", got)
	}
}

// A gap begins when something was recorded last, also where all records are deleted since.
func TestGapBeginsWhereRecordsEnd(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := memory(t)
	var end time.Time
	t.Run("before", func(t *testing.T) {
		s := watch(t, store, fs.Dir)
		sh(t, fs.Dir, "touch a")
		s.records()
		end = time.Now()
		_, last := s.Journal().Bounds()
		must(t, s.Journal().Trim(t.Context(), last))
	})
	again := time.Now()
	s := watch(t, store, fs.Dir)
	s.from, _ = s.Journal().Bounds()
	all := s.records()
	if got := gaps(all); !slices.Equal(got, []string{changelog.GapAgentDown}) {
		t.Fatalf("got gaps %q, want one of an agent that was down", got)
	}
	if m := all[0].Mark; m.Since == 0 || m.Since > end.UnixNano() || m.Until < again.UnixNano() {
		t.Errorf("got a gap from %v to %v, want from before %v to after %v", time.Unix(0, m.Since), time.Unix(0, m.Until), end, again)
	}
}

// Who asks something of a source whose journal is full is told so, and does not wait.
func TestFullJournalRefusesRequests(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := &fullStore{Store: memory(t)}
	s := watchWith(t, Options{Dir: fs.Dir, Store: store})
	store.full.Store(true)
	sh(t, fs.Dir, "touch a")
	wait.Until(t, "the source to stall", func() bool { return s.Status().State == StateStalled })
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	_, pathsErr := s.Paths(ctx, s.worker.index.root)
	for what, err := range map[string]error{
		"rescan": s.Rescan(ctx), "ready": s.Ready(ctx), "mask": s.SetMask(ctx, changelog.DefaultMask), "paths": pathsErr,
	} {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: got %v, want %v", what, err, syscall.ENOSPC)
		}
	}
	store.full.Store(false)
	s.Retry()
	wait.Until(t, "the source to go on", func() bool { return s.Status().State == StateActive })
	must(t, s.Rescan(ctx))
}

// A mark that the journal had no room for is written when there is some, and once, though the
// batch that it is in is thrown away because the file system is gone for a moment.
func TestPromisedMarkOutlivesAnUnmount(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := &fullStore{Store: memory(t)}
	s := watchWith(t, Options{Dir: fs.Dir, Store: store})
	s.settled()
	m := changelog.Marker{Kind: changelog.MarkWarn, Feed: "cl1", Reason: "size"}
	must(t, s.ask(t.Context(), func(ctx context.Context) error {
		store.full.Store(true)
		if _, err := s.worker.tell(m); !errors.Is(err, ErrUnderWay) {
			t.Errorf("got %v, want %v", err, ErrUnderWay)
		}
		return s.worker.survive(ctx, errAbsent)
	}))
	wait.Until(t, "the source to stall", func() bool { return s.Status().State == StateStalled })
	store.full.Store(false)
	s.Retry()
	wait.Until(t, "the source to go on", func() bool { return s.Status().State == StateActive })
	must(t, s.Rescan(t.Context()))
	var told []changelog.Marker
	for _, r := range s.records() {
		if r.Mark != nil && r.Mark.Kind == changelog.MarkWarn {
			told = append(told, *r.Mark)
		}
	}
	if !slices.Equal(told, []changelog.Marker{m}) {
		t.Errorf("got the marks %+v, want once %+v", told, m)
	}
}

// A scan that finds the journal full in its midst is done again.
func TestFullJournalDoesNotEndAScan(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := &fullStore{Store: memory(t)}
	s := watchWith(t, Options{Dir: fs.Dir, Store: store})
	sh(t, fs.Dir, "mkdir d; touch d/a")
	before := len(s.records())
	done := make(chan error, 1)
	must(t, s.ask(t.Context(), func(context.Context) error {
		err := s.worker.beginScan(false, done)
		store.full.Store(true)
		return err
	}))
	wait.Until(t, "the source to stall", func() bool { return s.Status().State == StateStalled })
	store.full.Store(false)
	s.Retry()
	must(t, <-done)
	if got := briefs(s.records()); !strings.HasSuffix(got, "MARK scan_end") || strings.Count(got, "MARK scan_begin") != 2 || before == 0 {
		t.Errorf("got %q, want a scan that begins anew and ends", got)
	}
}

// A subvolume is removed with all that is in it, of which the kernel tells nothing.
func TestSubvolumeGoesWithItsContent(t *testing.T) {
	fs := fstest.New(t, "btrfs")
	s := watch(t, memory(t), fs.Dir)
	before := onDisk(t, fs.Dir)
	sh(t, fs.Dir, "btrfs -q subvolume create v; mkdir -p v/d/e; touch v/d/f; ln v/d/f v/g; btrfs -q subvolume snapshot v w")
	s.settled()
	sh(t, fs.Dir, "btrfs -q subvolume delete v; rm w/g")
	all := s.replayed(before)
	if got := briefs(all); !strings.Contains(got, "RMDIR v last") || !strings.Contains(got, "RMDIR v/d/e last synth") {
		t.Errorf("got %q, want the removal of v and of all in it", got)
	}
}
