// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/server"
	"github.com/weir-io/weir/internal/wait"
)

var (
	storms = flag.Int("storms", 1, "storms on each file system")
	tries  = flag.Int("tries", 1500, "operations that each worker of a storm tries")
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// agent serves feeds until the test ends, and returns its socket.
func agent(t *testing.T) string {
	t.Helper()
	store, err := journal.OpenMemory()
	must(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	m, err := feed.New(feed.Options{Store: store, Log: log})
	must(t, err)
	socket := filepath.Join(t.TempDir(), "feed.sock")
	l, err := daemon.ListenUnix(t.Context(), socket, 0o600, -1)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- m.Run(ctx) }()
	go func() { ended <- server.New(server.Options{Manager: m, Log: log, Group: -1}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended, <-ended, store.Close())
	})
	return socket
}

// mirrored is a file system, its feed, and a directory on another that is to be equal.
type mirrored struct {
	t      *testing.T
	src    *fstest.FS
	target string
	socket string
	api    *client.Client
	info   client.Info

	noXattr  bool          // the target has none
	patience time.Duration // with a mirror that is not equal
}

func newMirrored(t *testing.T, kind string) *mirrored {
	t.Helper()
	m := newUnwatched(t, kind)
	m.watch()
	return m
}

// watch makes the feed.
func (m *mirrored) watch() {
	m.t.Helper()
	var err error
	m.info, err = m.api.Create(m.t.Context(), client.CreateOptions{Source: m.src.Dir, Mode: client.ModeExplicit})
	must(m.t, err)
}

// newUnwatched is newMirrored without a feed yet.
func newUnwatched(t *testing.T, kind string) *mirrored {
	t.Helper()
	socket := agent(t)
	api, err := client.Dial(t.Context(), socket)
	must(t, err)
	t.Cleanup(func() { api.Close() })
	m := &mirrored{t: t, src: fstest.New(t, kind), api: api, socket: socket, patience: 10 * time.Second}
	m.target = fstest.New(t, kind).Path("copy")
	return m
}

// open opens the mirror.
func (m *mirrored) open() (*Mirror, *client.Consumer) {
	m.t.Helper()
	return m.openWith(m.options())
}

func (m *mirrored) openWith(o Options) (*Mirror, *client.Consumer) {
	m.t.Helper()
	var n *client.Consumer
	wait.Until(m.t, "the feed to be free", func() bool {
		var err error
		n, err = m.api.Open(m.t.Context(), m.info.ID, client.OpenOptions{})
		if errors.Is(err, &client.Error{Code: client.CodeBusy}) {
			return false
		}
		must(m.t, err)
		return true
	})
	o.Feed = n
	mi, err := Open(o)
	must(m.t, err)
	return mi, n
}

func (m *mirrored) options() Options {
	return Options{
		Source: m.src.Dir, Target: m.target, UUID: m.info.Source, FeedID: m.info.ID, NoXattr: m.noXattr,
		Log: slog.New(slog.NewTextHandler(m.t.Output(), nil)),
	}
}

// equal has the mirror catch up with a source that is at rest, and compares.
func (m *mirrored) equal(mi *Mirror) {
	m.t.Helper()
	var left []Difference
	compared := false
	batches := mi.count.batches
	m.until("the mirror to be equal", func() bool {
		must(m.t, mi.Run(m.t.Context(), true))
		if !compared || mi.count.batches != batches { // nothing else changes the target
			left = m.differences()
			compared, batches = true, mi.count.batches
		}
		return len(left) == 0
	})
	if len(left) > 0 {
		m.t.Errorf("differences: %v", left[:min(len(left), 20)])
	}
}

// until has something come true as soon as the mirror may be expected to have done it, and
// fails the test if it does not.
func (m *mirrored) until(what string, done func() bool) {
	m.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(m.patience); !done(); {
		if time.Now().After(late) {
			m.t.Errorf("waited %v in vain for %s", m.patience, what)
			return
		}
		<-tick.C
	}
}

func (m *mirrored) differences() []Difference {
	m.t.Helper()
	var all []Difference
	must(m.t, Compare(m.t.Context(), m.options(), func(d Difference) { all = append(all, d) }))
	return all
}

func TestFirstCopy(t *testing.T) {
	m := newMirrored(t, "ext4")
	root := m.src.Dir
	must(t,
		os.MkdirAll(filepath.Join(root, "a/b"), 0o750),
		os.WriteFile(filepath.Join(root, "a/b/file"), []byte("hello"), 0o640),
		os.Link(filepath.Join(root, "a/b/file"), filepath.Join(root, "other")),
		os.Symlink("a/b", filepath.Join(root, "link")),
		unix.Mkfifo(filepath.Join(root, "fifo"), 0o600),
		unix.Mknod(filepath.Join(root, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Setxattr(filepath.Join(root, "a"), "user.note", []byte("x\x00y"), 0),
		os.Chown(filepath.Join(root, "a/b/file"), 12345, 54321),
		os.WriteFile(filepath.Join(root, "new\nline \xff"), nil, 0o600),
	)
	sparse, err := os.Create(filepath.Join(root, "sparse"))
	must(t, err, sparse.Truncate(64<<20))
	_, err = sparse.WriteAt([]byte("end"), 32<<20)
	must(t, err, sparse.Close())
	mi, n := m.open()
	defer n.Close()
	defer mi.Close()
	m.equal(mi)
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(m.target, "sparse"), &st))
	if st.Blocks*512 > 1<<20 {
		t.Errorf("copy of a sparse file: got %d bytes on disk", st.Blocks*512)
	}
}

func TestMirrorIsEqualAfterStorms(t *testing.T) {
	for _, kind := range fstest.Kinds {
		for seed := range *storms {
			t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
				m := newMirrored(t, kind)
				mi, n := m.open()
				defer n.Close()
				defer mi.Close()
				ctx, stop := context.WithCancel(t.Context())
				done := m.storm(uint64(seed), 1+seed%3, *tries)
				for running := true; running; {
					select {
					case <-done:
						running = false
					default:
						must(t, mi.Run(ctx, true))
					}
				}
				stop()
				m.equal(mi)
			})
		}
	}
}

// storm has a process make a storm on the source, and returns what is closed at its end.
func (m *mirrored) storm(seed uint64, workers, tries int) <-chan struct{} {
	m.t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %s", envStorm, seed, workers, tries, m.src.Dir))
	c.Stderr = m.t.Output()
	must(m.t, c.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Wait(); err != nil {
			m.t.Errorf("storm: %v", err)
		}
	}()
	return done
}

// storm has several workers do all that changes a file system, at random and on few
// names, so that they meet.
func storm(seed uint64, dir string, workers, tries int) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for range tries {
				tryOne(r, dir)
			}
		})
	}
	wg.Wait()
}

// tryOne tries one operation; most fail for want of names.
func tryOne(r *rand.Rand, dir string) {
	pick := func() string {
		p := dir
		for range r.IntN(3) {
			p = filepath.Join(p, fmt.Sprintf("d%d", r.IntN(3)))
		}
		return filepath.Join(p, fmt.Sprintf("%c%d", "df"[r.IntN(2)], r.IntN(4)))
	}
	a, b := pick(), pick()
	switch r.IntN(13) {
	case 0, 1:
		_ = os.WriteFile(a, fmt.Append(nil, r.Uint64()), 0o600)
	case 2, 3:
		_ = os.Mkdir(a, 0o700)
	case 4:
		_ = os.Remove(a)
	case 5, 6:
		_ = os.Rename(a, b)
	case 7:
		_ = os.Link(a, b)
	case 8:
		_ = os.Symlink("x", a)
	case 9:
		_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	case 10:
		_ = os.Chmod(a, fs.FileMode(0o700|r.IntN(64)))
	case 11:
		_ = unix.Setxattr(a, "user.x", fmt.Append(nil, r.IntN(3)), 0)
	case 12:
		_ = os.Truncate(a, int64(r.IntN(5000)))
	}
}
