// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// domains is a tracing session of two domains: two relay sessions of one
// session daemon's session, which share their chunks.
type domains struct {
	t      *testing.T
	relay  *relaytest.Relay
	kernel *relaytest.Recording
	ust    *relaytest.Recording
}

func openDomains(t *testing.T) *domains {
	t.Helper()
	r := relaytest.Start(t, relaytest.OneWorker)
	d := &domains{
		t: t, relay: r,
		kernel: r.Record(t, relaytest.Plan{Path: "kernel"}),
		ust:    r.Record(t, relaytest.Plan{}),
	}
	if d.kernel.Session.Path != d.ust.Session.Path || d.kernel.Session.Session == d.ust.Session.Session {
		t.Fatalf("sessions %+v and %+v, want two in one directory", d.kernel.Session, d.ust.Session)
	}
	return d
}

// turn moves one domain to a chunk and closes the one before.
func (d *domains) turn(rec *relaytest.Recording, to lttng.ChunkID, at uint64, command lttng.CloseCommand) {
	d.t.Helper()
	d.start(rec, to, at)
	d.finish(rec, to-1, command)
}

func (d *domains) start(rec *relaytest.Recording, to lttng.ChunkID, at uint64) {
	d.t.Helper()
	relaytest.MustOK(d.t, "CREATE_TRACE_CHUNK", rec.CreateChunk(lttng.CreateTraceChunk{
		Chunk: to, CreationTime: relaytest.Created + 60*uint64(to),
	}))
	for _, pos := range []lttng.RotatePosition{{Stream: rec.Streams[0], SeqNum: at}, {Stream: rec.Metadata}} {
		relaytest.MustOK(d.t, "ROTATE_STREAMS", rec.Rotate(lttng.RotateStreams{
			HasChunk: true, Chunk: to, Streams: []lttng.RotatePosition{pos},
		}))
	}
}

func (d *domains) finish(rec *relaytest.Recording, id lttng.ChunkID, command lttng.CloseCommand) {
	d.t.Helper()
	relaytest.MustOK(d.t, "CLOSE_TRACE_CHUNK", rec.CloseChunk(lttng.CloseTraceChunk{
		Chunk: id, CloseTime: relaytest.Created + 60*uint64(id) + 30, HasCommand: true, Command: command,
	}).Code)
}

func (d *domains) send(rec *relaytest.Recording, seq uint64) {
	d.t.Helper()
	rec.SendWhole(0, seq, 200)
	d.relay.WaitReceived()
}

func (d *domains) exists(id lttng.ChunkID, want bool) {
	d.t.Helper()
	for _, rec := range []*relaytest.Recording{d.kernel, d.ust} {
		if got := rec.ChunkExists(id).Exists; got != want {
			d.t.Errorf("chunk %d exists: %v, want %v", id, got, want)
		}
	}
}

// stored ends both sessions and compares the packets by file.
func (d *domains) stored(want map[string][]uint64) {
	d.t.Helper()
	d.kernel.Close()
	d.ust.Close()
	d.relay.WaitSettled()
	if diff := cmp.Diff(want, placed(d.t, filepath.Join(d.relay.Output, d.kernel.Session.Path))); diff != "" {
		d.t.Errorf("packets differ (-want +got):\n%s", diff)
	}
}

// The chunk moves to the archives when the last domain has left it.
func TestDomainsRotate(t *testing.T) {
	d := openDomains(t)
	d.send(d.kernel, 0)
	d.send(d.ust, 0)
	d.turn(d.kernel, 1, 1, lttng.CloseMove)
	d.exists(0, true)
	d.send(d.kernel, 1)
	d.send(d.ust, 1)
	d.turn(d.ust, 1, 2, lttng.CloseMove)
	d.exists(0, false)
	d.send(d.ust, 2)
	d.stored(map[string][]uint64{
		"archives/0/kernel/ch_0": {0}, "archives/0/ch_0": {0, 1},
		"1/kernel/ch_0": {1}, "1/ch_0": {2},
	})
}

// Both domains create before either closes: what the session daemon does.
func TestDomainsRotateTogether(t *testing.T) {
	d := openDomains(t)
	for chunk := range lttng.ChunkID(3) {
		d.send(d.kernel, uint64(chunk))
		d.send(d.ust, uint64(chunk))
		d.start(d.kernel, chunk+1, uint64(chunk+1))
		d.start(d.ust, chunk+1, uint64(chunk+1))
		d.finish(d.kernel, chunk, lttng.CloseMove)
		d.exists(chunk, true)
		d.finish(d.ust, chunk, lttng.CloseMove)
		d.exists(chunk, false)
	}
	d.stored(map[string][]uint64{
		"archives/0/kernel/ch_0": {0}, "archives/0/ch_0": {0},
		"archives/1/kernel/ch_0": {1}, "archives/1/ch_0": {1},
		"archives/2/kernel/ch_0": {2}, "archives/2/ch_0": {2},
		"3/kernel/ch_0": nil, "3/ch_0": nil,
	})
}

// A clear removes what both have stored, no sooner than both have left it, and
// nothing that comes after.
func TestDomainsClear(t *testing.T) {
	d := openDomains(t)
	d.send(d.kernel, 0)
	d.send(d.ust, 0)
	d.start(d.kernel, 1, 1)
	d.start(d.ust, 1, 1)
	d.finish(d.kernel, 0, lttng.CloseDelete)
	d.exists(0, true)
	d.finish(d.ust, 0, lttng.CloseDelete)
	d.exists(0, false)
	d.send(d.kernel, 1)
	d.send(d.ust, 1)
	d.stored(map[string][]uint64{"kernel/ch_0": {1}, "ch_0": {1}})
}

// One domain's producer dies in the middle of a rotation: the other's goes on,
// and the old chunk is archived without it.
func TestDomainsOneDies(t *testing.T) {
	d := openDomains(t)
	d.send(d.kernel, 0)
	d.send(d.ust, 0)
	d.start(d.kernel, 1, 1)
	d.start(d.ust, 1, 1)
	d.kernel.Close()
	wait.Until(t, "the session is closed", func() bool { return len(d.relay.Store.Sessions()) == 1 })
	d.finish(d.ust, 0, lttng.CloseMove)
	if d.ust.ChunkExists(0).Exists {
		t.Error("chunk 0 still exists without users")
	}
	d.send(d.ust, 1)
	d.stored(map[string][]uint64{
		"archives/0/kernel/ch_0": {0}, "1/kernel/ch_0": nil,
		"archives/0/ch_0": {0}, "1/ch_0": {1},
	})
}

// A session may name its current chunk when it is created: the consumer joins.
func TestDomainsJoinChunk(t *testing.T) {
	r := relaytest.Start(t)
	plan := relaytest.Plan{Path: "kernel"}
	first := r.Record(t, plan)
	plan = relaytest.Plan{Session: lttng.CreateSession{HasChunk: true, Chunk: 0}}
	second := r.Record(t, plan)
	first.SendWhole(0, 0, 200)
	second.SendWhole(0, 0, 200)
	r.WaitPackets(2)
	first.Close()
	second.Close()
	r.WaitSettled()
	want := map[string][]uint64{"kernel/ch_0": {0}, "ch_0": {0}}
	if diff := cmp.Diff(want, placed(t, filepath.Join(r.Output, second.Session.Path))); diff != "" {
		t.Errorf("packets differ (-want +got):\n%s", diff)
	}
}

// One domain's producer makes the next chunk and dies before the other's joins
// it. Its part of the chunk is finished at once; the other goes on in the same
// chunk if it comes to that.
func TestDomainsOneDiesAlone(t *testing.T) {
	tests := []struct {
		name  string
		joins bool
		want  map[string][]uint64
	}{
		{"the other joins", true, map[string][]uint64{
			"archives/0/kernel/ch_0": {0}, "archives/0/ch_0": {0},
			"1/kernel/ch_0": {1}, "1/ch_0": {1},
		}},
		{"the other stays", false, map[string][]uint64{
			"kernel/ch_0": {0}, "ch_0": {0, 1}, "1/kernel/ch_0": {1},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := openDomains(t)
			d.send(d.kernel, 0)
			d.send(d.ust, 0)
			d.start(d.kernel, 1, 1)
			d.send(d.kernel, 1)
			d.kernel.Close()
			wait.Until(t, "the session is closed", func() bool { return len(d.relay.Store.Sessions()) == 1 })
			dir := filepath.Join(d.relay.Output, d.ust.Session.Path)
			if got, want := placed(t, dir)["1/kernel/ch_0"], []uint64{1}; !cmp.Equal(got, want) {
				t.Errorf("packets %v in the dead domain's part of chunk 1, want %v", got, want)
			}
			if tt.joins {
				d.start(d.ust, 1, 1)
				d.finish(d.ust, 0, lttng.CloseMove)
			}
			d.send(d.ust, 1)
			d.stored(tt.want)
			checkNothingTemporary(t, dir)
		})
	}
}

// checkNothingTemporary checks that a session directory has no place for the
// time of a rotation or a deletion.
func checkNothingTemporary(t *testing.T, dir string) {
	t.Helper()
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(hidden) > 0 {
		t.Errorf("left over: %v (error %v), want nothing", hidden, err)
	}
}
