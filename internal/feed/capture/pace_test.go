// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/wait"
)

// slowStore is a store of which a commit lasts as long as the test wants it to.
type slowStore struct {
	journal.Store
	slow atomic.Bool
	held chan struct{} // closed once a commit is held
	let  chan struct{} // closed: it goes on
}

type slowJournal struct {
	journal.Journal
	s *slowStore
}

func (s *slowStore) Open(id journal.UUID) (journal.Journal, error) {
	j, err := s.Store.Open(id)
	return &slowJournal{j, s}, err
}

func (j *slowJournal) Apply(ctx context.Context, b *journal.Batch) error {
	if j.s.slow.Swap(false) {
		close(j.s.held)
		<-j.s.let
	}
	return j.Journal.Apply(ctx, b)
}

// Who did something is known though the process has ended while a commit lasted.
func TestWhoEndsDuringACommitIsKnown(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	store := &slowStore{Store: memory(t), held: make(chan struct{}), let: make(chan struct{})}
	s := watchWith(t, Options{Dir: fs.Dir, Store: store})
	goOn := sync.OnceFunc(func() { close(store.let) })
	t.Cleanup(goOn)
	store.slow.Store(true)
	must(t, os.WriteFile(fs.Path("before"), nil, 0o600))
	<-store.held

	c := exec.Command("sh", "-c", ": > a; echo; read x; : > b; echo; read x")
	c.Dir = fs.Dir
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err, c.Start())
	for range 2 { // who made a was asked once the events of b are read, which come alone
		_, err := out.Read(make([]byte, 1))
		must(t, err)
		wait.Until(t, "the events to be read", func() bool {
			n, err := s.worker.group.Unread()
			must(t, err)
			return n == 0
		})
		_, err = in.Write([]byte{'\n'})
		must(t, err)
	}
	must(t, in.Close())
	_ = c.Wait() // "read" may have met the end
	goOn()

	n := 0
	for _, r := range s.records() {
		if string(r.Path) != "a" {
			continue
		}
		n++
		comm := strings.TrimRight(string(r.Proc.Comm[:]), "\x00")
		if comm != "sh" || int(r.Proc.PID) != c.Process.Pid || r.Proc.By != changelog.ByPidfd || string(r.Job) != "sh.0" {
			t.Errorf("%s: got process %d %q by %v, job %q, want %d \"sh\" by its descriptor", brief(&r), r.Proc.PID, comm, r.Proc.By, r.Job, c.Process.Pid)
		}
	}
	if n == 0 {
		t.Error("got no record of a")
	}
}

// Events that come one behind the other wake until they are too many, and again later.
func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1, 0)
	count := func() (n int) {
		for ; p.prompt(now); n++ {
			p.woken(now)
		}
		return n
	}
	if got, want := count(), int(wakeBurst/wakeCost); got != want {
		t.Errorf("%d wake at once, want %d", got, want)
	}
	now = now.Add(10 * wakeCost)
	if got := count(); got != 10 {
		t.Errorf("%d wake after ten times what one costs, want 10", got)
	}
	now = now.Add(time.Hour)
	if got, want := count(), int(wakeBurst/wakeCost); got != want {
		t.Errorf("%d wake after an hour, want %d", got, want)
	}
	now = now.Add(time.Hour)
	for _, c := range []struct {
		after time.Duration // the last read
		bytes int
		storm bool
	}{
		{time.Hour, spoolRead, false},
		{time.Millisecond, stormBytes - 1, false},
		{10 * time.Millisecond, 10*stormBytes - 1, false},
		{10 * time.Millisecond, 10 * stormBytes, true},
		{stormEnds, 1, false},
		{time.Microsecond, stormBytes, true},
	} {
		now = now.Add(c.after)
		p.read(now, c.bytes)
		if p.storm(now) != c.storm || p.prompt(now) == c.storm {
			t.Errorf("%d bytes after %v: a storm: %v, want %v", c.bytes, c.after, p.storm(now), c.storm)
		}
	}
}
