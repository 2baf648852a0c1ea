// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Reasons for which the catalog refuses.
var (
	ErrInUse     = errors.New("in use by an open session")
	ErrNotStored = errors.New("not stored")
)

// CatalogLimits bound the work and memory of one walk through the output
// directory. Zero fields mean the defaults.
type CatalogLimits struct {
	Depth      int // levels of directories down to a session's own; default 8
	Entries    int // directory entries read by one walk; default 4 Mi
	DirEntries int // of them in one directory; default 64 Ki
}

func (l CatalogLimits) withDefaults() CatalogLimits {
	if l.Depth == 0 {
		l.Depth = 8
	}
	if l.Entries == 0 {
		l.Entries = 4 << 20
	}
	if l.DirEntries == 0 {
		l.DirEntries = 64 << 10
	}
	return l
}

// Catalog knows what lies in the output directory: sessions that are being
// received, and those that earlier ones, also of earlier processes, have left.
// It reads the tree rather than keep a list: the tree may be copied, cleaned
// and moved by others. All methods may be called from anywhere.
type Catalog struct {
	// Immutable after NewCatalog.
	store  *Store
	log    *slog.Logger
	limits CatalogLimits

	walking chan struct{} // holds one token; who takes it walks
	changes atomic.Uint64 // removals so far
	last    atomic.Pointer[Inventory]
}

// NewCatalog makes the catalog of a store's output directory. It touches the
// disk only when it is asked.
func NewCatalog(s *Store, limits CatalogLimits, log *slog.Logger) *Catalog {
	c := &Catalog{store: s, log: log, limits: limits.withDefaults(), walking: make(chan struct{}, 1)}
	c.walking <- struct{}{}
	return c
}

// Inventory is what one walk found. It does not change; the open sessions that
// it points to do.
type Inventory struct {
	Sessions  []StoredSession // by directory
	Bytes     int64           // of all sessions
	Truncated bool            // a limit ended the walk: something is missing
	Leftovers []string        // directories of removals that were interrupted, below the output directory

	taken   time.Time
	changes uint64
}

// Session returns the session of an identifier.
func (inv *Inventory) Session(id string) (StoredSession, bool) {
	for _, s := range inv.Sessions {
		if s.ID == id {
			return s, true
		}
	}
	return StoredSession{}, false
}

// StoredSession is a tracing session by its directory. Its kernel and user
// space parts arrive as separate [Session] values and are one here.
type StoredSession struct {
	ID       string    // made from Dir: the same while open, closed, and after a restart
	Dir      string    // below the output directory; empty when a peer below minor 11 has no stream yet
	Host     string    // as the producer or the directory says
	Name     string    // likewise, without the time
	Created  time.Time // likewise; the oldest chunk's or file's time when unknown
	Modified time.Time // newest change of a file; zero without files
	Bytes    int64     // of all files, by their length
	Files    int
	Chunks   []StoredChunk // oldest first
	Open     []*Session    // the parts that are being received

	inUse bool // a session uses Dir; one that begins or ends is not in Open
}

// Active reports whether the session is being received.
func (s *StoredSession) Active() bool { return s.inUse }

// Chunk returns the chunk of an identifier.
func (s *StoredSession) Chunk(id string) (StoredChunk, bool) {
	for _, c := range s.Chunks {
		if c.ID == id {
			return c, true
		}
	}
	return StoredChunk{}, false
}

// ChunkState says whether a chunk is being written, and what it was made for.
type ChunkState int

// States of a chunk. All but ChunkOpen can be removed.
const (
	ChunkOpen     ChunkState = iota // written to, or about to be moved
	ChunkClosed                     // left where it was written
	ChunkArchived                   // moved to the archives by a rotation
	ChunkSnapshot                   // a snapshot
)

// String returns the state's name as interfaces show it.
func (s ChunkState) String() string {
	switch s {
	case ChunkOpen:
		return "open"
	case ChunkClosed:
		return "closed"
	case ChunkArchived:
		return "archived"
	case ChunkSnapshot:
		return "snapshot"
	}
	return "ChunkState(" + strconv.Itoa(int(s)) + ")"
}

// RootChunk identifies the chunk that lies in the session directory itself. No
// producer can name a chunk so: a name with a dot is refused.
const RootChunk = ".session"

// StoredChunk is what lies between two rotations, or a snapshot.
type StoredChunk struct {
	ID       string // unique in the session: the directory's name, or RootChunk
	Number   int64  // as the producer counts; -1 when the name does not tell
	Dir      string // below the output directory
	State    ChunkState
	Created  time.Time // from the name; zero when that does not tell
	Closed   time.Time // likewise
	Modified time.Time // newest change of a file
	Bytes    int64     // of all files, by their length
	Files    int

	sub string // within the session directory; empty = that itself
}

// Ended returns when the last packet was added, as far as is known.
func (c *StoredChunk) Ended() time.Time {
	if !c.Closed.IsZero() {
		return c.Closed
	}
	if !c.Modified.IsZero() {
		return c.Modified
	}
	return c.Created
}

// sessionID makes the identifier of a directory.
func sessionID(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8])
}

// List returns what is stored, from a walk that is at most maxAge old.
// Simultaneous callers share one walk. An output directory that does not exist
// is empty.
func (c *Catalog) List(ctx context.Context, maxAge time.Duration) (*Inventory, error) {
	if inv := c.fresh(maxAge); inv != nil {
		return inv, nil
	}
	asked := c.store.opts.Now()
	select {
	case <-c.walking:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { c.walking <- struct{}{} }()
	if inv := c.last.Load(); inv != nil && inv.changes == c.changes.Load() && inv.taken.After(asked) && maxAge > 0 {
		return inv, nil // made while this caller waited
	}
	inv, err := c.walk(ctx)
	if err != nil {
		return nil, fmt.Errorf("walk output directory: %w", err)
	}
	if before := c.last.Swap(inv); inv.Truncated && (before == nil || !before.Truncated) {
		c.log.Warn("catalog incomplete: too many files", "limit", c.limits.Entries)
	}
	return inv, nil
}

// fresh returns the last inventory if nothing was removed since and it is not
// older than maxAge.
func (c *Catalog) fresh(maxAge time.Duration) *Inventory {
	inv := c.last.Load()
	if inv == nil || inv.changes != c.changes.Load() || c.store.opts.Now().Sub(inv.taken) >= maxAge {
		return nil
	}
	return inv
}

func (c *Catalog) walk(ctx context.Context) (*Inventory, error) {
	inv := &Inventory{changes: c.changes.Load()}
	root, err := os.OpenRoot(c.store.opts.Output)
	if errors.Is(err, fs.ErrNotExist) {
		c.mergeOpen(inv, c.store.openDirs())
		inv.taken = c.store.opts.Now()
		return inv, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	w := newWalker(ctx, c, inv)
	if err := w.visit(root, "", 0); err != nil {
		return nil, err
	}
	// Sessions that began during the walk must not pass for closed ones.
	c.mergeOpen(inv, c.store.openDirs())
	inv.taken = c.store.opts.Now()
	return inv, nil
}

// Space is the room on the file system of the output directory, in bytes.
type Space struct{ Free, Total int64 }

// Space asks the file system. Free is what an unprivileged process may use.
func (c *Catalog) Space() (Space, error) {
	dir := c.store.opts.Output
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return Space{Free: int64(st.Bavail) * st.Bsize, Total: int64(st.Blocks) * st.Bsize}, nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return Space{}, fmt.Errorf("file system of %s: %w", dir, err)
		}
		dir = parent // the output directory is made with the first session
	}
}
