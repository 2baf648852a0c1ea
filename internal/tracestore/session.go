// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Session is what one producer connection records: the kernel's, the 64-bit or
// the 32-bit applications' part of a tracing session.
type Session struct {
	// Immutable after CreateSession.
	store   *Store
	id      lttng.SessionID
	minor   lttng.Minor
	peer    netip.Addr
	request lttng.CreateSession
	created time.Time
	group   *group
	// Of a producer that may come back.
	resumable bool
	identity  string // see identityOf

	// Owned by the writer.
	current *chunk // new streams go here; nil between a close and the next create
	closing *chunk // the one before, until it is closed
	streams map[lttng.StreamID]*Stream
	waiting int                 // packets of all streams that lack data or index
	leaving int                 // streams that wait for their last packets
	dirty   []*Stream           // have index records to flush
	arrival int64               // ns since the epoch; of the bytes being stored
	legacy  map[string]string   // below minor 11: first two path elements → claimed directory
	wrote   map[string]struct{} // if resumable: files that are this session's

	version atomic.Uint64 // counts changes of what viewers can see
	state   atomic.Int32  // sessionOpen, then sessionClosed

	mu        sync.Mutex
	published []*Stream         // guarded by mu; in the order of their publication
	hidden    []*Stream         // guarded by mu; added since the last STREAMS_SENT
	traces    map[string]*Trace // guarded by mu; open ones, by path
	serial    uint64            // guarded by mu; last Stream.published
}

const (
	sessionOpen int32 = iota
	sessionClosed
)

func newSession(s *Store, id lttng.SessionID, m lttng.CreateSession, minor lttng.Minor, peer netip.Addr) *Session {
	return &Session{
		store: s, id: id, minor: minor, peer: peer, request: m, created: s.opts.Now(),
		streams: make(map[lttng.StreamID]*Stream),
		traces:  make(map[string]*Trace),
		legacy:  make(map[string]string),
	}
}

// ID returns the handle that the producer and the viewers use.
func (ss *Session) ID() lttng.SessionID { return ss.id }

// Request returns what the producer asked for: names, live timer, format.
func (ss *Session) Request() lttng.CreateSession { return ss.request }

// Minor returns the negotiated minor of the producer.
func (ss *Session) Minor() lttng.Minor { return ss.minor }

// Peer returns the producer's address.
func (ss *Session) Peer() netip.Addr { return ss.peer }

// Created returns when the session was opened here.
func (ss *Session) Created() time.Time { return ss.created }

// Dir returns the session's directory below the output directory; empty below
// minor 11, whose streams name theirs.
func (ss *Session) Dir() string { return ss.group.dir }

// Live reports whether viewers may attach.
func (ss *Session) Live() bool { return ss.request.LiveTimer > 0 }

// Closed reports whether the producer is gone: no stream will be added.
func (ss *Session) Closed() bool { return ss.state.Load() == sessionClosed }

// Version changes whenever a stream is published, closed or forgotten.
func (ss *Session) Version() uint64 { return ss.version.Load() }

// hasIndex reports whether the producer describes its packets.
func (ss *Session) hasIndex() bool {
	return ss.minor >= lttng.MinorIndexes && !ss.request.Snapshot
}

// Streams returns the published streams, in the order of their publication:
// open ones, and closed ones that are still kept for viewers.
func (ss *Session) Streams() []*Stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return slices.Clone(ss.published)
}

// StreamsSince returns the published streams whose serial is above since.
func (ss *Session) StreamsSince(since uint64) []*Stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	i, _ := slices.BinarySearchFunc(ss.published, since+1, func(st *Stream, want uint64) int {
		if st.serial < want {
			return -1
		}
		return 1
	})
	return slices.Clone(ss.published[i:])
}

// OpenStreams returns the number of published streams that are not closed.
func (ss *Session) OpenStreams() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	n := 0
	for _, st := range ss.published {
		if !st.Closed() {
			n++
		}
	}
	return n
}

// AddStream opens a stream and its file (writer). It is not visible to viewers
// before Publish. id is the stream's handle, or the one that the refused
// attempt used up. LTTng relay protocol, ADD_STREAM.
func (ss *Session) AddStream(m lttng.AddStream) (st *Stream, id lttng.StreamID, err error) {
	st, id, err = ss.prepare(m)
	if err != nil {
		return nil, id, err
	}
	if err := ss.begin(st); err != nil {
		ss.store.unclaimFiles(st)
		st.tail.Release()
		return nil, id, err
	}
	ss.register(st)
	return st, id, nil
}

// prepare makes a stream and reserves its names.
func (ss *Session) prepare(m lttng.AddStream) (st *Stream, id lttng.StreamID, err error) {
	if limit := ss.store.opts.MaxStreamsPerSession; limit > 0 && len(ss.streams) >= limit {
		return nil, lttng.NoStream, fmt.Errorf("%w: session %d has %d streams", ErrLimit, ss.id, limit)
	}
	dir, err := ss.streamDir(m.Path)
	if err != nil {
		return nil, lttng.NoStream, err
	}
	if err := checkChannel(&m); err != nil {
		return nil, lttng.NoStream, err
	}
	id = lttng.StreamID(ss.store.lastStream.Add(1))
	if dir == "" {
		return nil, id, fmt.Errorf("%w: stream path is empty", ErrRefused)
	}
	if ss.current == nil {
		return nil, id, ErrNoChunk
	}
	st = newStream(ss, id, m, dir)
	if err := ss.claim(st); err != nil {
		st.tail.Release()
		return nil, id, err
	}
	return st, id, nil
}

// begin opens a new file for the stream.
func (ss *Session) begin(st *Stream) error {
	name := path.Join(st.dir, st.fileName(0))
	if _, own := ss.wrote[name]; ss.resumable && !own && ss.current.exists(name) {
		return fmt.Errorf("%w: %s was stored by an earlier connection, want RESUME", ErrRefused, name)
	}
	ss.replace(st, ss.current)
	return st.enter(ss.current)
}

// streamDir returns the directory of a stream within the chunk.
func (ss *Session) streamDir(p string) (string, error) {
	if ss.minor >= lttng.MinorChunks {
		dir, err := checkStreamPath(p)
		if err == nil && dir != "" && ss.store.nested(path.Join(ss.group.dir, firstDir(dir)), ss.group.key) {
			err = fmt.Errorf("%w: stream path %q is another session's", ErrRefused, dir)
		}
		return dir, err
	}
	dir, err := legacyPath(p, ss.request.Name, ss.store.opts.GroupBy, ss.created.In(ss.store.opts.Location))
	if err != nil {
		return "", err
	}
	return ss.claimLegacy(dir)
}

// claimLegacy replaces the first two elements of a path (host and session)
// when another machine's session of the same name owns that directory.
func (ss *Session) claimLegacy(dir string) (string, error) {
	parts := strings.SplitN(dir, "/", 3)
	if len(parts) < 3 {
		return dir, nil
	}
	head := path.Join(parts[0], parts[1])
	claimed, ok := ss.legacy[head]
	if !ok {
		var err error
		claimed, err = ss.store.claimDir(ss.group.root, head, ss.group.key, false)
		if err != nil {
			return "", err
		}
		ss.legacy[head] = claimed
	}
	return path.Join(claimed, parts[2]), nil
}

func (ss *Session) register(st *Stream) {
	ss.streams[st.id] = st
	if ss.resumable {
		ss.wrote[path.Join(st.dir, st.fileName(0))] = struct{}{}
	}
	s := ss.store
	s.mu.Lock()
	s.streams[st.id] = st
	s.mu.Unlock()
	s.counters.Streams.Add(1)
	ss.mu.Lock()
	t := ss.traces[st.dir]
	if t == nil {
		t = &Trace{session: ss, id: s.lastTrace.Add(1), path: st.dir}
		ss.traces[st.dir] = t
	}
	st.trace = t
	t.open++
	ss.hidden = append(ss.hidden, st)
	ss.mu.Unlock()
}

// Arrived says when the bytes that are stored next were received (writer): one
// look at the clock serves a batch of packets.
func (ss *Session) Arrived(at time.Time) { ss.arrival = at.UnixNano() }

// Publish makes the streams added so far visible to viewers (writer). LTTng
// relay protocol, STREAMS_SENT.
func (ss *Session) Publish() {
	ss.mu.Lock()
	for _, st := range ss.hidden {
		ss.serial++
		st.serial = ss.serial
		ss.published = append(ss.published, st)
	}
	ss.hidden = nil
	ss.mu.Unlock()
	ss.version.Add(1)
}

// Stream returns an open stream of this session, or nil (writer).
func (ss *Session) Stream(id lttng.StreamID) *Stream { return ss.streams[id] }

// Rotate lets streams turn to another chunk (writer). LTTng relay protocol,
// ROTATE_STREAMS.
func (ss *Session) Rotate(m lttng.RotateStreams) error {
	if ss.minor < lttng.MinorChunks {
		return fmt.Errorf("%w: the session's minor is %d", ErrChunkState, ss.minor)
	}
	var next *chunk
	if m.HasChunk {
		var err error
		if next, err = ss.lookChunk(m.Chunk); err != nil {
			return err
		}
		defer next.put()
	}
	for _, p := range m.Streams {
		st := ss.streams[p.Stream]
		if st == nil {
			return fmt.Errorf("%w: %d in ROTATE_STREAMS", ErrUnknownStream, p.Stream)
		}
		if err := st.rotate(p.SeqNum, next); err != nil {
			return err
		}
	}
	return nil
}

// FlushIndexes writes the index records collected since the last call
// (writer). Only then may they be acknowledged.
func (ss *Session) FlushIndexes() {
	for i, st := range ss.dirty {
		st.flushIndex(false)
		ss.dirty[i] = nil
	}
	ss.dirty = ss.dirty[:0]
}

// CloseStreams ends all streams: one of the producer's connections is gone
// (writer). Unless aborted, a stream whose announced packets are still
// expected on the data connection waits for them. It reports whether any does.
func (ss *Session) CloseStreams(abort bool) (waiting bool) {
	for _, st := range ss.streams {
		if !st.closing {
			st.leaves(lttng.NoSeq)
			st.dropUnindexed()
		}
		if !st.tryClose(abort) {
			waiting = true
		}
	}
	return waiting
}

// Close ends the session (writer). Streams that still wait are cut off.
func (ss *Session) Close() {
	if ss.Closed() {
		return
	}
	ss.FlushIndexes()
	ss.CloseStreams(true)
	ss.state.Store(sessionClosed)
	ss.version.Add(1)
	for _, c := range []*chunk{ss.closing, ss.current} {
		if c != nil {
			c.put()
		}
	}
	ss.closing, ss.current = nil, nil
	for _, dir := range ss.legacy {
		ss.store.unclaimDir(dir)
	}
	ss.store.forgetSession(ss)
	g := ss.group
	g.mu.Lock()
	delete(g.sessions, ss)
	g.mu.Unlock()
	g.put()
	if w := ss.store.opts.Watcher; w != nil {
		w.SessionEnded(ss)
	}
}

// forget takes a closed stream away from viewers that have not attached yet.
func (ss *Session) forget(st *Stream) {
	ss.mu.Lock()
	ss.published = slices.DeleteFunc(ss.published, func(o *Stream) bool { return o == st })
	ss.mu.Unlock()
	ss.version.Add(1)
}

// streamClosed takes note of a stream's end (writer).
func (ss *Session) streamClosed(st *Stream) {
	delete(ss.streams, st.id)
	if st.closing {
		ss.leaving--
	}
	s := ss.store
	s.mu.Lock()
	delete(s.streams, st.id)
	s.mu.Unlock()
	if !st.nameless {
		s.unclaimFiles(st)
	}
	ss.mu.Lock()
	// A later stream of the same path begins a new trace: viewers drop one
	// whose streams have all ended.
	if t := st.trace; t != nil {
		if t.open--; t.open == 0 && ss.traces[t.path] == t {
			delete(ss.traces, t.path)
		}
	}
	ss.hidden = slices.DeleteFunc(ss.hidden, func(o *Stream) bool { return o == st })
	ss.mu.Unlock()
	ss.version.Add(1)
}
