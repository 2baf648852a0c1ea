// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// slowDisk makes the calls that wait for the disk last as long as the test
// wants, for the session called slow.
type slowDisk struct {
	t     *testing.T
	calls chan string   // begun
	free  chan struct{} // closed when they may end
}

func newSlowDisk(t *testing.T) *slowDisk {
	d := &slowDisk{t: t, calls: make(chan string, 1024), free: make(chan struct{})}
	t.Cleanup(d.release)
	return d
}

func (d *slowDisk) release() {
	select {
	case <-d.free:
	default:
		close(d.free)
	}
}

func (d *slowDisk) wait(what string) {
	if strings.Contains(what, "slow") {
		d.calls <- what
		<-d.free
	}
}

// begun waits until a call is being made.
func (d *slowDisk) begun() {
	d.t.Helper()
	wait.Until(d.t, "the disk is asked for something slow", func() bool { return len(d.calls) > 0 })
}

// deletes makes deletions slow.
func (d *slowDisk) deletes(_ *relay.Options, s *tracestore.Options) {
	s.Discard = func(root *os.Root, name string) error {
		d.wait(root.Name())
		return root.RemoveAll(name)
	}
}

// forces has complete files forced to disk, slowly.
func (d *slowDisk) forces(_ *relay.Options, s *tracestore.Options) {
	s.SyncOnClose = true
	s.Force = func(fd int) error {
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			return err
		}
		d.wait(name)
		return unix.Fdatasync(fd)
	}
}

// twoSessions opens the session whose disk is slow and another one, served by
// the same worker.
func twoSessions(t *testing.T, change relaytest.Change) (r *relaytest.Relay, slow, other *relaytest.Recording) {
	t.Helper()
	r = relaytest.Start(t, relaytest.OneWorker, change)
	for i, name := range []string{"slow", "other"} {
		plan := relaytest.Plan{Session: lttng.CreateSession{Name: name}}
		plan.Session.SessiondUUID[0] = byte(i + 1)
		rec := r.Record(t, plan)
		rec.SendDescription()
		rec.SendWhole(0, 0, 200)
		slow, other = other, rec
	}
	return r, slow, other
}

// turnTo makes all streams go on in a chunk from packet at on.
func turnTo(rec *relaytest.Recording, chunk lttng.ChunkID, at uint64) lttng.RotateStreams {
	return lttng.RotateStreams{HasChunk: true, Chunk: chunk, Streams: []lttng.RotatePosition{
		{Stream: rec.Streams[0], SeqNum: at}, {Stream: rec.Metadata},
	}}
}

func nextChunk(t *testing.T, rec *relaytest.Recording) {
	t.Helper()
	relaytest.MustOK(t, "CREATE_TRACE_CHUNK", rec.CreateChunk(lttng.CreateTraceChunk{Chunk: 1, CreationTime: relaytest.Created + 60}))
}

func closing(command lttng.CloseCommand) lttng.CloseTraceChunk {
	return lttng.CloseTraceChunk{CloseTime: relaytest.Created + 60, HasCommand: true, Command: command}
}

// goesOn checks that a session is served while the other's answer is kept back.
func goesOn(t *testing.T, slow, other *relaytest.Recording, seq uint64) {
	t.Helper()
	other.SendWhole(0, seq, 200)
	other.Sync()
	if slow.Answered() {
		t.Error("answered before the disk has done what the answer says")
	}
}

// The deletion of what a session clears holds up nobody else. The answer tells
// that it is done.
func TestSlowClear(t *testing.T) {
	d := newSlowDisk(t)
	r, slow, other := twoSessions(t, d.deletes)
	nextChunk(t, slow)
	relaytest.MustOK(t, "ROTATE_STREAMS", slow.Rotate(turnTo(slow, 1, 1)))
	slow.SendDescription()
	slow.Request(lttng.CmdCloseTraceChunk, closing(lttng.CloseDelete).Append)
	d.begun()
	goesOn(t, slow, other, 1)
	slow.SendPacket(0, 1, 200)
	slow.Request(lttng.CmdSendIndex, func(b []byte) []byte {
		return relaytest.Index(slow.Streams[0], 0, 1, 1, 200).Append(b, slow.Minor)
	})
	goesOn(t, slow, other, 2)
	if n := r.Store.Counters().Backlog.Load(); n != 1 {
		t.Errorf("backlog of %d, want 1", n)
	}
	d.release()
	relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", slow.CloseChunkReply().Code)
	relaytest.MustOK(t, "SEND_INDEX", slow.Code())
	if slow.ChunkExists(0).Exists {
		t.Error("chunk 0 exists after the clear")
	}
	checkClear(t, r, slow)
}

// checkClear checks that of the cleared session packet 1 alone is left.
func checkClear(t *testing.T, r *relaytest.Relay, rec *relaytest.Recording) {
	t.Helper()
	rec.Close()
	r.Stop()
	dir := filepath.Join(r.Output, rec.Session.Path)
	if diff := cmp.Diff(map[string][]uint64{"ch_0": {1}}, placed(t, dir)); diff != "" {
		t.Errorf("packets differ (-want +got):\n%s", diff)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("session directory holds %v (error %v), want the trace alone", entries, err)
	}
}

// An error behind an answer that is kept back does not overtake it.
func TestErrorBehindSlowClear(t *testing.T) {
	d := newSlowDisk(t)
	_, slow, other := twoSessions(t, d.deletes)
	nextChunk(t, slow)
	relaytest.MustOK(t, "ROTATE_STREAMS", slow.Rotate(turnTo(slow, 1, 1)))
	slow.Request(lttng.CmdCloseTraceChunk, closing(lttng.CloseDelete).Append)
	slow.Request(lttng.CmdCloseTraceChunk, closing(lttng.CloseDelete).Append)
	d.begun()
	goesOn(t, slow, other, 1)
	d.release()
	relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", slow.CloseChunkReply().Code)
	if reply := slow.CloseChunkReply(); reply.Code == lttng.ReplyOK {
		t.Error("chunk closed twice")
	}
	if rest := slow.WaitControlClosed(); len(rest) > 0 {
		t.Errorf("got %x behind the error, want nothing", rest)
	}
}

// A peer that goes away while its answer is kept back takes nothing along.
func TestGoneBehindSlowClear(t *testing.T) {
	d := newSlowDisk(t)
	r, slow, other := twoSessions(t, d.deletes)
	nextChunk(t, slow)
	relaytest.MustOK(t, "ROTATE_STREAMS", slow.Rotate(turnTo(slow, 1, 1)))
	slow.Request(lttng.CmdCloseTraceChunk, closing(lttng.CloseDelete).Append)
	d.begun()
	slow.SendPacket(0, 1, 200)
	slow.Request(lttng.CmdSendIndex, func(b []byte) []byte {
		return relaytest.Index(slow.Streams[0], 0, 1, 1, 200).Append(b, slow.Minor)
	})
	goesOn(t, slow, other, 1)
	slow.Close()
	wait.Until(t, "the session is closed", func() bool { return len(r.Store.Sessions()) == 1 })
	d.release()
	checkClear(t, r, slow)
}

// Forcing files to disk holds up nobody else. What an answer calls complete is
// on the disk.
func TestSlowForce(t *testing.T) {
	d := newSlowDisk(t)
	r, slow, other := twoSessions(t, d.forces)
	nextChunk(t, slow)
	slow.Request(lttng.CmdRotateStreams, turnTo(slow, 1, 1).Append)
	d.begun()
	goesOn(t, slow, other, 1)
	slow.Request(lttng.CmdCloseTraceChunk, closing(lttng.CloseMove).Append)
	slow.Request(lttng.CmdTraceChunkExists, lttng.TraceChunkExists{}.Append)
	goesOn(t, slow, other, 2)
	d.release()
	relaytest.MustOK(t, "ROTATE_STREAMS", slow.Code())
	relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", slow.CloseChunkReply().Code)
	slow.Reply(5) // TRACE_CHUNK_EXISTS
	if len(d.calls) < 3 {
		t.Errorf("%d files forced to disk before the answers, want data, index and metadata", len(d.calls))
	}
	slow.Close()
	other.Close()
	r.WaitSettled()
	r.Stop()
	if n := r.Store.Counters().Backlog.Load(); n != 0 {
		t.Errorf("backlog of %d after the stop, want none", n)
	}
}

// However many files wait to be forced to disk, the backlog stays bounded, and
// the session whose they are is served as well.
func TestBacklogIsBounded(t *testing.T) {
	d := newSlowDisk(t)
	r := relaytest.Start(t, relaytest.OneWorker, d.forces)
	rec := r.Record(t, relaytest.Plan{
		Session: lttng.CreateSession{Name: "slow"}, Stream: lttng.AddStream{TracefileSize: 200},
	})
	rec.SendDescription()
	const packets = 600
	most := int64(0)
	for seq := range uint64(packets) {
		rec.SendWhole(0, seq, 200)
		most = max(most, r.Store.Counters().Backlog.Load())
	}
	d.begun()
	if most < 200 || most > 300 {
		t.Errorf("backlog of up to %d files, want some and at most 300", most)
	}
	d.release()
	rec.Close()
	r.WaitSettled()
	r.Stop()
	total := 0
	for _, numbers := range placed(t, filepath.Join(r.Output, rec.Session.Path)) {
		total += len(numbers)
	}
	if n := r.Store.Counters().Backlog.Load(); total != packets || n != 0 {
		t.Errorf("%d packets stored and a backlog of %d, want %d and none", total, n, packets)
	}
}
