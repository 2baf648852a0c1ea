// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/fdpool"
	"github.com/weir-io/weir/internal/tail"
	"github.com/weir-io/weir/lttng"
)

// Options configure a store. Output, Files and Log are required.
type Options struct {
	Output     string // absolute path of the output directory; made when needed
	GroupBy    Grouping
	AllowClear bool
	// AcceptUnnamed lets in peers of minors 1 to 3, which name neither host
	// nor session before their first stream. Relays since 2.11 refuse them.
	AcceptUnnamed bool

	MaxSessions          int // 0 = no limit
	MaxStreamsPerSession int // 0 = no limit
	// MaxPendingPerSession bounds the packets, over all streams of a session,
	// of which the data or the index has not arrived. A further one is refused
	// with ErrLimit, which ends its connection. 0 = no limit beside the one of
	// each stream.
	MaxPendingPerSession int

	Reserve      int64         // bytes of disk kept for metadata and indexes
	RetainClosed time.Duration // closed streams of live sessions stay readable so long
	SyncOnClose  bool          // force files to disk when they are complete

	// Watcher is told of metadata; nil: nobody is.
	Watcher Watcher

	// Force and Discard replace the calls that wait for the disk: forcing a
	// file to it, and deleting a directory of cleared data.
	Force   func(fd int) error
	Discard func(root *os.Root, name string) error

	Files    *fdpool.Pool
	Tails    *tail.Table    // nil: partial packets are not cut after a crash
	Location *time.Location // of directory names; nil = local
	Now      func() time.Time
	Log      *slog.Logger
}

// Store holds everything that is being received and what viewers still read.
type Store struct {
	// Immutable after New.
	opts  Options
	log   *slog.Logger
	space *space

	counters Counters
	backlog  *backlog

	lastSession atomic.Uint64
	lastStream  atomic.Uint64
	lastTrace   atomic.Uint64

	mu       sync.Mutex
	sessions map[lttng.SessionID]*Session // guarded by mu; open ones
	ended    []*Session                   // guarded by mu; closed live ones that viewers still read
	streams  map[lttng.StreamID]*Stream   // guarded by mu; open ones
	groups   map[groupKey]*group          // guarded by mu
	claims   map[string]claim             // guarded by mu; by directory
	files    map[string]fileClaim         // guarded by mu; by name of open streams' files
	recent   recentDirs                   // guarded by mu
}

// Counters are totals since the start. All but Pending and Backlog only grow.
type Counters struct {
	Sessions, Streams       atomic.Uint64
	Packets, Bytes          atomic.Uint64
	MetadataBytes           atomic.Uint64
	DroppedPackets          atomic.Uint64 // not stored: disk full, file error
	DroppedBytes            atomic.Uint64
	EventsDiscarded         atomic.Uint64 // by tracers, as indexes say
	IndexErrors, DataErrors atomic.Uint64
	Beacons                 atomic.Uint64
	Pending                 atomic.Int64  // packets that lack data or index now; rises and falls
	Backlog                 atomic.Int64  // files to be forced to disk and cleared chunks to be deleted; rises and falls
	BacklogErrors           atomic.Uint64 // of them, those that failed
	PendingRefused          atomic.Uint64 // packets and indexes refused because too many waited
	Resumed, Duplicate      atomic.Uint64 // streams that went on, packets that were sent again and dropped
	SkippedByViewers        atomic.Uint64 // overwritten or cleared before they were read
}

// New makes a store. It touches the disk only when a session is created.
func New(opts Options) *Store {
	if opts.Location == nil {
		opts.Location = time.Local
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Force == nil {
		opts.Force = unix.Fdatasync
	}
	if opts.Discard == nil {
		opts.Discard = (*os.Root).RemoveAll
	}
	s := &Store{
		opts:     opts,
		log:      opts.Log,
		space:    &space{path: opts.Output, reserve: opts.Reserve, now: opts.Now},
		sessions: make(map[lttng.SessionID]*Session),
		streams:  make(map[lttng.StreamID]*Stream),
		groups:   make(map[groupKey]*group),
		claims:   make(map[string]claim),
		files:    make(map[string]fileClaim),
		recent:   recentDirs{dirs: make(map[groupKey]string)},
	}
	s.backlog = newBacklog(s)
	return s
}

// Output returns the output directory.
func (s *Store) Output() string { return s.opts.Output }

// Counters returns the running totals.
func (s *Store) Counters() *Counters { return &s.counters }

// ShortOfSpace reports whether data is being dropped to keep the reserve.
func (s *Store) ShortOfSpace() bool { return s.space.short.Load() }

// CreateSession opens a session for a producer of the given minor (writer).
// peer tells equal names of different machines apart below minor 11.
func (s *Store) CreateSession(m lttng.CreateSession, minor lttng.Minor, peer netip.Addr) (*Session, error) {
	return s.create(m, minor, peer, false)
}

func (s *Store) create(m lttng.CreateSession, minor lttng.Minor, peer netip.Addr, resumable bool) (*Session, error) {
	id := lttng.SessionID(s.lastSession.Add(1))
	if minor < lttng.MinorIndexes && !(s.opts.AcceptUnnamed && minor > 0) {
		return nil, fmt.Errorf("%w: session name is empty (peer of minor %d)", ErrRefused, minor)
	}
	if minor >= lttng.MinorIndexes {
		if err := checkSession(&m); err != nil {
			return nil, err
		}
	}
	if minor >= lttng.MinorChunks && m.SessiondUUID == [16]byte{} {
		return nil, fmt.Errorf("%w: session daemon UUID is nil", ErrRefused)
	}
	if minor >= lttng.MinorTraceFormat && m.TraceFormat != lttng.FormatCTF1 && m.TraceFormat != lttng.FormatCTF2 {
		return nil, fmt.Errorf("%w: trace format %d, want %d or %d", ErrRefused,
			m.TraceFormat, lttng.FormatCTF1, lttng.FormatCTF2)
	}
	if err := s.admit(); err != nil {
		return nil, err
	}
	ss := newSession(s, id, m, minor, peer)
	if resumable && minor >= lttng.MinorChunks {
		ss.resumable, ss.identity = true, identityOf(&m)
		ss.wrote = make(map[string]struct{})
	}
	if err := s.join(ss); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.sessions[id] = ss
	s.mu.Unlock()
	s.counters.Sessions.Add(1)
	return ss, nil
}

func (s *Store) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.MaxSessions > 0 && len(s.sessions) >= s.opts.MaxSessions {
		return fmt.Errorf("%w: %d sessions are open", ErrLimit, len(s.sessions))
	}
	return nil
}

// Sessions returns the open sessions, oldest first.
func (s *Store) Sessions() []*Session {
	s.mu.Lock()
	all := make([]*Session, 0, len(s.sessions))
	for _, ss := range s.sessions {
		all = append(all, ss)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *Session) int { return int(a.id) - int(b.id) })
	return all
}

// Session returns an open session, or nil.
func (s *Store) Session(id lttng.SessionID) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// Stream returns an open stream, or nil.
func (s *Store) Stream(id lttng.StreamID) *Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}

// StreamCount returns the number of open streams.
func (s *Store) StreamCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

func (s *Store) forgetSession(ss *Session) {
	s.mu.Lock()
	delete(s.sessions, ss.id)
	if ss.Live() {
		s.ended = append(s.ended, ss)
	}
	s.mu.Unlock()
}

// openOutput returns the output directory, made anew if somebody removed it.
func (s *Store) openOutput() (*os.Root, error) {
	if err := os.MkdirAll(s.opts.Output, 0o770); err != nil {
		return nil, fmt.Errorf("output directory: %w", err)
	}
	return os.OpenRoot(s.opts.Output)
}

// absolute returns the absolute path of a directory below the output.
func (s *Store) absolute(dir string) string { return filepath.Join(s.opts.Output, dir) }
