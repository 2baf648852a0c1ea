// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package service assembles what serves feeds on a host: the store, the holder of what
// must outlive this process, the manager and its socket. It decides nothing but when a store
// that could not be opened, or written, is tried again.
package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/daemon"
	"github.com/weir-io/weir/internal/feed"
	"github.com/weir-io/weir/internal/feed/access"
	"github.com/weir-io/weir/internal/feed/capture"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/feed/server"
	"github.com/weir-io/weir/internal/kernel/fanotify"
	"github.com/weir-io/weir/internal/version"
)

// Options are what the service needs.
type Options struct {
	Socket   string // of clients
	StateDir string // below it, "feeds" is the store
	// Holder is the command of the holder's process, without its name; nil: changes are
	// lost while no agent runs.
	Holder []string
	// Scrub is how often file systems are compared with what is known of them; 0: never.
	Scrub time.Duration
	// Job says what records name as the job of a process.
	Job capture.JobID
	// MtimeInterval drops records of contents that change again within it.
	MtimeInterval time.Duration
	// Patience is how long another process may have the store when this one starts.
	Patience time.Duration
	Log      *slog.Logger
}

// adminGroup is the group whose members may do everything.
const adminGroup = "weir"

// StoreDir is the directory of the store below a state directory.
func StoreDir(stateDir string) string { return filepath.Join(stateDir, "feeds") }

// Service serves feeds.
type Service struct {
	opts   Options
	holder *holding
	keeper *keeper
}

// New opens the store. It fails, with an error that says why, where file systems cannot be
// watched, and where another process has the store. Where the store cannot be opened for
// another reason, there is a service all the same: it says why to all who ask, and Run opens
// the store once that can be.
func New(ctx context.Context, o Options) (*Service, error) {
	g, err := fanotify.OpenGroup(false)
	if err != nil {
		return nil, err
	}
	g.Close()
	s := &Service{opts: o, holder: &holding{socket: o.Socket + "-holder", command: o.Holder, log: o.Log}}
	s.keeper = newKeeper(s.open, s.holder.close, o.Log)
	return s, s.keeper.begin(ctx, o.Patience)
}

// open opens the store, and makes the manager of what it has.
func (s *Service) open() (journal.Store, *feed.Manager, error) {
	dir := StoreDir(s.opts.StateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("feed store %s: %w", dir, err)
	}
	store, err := journal.OpenStore(dir, journal.Options{Verify: verify, Log: s.opts.Log})
	if err != nil {
		return nil, nil, err
	}
	m, err := feed.New(feed.Options{
		Store: store, Holder: s.holder.asHolder(), Log: s.opts.Log, Space: space(dir), StoreDir: dir, Scrub: s.opts.Scrub,
		Job: s.opts.Job, MtimeInterval: s.opts.MtimeInterval, NID: hostNID(),
		Access: access.New(access.Options{Find: capture.Find}),
	})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("feed store %s: %w", dir, err), store.Close())
	}
	return store, m, nil
}

// verify checks a stored record.
func verify(index uint64, b []byte) error {
	var r changelog.Record
	if err := changelog.DecodeNative(b, &r); err != nil {
		return err
	}
	if r.Index != index {
		return fmt.Errorf("record says index %d, want %d", r.Index, index)
	}
	return nil
}

// Manager is what others may ask beside the socket; it is a feed.Door.
func (s *Service) Manager() (*feed.Manager, error) { return s.keeper.door() }

// Caller tells who is at the other end of a connection by HTTP.
func (s *Service) Caller(n net.Conn) (feed.Caller, error) {
	return server.Caller(n, groupID(adminGroup))
}

// Run serves until ctx ends, and closes the store then. It calls ready once, when the
// socket listens, whether the store is open or not.
func (s *Service) Run(ctx context.Context, ready func(socket string)) error {
	defer s.holder.close()
	if err := makeDirectory(filepath.Dir(s.opts.Socket)); err != nil {
		return errors.Join(fmt.Errorf("socket of feeds: %w", err), s.keeper.close())
	}
	l, err := daemon.ListenUnix(ctx, s.opts.Socket, 0o666, -1)
	if err != nil {
		return errors.Join(fmt.Errorf("socket of feeds: %w", err), s.keeper.close())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	srv := server.New(server.Options{
		Manager: s.Manager, Arrivals: s.keeper.arrivals, Log: s.opts.Log, Group: groupID(adminGroup),
		Hello: client.Hello{Agent: version.Number, Host: host, Features: []string{"pipe", "fifo", "tail"}},
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.keeper.run(ctx) })
	g.Go(func() error { return srv.Serve(ctx, l) })
	g.Go(func() error {
		s.holder.watch(ctx)
		return nil
	})
	ready(s.opts.Socket)
	return errors.Join(g.Wait(), s.keeper.close())
}

// makeDirectory makes the directory of the socket, which everybody may look into. It is
// also that of the session daemon's, which may be made later.
func makeDirectory(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) // whatever the umask is
}

// groupID is the number of a group, -1 if there is none of that name.
func groupID(name string) int {
	g, err := user.LookupGroup(name)
	if err != nil {
		return -1
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return -1
	}
	return id
}

// space tells of the file system that a directory is on.
type space string

// Free is how many bytes are left for unprivileged users.
func (s space) Free() (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(string(s), &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: string(s), Err: err}
	}
	return st.Bavail * uint64(st.Bsize), nil
}
