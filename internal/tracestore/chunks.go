// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"path"
	"strings"

	"github.com/weir-io/weir/lttng"
)

// CreateChunk makes a chunk current, or joins the one that the other domain of
// the tracing session has made (writer). LTTng relay protocol,
// CREATE_TRACE_CHUNK.
func (ss *Session) CreateChunk(m lttng.CreateTraceChunk) error {
	if ss.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: the session's minor is %d", ErrChunkState, ss.minor)
	}
	if err := checkChunkName(m.OverrideName); err != nil {
		return err
	}
	g := ss.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if ss.closing != nil {
		return fmt.Errorf("%w: chunk %d is not closed yet", ErrChunkState, ss.closing.id)
	}
	c := g.chunks[m.Chunk]
	switch {
	case c == ss.current && c != nil:
		return fmt.Errorf("%w: chunk %d is current already", ErrChunkState, c.id)
	case c != nil && c.closed:
		return fmt.Errorf("%w: chunk %d is closed", ErrChunkState, c.id)
	case c == nil && ss.request.Snapshot && m.OverrideName == "":
		// A snapshot's directory may be that of an earlier session.
		return fmt.Errorf("%w: a snapshot's chunk needs one", ErrChunkName)
	case c == nil:
		var err error
		if c, err = g.newChunkLocked(m); err != nil {
			return err
		}
	}
	c.users++
	ss.closing, ss.current = ss.current, c
	return nil
}

func checkChunkName(name string) error {
	if name == "" {
		return nil
	}
	if len(name) > 254 || strings.ContainsAny(name, "./") {
		return fmt.Errorf("%w: %q", ErrChunkName, name)
	}
	if err := checkControl("trace chunk name", name); err != nil {
		return fmt.Errorf("%w: %w", ErrChunkName, err)
	}
	return nil
}

// newChunkLocked makes a new chunk; the one before makes room. What there is no
// disk space for is made up for later: the rotation goes on.
func (g *group) newChunkLocked(m lttng.CreateTraceChunk) (*chunk, error) {
	c := newChunk(g, m.Chunk, m.CreationTime)
	c.name = m.OverrideName
	old := g.current
	follows := old != nil && old.name == ""
	start := chunkDirName(c.created, c.id, g.store.opts.Location)
	switch {
	case c.name != "":
		if c.want = c.name; !empty(g.root, c.name) {
			return nil, fmt.Errorf("%w: %q exists", ErrChunkName, c.name)
		}
	case g.onDisk(start):
		// The other domain has made this chunk, and is gone.
		c.want = start
	case follows:
		c.want = g.freeNameLocked(newChunkDir, c.id)
	case g.rotated:
		c.want = start
	}
	if c.name == "" && follows && !isTemporary(old.want, oldChunkDir) {
		old.want = g.freeNameLocked(oldChunkDir, old.id)
	}
	if c.want == "" {
		g.vacateLocked()
	}
	err := g.arrangeLocked()
	if c.dir = c.want; g.takenLocked(c.dir, c) {
		c.dir = g.freeNameLocked(newChunkDir, c.id)
	}
	told := c.dir
	c.told.Store(&told)
	if err = g.passing(err); err == nil {
		err = g.passing(c.makeLocked())
	}
	if err != nil {
		if follows {
			old.want = old.dir
		}
		return nil, err
	}
	g.lying = append(g.lying, c)
	g.chunks[c.id], g.current = c, c
	g.get()
	return c, nil
}

// CloseChunk closes a chunk and returns the path it will have below the output
// directory (writer). The command is carried out when the last stream has left
// the chunk. LTTng relay protocol, CLOSE_TRACE_CHUNK.
func (ss *Session) CloseChunk(m lttng.CloseTraceChunk) (string, error) {
	if ss.minor < lttng.MinorChunks {
		return "", fmt.Errorf("%w: the session's minor is %d", ErrChunkState, ss.minor)
	}
	command := lttng.CloseNothing
	if m.HasCommand {
		command = m.Command
	}
	g := ss.group
	g.mu.Lock()
	c := g.chunks[m.Chunk]
	if err := ss.checkCloseLocked(c, m.Chunk, command); err != nil {
		g.mu.Unlock()
		return "", err
	}
	var err error
	if !c.closed {
		err = g.closeLocked(c, command, m.CloseTime)
	}
	reply := c.reply
	if c == ss.closing {
		ss.closing = nil
	} else {
		ss.current = nil
	}
	g.mu.Unlock()
	c.put()
	return reply, err
}

func (ss *Session) checkCloseLocked(c *chunk, id lttng.ChunkID, command lttng.CloseCommand) error {
	switch {
	case c == nil:
		return fmt.Errorf("%w: chunk %d", ErrUnknownChunk, id)
	case command > lttng.CloseDelete:
		return fmt.Errorf("%w: %d", ErrCommand, command)
	case command == lttng.CloseDelete && !ss.store.opts.AllowClear:
		return ErrClearRefused
	case c == ss.closing, c == ss.current && ss.closing == nil:
		return nil
	}
	return fmt.Errorf("%w: chunk %d", ErrNotClosing, id)
}

// closeLocked settles where a chunk goes, and gives its successor the place it
// will keep.
func (g *group) closeLocked(c *chunk, command lttng.CloseCommand, ended uint64) error {
	loc := g.store.opts.Location
	c.closed, c.command, c.ended = true, command, ended
	switch {
	case c.name != "":
		c.reply = path.Join(g.dir, c.dir)
	case g.rotated:
		c.reply = path.Join(g.dir, archivesDir, archiveName(c.created, ended, c.id, loc))
	default:
		c.reply = g.dir
	}
	if command == lttng.CloseMove && c.name == "" {
		g.rotated = true
	}
	if g.current == c {
		g.current = nil
	}
	next := g.current
	if next == nil || !isTemporary(next.want, newChunkDir) {
		return nil
	}
	if next.want = chunkDirName(next.created, next.id, loc); !g.rotated && command == lttng.CloseDelete {
		next.want = ""
	}
	return g.passing(g.arrangeLocked())
}

// ChunkExists reports whether a session or stream still uses the chunk. LTTng
// relay protocol, TRACE_CHUNK_EXISTS.
func (ss *Session) ChunkExists(id lttng.ChunkID) bool {
	ss.group.mu.Lock()
	defer ss.group.mu.Unlock()
	return ss.group.chunks[id] != nil
}

// lookChunk returns a chunk of the session's group with one more user.
func (ss *Session) lookChunk(id lttng.ChunkID) (*chunk, error) {
	ss.group.mu.Lock()
	defer ss.group.mu.Unlock()
	c := ss.group.chunks[id]
	if c == nil {
		return nil, fmt.Errorf("%w: chunk %d", ErrUnknownChunk, id)
	}
	c.users++
	return c, nil
}

// dropFiles takes the files of a deleted chunk away from the viewers.
func (g *group) dropFiles(c *chunk) {
	g.mu.Lock()
	sessions := make([]*Session, 0, len(g.sessions))
	for ss := range g.sessions {
		sessions = append(sessions, ss)
	}
	g.mu.Unlock()
	for _, ss := range sessions {
		for _, st := range ss.Streams() {
			st.dropFiles(func(f *TraceFile) bool { return f.chunk == c })
		}
	}
}
