// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/wait"
)

// serving is a service that runs.
type serving struct {
	api *client.Client
	end func()
}

// serve runs a service on a state directory until end is called.
func serve(t *testing.T, stateDir string) serving {
	t.Helper()
	o := Options{
		Socket: filepath.Join(t.TempDir(), "feed.sock"), StateDir: stateDir,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	s, err := New(t.Context(), o)
	must(t, err)
	s.keeper.wait = func(int) time.Duration { return 50 * time.Millisecond }
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(at string) { ready <- at }) }()
	c, err := client.Dial(t.Context(), <-ready)
	must(t, err)
	return serving{c, func() {
		c.Close()
		cancel()
		must(t, <-ended)
	}}
}

// fill takes all the room that there is, and returns what gives it back.
func fill(t *testing.T, fs *fstest.FS) (free func()) {
	t.Helper()
	f, err := os.Create(fs.Path("filler"))
	must(t, err)
	defer f.Close()
	for b := make([]byte, 1<<20); len(b) > 0; {
		n, err := f.Write(b)
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if n == 0 {
			b = b[:len(b)/2]
		}
	}
	return func() { must(t, os.Remove(f.Name())) }
}

// An agent that starts where its store cannot be opened says so to whoever asks, and serves
// the feeds as soon as it can; what nobody recorded meanwhile is told in the stream.
func TestStoreThatComesLater(t *testing.T) {
	for _, c := range []struct {
		name   string
		hinder func(t *testing.T, state *fstest.FS) (help func())
		why    string
	}{
		{"full disk", fill, "no space left on device"},
		{"read-only file system", func(t *testing.T, state *fstest.FS) func() {
			must(t, unix.Mount("", state.Dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
			return func() { must(t, unix.Mount("", state.Dir, "", unix.MS_REMOUNT, "")) }
		}, "read-only file system"},
		{"no directory", func(t *testing.T, state *fstest.FS) func() {
			dir := StoreDir(state.Dir)
			must(t, os.Rename(dir, dir+"-away"), os.WriteFile(dir, nil, 0o600))
			return func() { must(t, os.Remove(dir), os.Rename(dir+"-away", dir)) }
		}, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			state, watched := fstest.Sized(t, "ext4", 64<<20), fstest.New(t, "ext4")
			s := serve(t, state.Dir)
			_, err := s.api.Create(t.Context(), client.CreateOptions{Source: watched.Dir, Name: "f"})
			must(t, err, exec.Command("mkdir", watched.Path("before")).Run()) // what this process does is not told
			consumer, err := s.api.Open(t.Context(), "f", client.OpenOptions{})
			must(t, err)
			expect(t, consumer, "MKDIR before")
			must(t, consumer.Commit(t.Context()))
			s.end()

			help := c.hinder(t, state)
			s = serve(t, state.Dir)
			must(t, exec.Command("mkdir", watched.Path("meanwhile")).Run())
			_, listed := s.api.List(t.Context())
			_, opened := s.api.Open(t.Context(), "f", client.OpenOptions{})
			_, tailed := s.api.Tail(t.Context(), client.CreateOptions{Source: watched.Dir}, client.FormatNative)
			for what, err := range map[string]error{"list": listed, "open": opened, "tail": tailed} {
				if !errors.Is(err, &client.Error{Code: client.CodeStore}) || !strings.Contains(err.Error(), StoreDir(state.Dir)) || !strings.Contains(err.Error(), c.why) {
					t.Errorf("%s before: got %v, want the path and %q", what, err, c.why)
				}
			}
			help()
			wait.Until(t, "the store to be opened", func() bool {
				_, err := s.api.Info(t.Context(), "f")
				return err == nil
			})
			consumer, err = s.api.Open(t.Context(), "f", client.OpenOptions{})
			must(t, err)
			expect(t, consumer, "MARK gap agent_down", "MKDIR meanwhile")
			must(t, consumer.Commit(t.Context()))
			s.end()
		})
	}
}

// expect reads until the records that are wanted have come, in this order.
func expect(t *testing.T, n *client.Consumer, want ...string) {
	t.Helper()
	var got []string
	for len(want) > 0 {
		b, err := n.Read(t.Context(), client.ReadOptions{Wait: wait.Patience})
		must(t, err)
		if len(b.Records) == 0 {
			t.Fatalf("got %q, want %q, too", got, want)
		}
		for _, r := range b.Records {
			text := r.Type.String() + " " + string(r.Name)
			if r.Type == changelog.Mark {
				text = "MARK " + r.Mark.Kind.String() + " " + r.Mark.Reason
			}
			got = append(got, text)
			if len(want) > 0 && text == want[0] {
				want = want[1:]
			}
		}
	}
}

// A damaged store is told of with the path and with what repairs it, and left alone.
func TestStoreThatIsDamaged(t *testing.T) {
	state := fstest.New(t, "tmpfs")
	dir := StoreDir(state.Dir)
	store, err := journal.OpenStore(dir, journal.Options{})
	must(t, err, store.Close())
	all, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	must(t, err)
	for _, name := range all {
		must(t, os.WriteFile(name, []byte("rubbish"), 0o600))
	}
	s := serve(t, state.Dir)
	defer s.end()
	_, err = s.api.List(t.Context())
	if !errors.Is(err, &client.Error{Code: client.CodeStore}) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), journal.RepairCommand) {
		t.Errorf("got %v, want %s and %q", err, dir, journal.RepairCommand)
	}
	_, _, err = journal.Repair(t.Context(), dir, journal.Options{}, nil) // nobody has it open
	if errors.Is(err, journal.ErrLocked) {
		t.Errorf("repair: got %v, want the store not in use", err)
	}
}
