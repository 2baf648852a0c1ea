// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

const (
	diskSize    = 4 << 20
	ballastSize = 2 << 20
	packetSize  = 16 << 10
)

// smallDisk mounts a file system of diskSize bytes, half of them taken by a
// file that the test may remove.
func smallDisk(t *testing.T) (dir, ballast string) {
	t.Helper()
	dir = mount(t, "size=4m,mode=0755")
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, ballastSize), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, ballast
}

// mount makes a file system of the test's own.
func mount(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, options)
	if errors.Is(err, unix.EPERM) {
		peer.Lack(t, "root to mount a file system")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// onDisk starts a relay on a small disk that keeps reserve bytes of it.
func onDisk(t *testing.T, reserve int64) (r *relaytest.Relay, ballast string) {
	t.Helper()
	dir, ballast := smallDisk(t)
	r = relaytest.Start(t, relaytest.Quiet, relaytest.OneWorker, func(_ *relay.Options, s *tracestore.Options) {
		s.Output, s.Reserve = filepath.Join(dir, "out"), reserve
	})
	return r, ballast
}

// sendUntil sends packets of stream 0, from seq on, until done says so after
// one of them, and returns the next number.
func sendUntil(t *testing.T, r *relaytest.Relay, rec *relaytest.Recording, seq uint64, done func() bool) uint64 {
	t.Helper()
	wait.Until(t, "enough packets are sent", func() bool {
		rec.SendWhole(0, seq, packetSize)
		seq++
		r.WaitReceived()
		rec.Sync()
		return done()
	})
	return seq
}

// TestDiskFull fills the disk under a session: its connections stay, each
// packet is either stored or counted as dropped, metadata that comes meanwhile
// is not lost, other sessions can be opened, and once there is space packets
// are stored again.
func TestDiskFull(t *testing.T) {
	for name, reserve := range map[string]int64{"with a reserve": 256 << 10, "without": 0} {
		t.Run(name, func(t *testing.T) {
			r, ballast := onDisk(t, reserve)
			c := r.Store.Counters()
			rec := r.Record(t, relaytest.Plan{})
			rec.SendDescription()
			seq := sendUntil(t, r, rec, 0, func() bool { return c.DroppedPackets.Load() >= 20 })

			more := bytes.Repeat([]byte("/* more */"), 2000)
			rec.SendMetadata(lttng.Metadata{Stream: rec.Metadata, Content: more})
			plan := relaytest.Plan{Session: lttng.CreateSession{Name: "second"}}
			plan.Session.SessiondUUID[0] = 2
			second := r.Record(t, plan)
			second.SendDescription()
			second.Sync()
			if reserve > 0 {
				checkMetadata(t, r, rec, more)
				checkMetadata(t, r, second, nil)
			}

			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			stored := c.Packets.Load()
			seq = sendUntil(t, r, rec, seq, func() bool { return c.Packets.Load() >= stored+20 })
			if got := rec.DataPending(rec.Streams[0], seq-1); got != lttng.ReplyNotPending {
				t.Errorf("DATA_PENDING: %v, want %v", got, lttng.ReplyNotPending)
			}
			second.SendWhole(0, 0, packetSize)
			r.WaitPackets(seq + 1)
			wait.Until(t, "metadata that waited is written", func() bool { return metadataIs(t, r, rec, more) })
			rec.Close()
			second.Close()
			r.WaitSettled()

			if got, want := c.Packets.Load()+c.DroppedPackets.Load(), seq+1; got != want {
				t.Errorf("%d packets stored or dropped, want the %d sent", got, want)
			}
			numbers := checkRising(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath))
			if uint64(len(numbers)) != c.Packets.Load()-1 {
				t.Errorf("%d packets in the file, want the %d counted", len(numbers), c.Packets.Load()-1)
			}
			checkRising(t, filepath.Join(r.Output, second.Session.Path, relaytest.StreamPath))
		})
	}
}

// checkRising returns the packets in a trace of one stream, which must rise and
// be those that babeltrace2 finds.
func checkRising(t *testing.T, dir string) []uint64 {
	t.Helper()
	numbers := relaytest.Stored(t, filepath.Join(dir, "ch_0"))
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			t.Errorf("%s: packet %d behind %d", dir, numbers[i], numbers[i-1])
		}
	}
	if events := readEvents(t, dir); events != nil && events["0"] != len(numbers) {
		t.Errorf("%s: babeltrace2 reads %d packets, want %d", dir, events["0"], len(numbers))
	}
	return numbers
}

func metadataIs(t *testing.T, r *relaytest.Relay, rec *relaytest.Recording, more []byte) bool {
	t.Helper()
	got := readAll(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "metadata"))
	return bytes.Equal(got, append(relaytest.Metadata(), more...))
}

func checkMetadata(t *testing.T, r *relaytest.Relay, rec *relaytest.Recording, more []byte) {
	t.Helper()
	rec.Sync()
	if !metadataIs(t, r, rec, more) {
		t.Errorf("session %d: metadata not written on the full disk in spite of the reserve", rec.Session.Session)
	}
}

// TestDiskFullRotates turns the chunk while the disk is full, with and without
// a limit of size of the files.
func TestDiskFullRotates(t *testing.T) {
	for name, stream := range map[string]lttng.AddStream{
		"one file": {}, "files": {TracefileSize: 4 * packetSize}, "ring": {TracefileSize: 4 * packetSize, TracefileCount: 200},
	} {
		t.Run(name, func(t *testing.T) {
			r, ballast := onDisk(t, 256<<10)
			c := r.Store.Counters()
			rec := r.Record(t, relaytest.Plan{Stream: stream})
			rec.SendDescription()
			seq := sendUntil(t, r, rec, 0, func() bool { return c.DroppedPackets.Load() >= 5 })
			relaytest.MustOK(t, "CREATE_TRACE_CHUNK", rec.CreateChunk(lttng.CreateTraceChunk{Chunk: 1, CreationTime: relaytest.Created + 60}))
			for _, pos := range []lttng.RotatePosition{{Stream: rec.Streams[0], SeqNum: seq}, {Stream: rec.Metadata}} {
				relaytest.MustOK(t, "ROTATE_STREAMS", rec.Rotate(lttng.RotateStreams{
					HasChunk: true, Chunk: 1, Streams: []lttng.RotatePosition{pos},
				}))
			}
			rec.SendDescription()
			relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", rec.CloseChunk(lttng.CloseTraceChunk{
				CloseTime: relaytest.Created + 60, HasCommand: true, Command: lttng.CloseMove,
			}).Code)
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			stored := c.Packets.Load()
			first := seq
			seq = sendUntil(t, r, rec, seq, func() bool { return c.Packets.Load() >= stored+20 })
			rec.Close()
			r.WaitSettled()
			if got := c.Packets.Load() + c.DroppedPackets.Load(); got != seq {
				t.Errorf("%d packets stored or dropped, want the %d sent", got, seq)
			}
			var total int
			for file, numbers := range placed(t, filepath.Join(r.Output, rec.Session.Path)) {
				total += len(numbers)
				for _, n := range numbers {
					if archived := filepath.Dir(file) == "archives/0"; archived != (n < first) {
						t.Errorf("packet %d in %s, the chunks part at %d", n, file, first)
					}
				}
			}
			if uint64(total) != c.Packets.Load() {
				t.Errorf("%d packets in the files, want the %d counted", total, c.Packets.Load())
			}
		})
	}
}

// A packet larger than what is free is dropped whole, in whatever pieces it
// comes, and those behind it that fit are stored.
func TestPacketLargerThanTheDisk(t *testing.T) {
	for name, reserve := range map[string]int64{"with a reserve": 256 << 10, "without": 0} {
		t.Run(name, func(t *testing.T) {
			r, _ := onDisk(t, reserve)
			rec := r.Record(t, relaytest.Plan{})
			rec.SendWhole(0, 0, packetSize)
			rec.SendWhole(0, 1, diskSize)
			r.WaitPackets(2)
			if got := r.Store.Counters().DroppedPackets.Load(); got != 1 {
				t.Errorf("%d packets dropped, want the one that does not fit", got)
			}
			stored := r.Store.Counters().Packets.Load()
			sendUntil(t, r, rec, 2, func() bool { return r.Store.Counters().Packets.Load() > stored })
			rec.Close()
			r.WaitSettled()
			numbers := relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0"))
			if len(numbers) != 2 || numbers[0] != 0 {
				t.Errorf("packets %v stored, want 0 and a later one", numbers)
			}
		})
	}
}

// fullOfFiles is a file system that takes no file more while it is filled.
type fullOfFiles struct {
	t   *testing.T
	dir string
	n   int
}

func newFullOfFiles(t *testing.T) *fullOfFiles {
	t.Helper()
	return &fullOfFiles{t: t, dir: mount(t, "size=4m,mode=0755,nr_inodes=200")}
}

func (f *fullOfFiles) name(i int) string { return filepath.Join(f.dir, "ballast"+strconv.Itoa(i)) }

func (f *fullOfFiles) fill() {
	f.t.Helper()
	for {
		file, err := os.Create(f.name(f.n))
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		if err != nil {
			f.t.Fatal(err)
		}
		f.n++
		file.Close()
	}
}

func (f *fullOfFiles) empty() {
	f.t.Helper()
	for ; f.n > 0; f.n-- {
		if err := os.Remove(f.name(f.n - 1)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestDiskFullAtRotation lets the disk refuse all new files at each moment of a
// rotation: the connections stay, packets are stored or counted as dropped, and
// once there is space the rotation is made up for.
func TestDiskFullAtRotation(t *testing.T) {
	for _, moment := range []string{"create", "rotate", "index", "close"} {
		for name, command := range map[string]lttng.CloseCommand{"moved": lttng.CloseMove, "cleared": lttng.CloseDelete} {
			t.Run(moment+"/"+name, func(t *testing.T) { fillAtRotation(t, moment, command) })
		}
	}
}

func fillAtRotation(t *testing.T, moment string, command lttng.CloseCommand) {
	disk := newFullOfFiles(t)
	r := relaytest.Start(t, relaytest.Quiet, relaytest.OneWorker, func(_ *relay.Options, s *tracestore.Options) {
		s.Output = filepath.Join(disk.dir, "out")
	})
	at := func(here string) {
		if here == moment {
			disk.fill()
		}
	}
	plan := relaytest.Plan{Session: lttng.CreateSession{Name: "other"}}
	plan.Session.SessiondUUID[0] = 2
	other := r.Record(t, plan)
	other.SendDescription()
	other.SendWhole(0, 0, 200)
	rec := r.Record(t, relaytest.Plan{})
	rec.SendDescription()
	rec.SendWhole(0, 0, 200)
	r.WaitReceived()

	at("create")
	nextChunk(t, rec)
	if moment == "index" {
		rec.SendPacket(0, 1, 200)
		r.WaitReceived()
	}
	at("rotate")
	at("index")
	relaytest.MustOK(t, "ROTATE_STREAMS", rec.Rotate(turnTo(rec, 1, 1)))
	if moment == "index" {
		relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(rec.Streams[0], 0, 1, 1, 200)))
	} else {
		rec.SendWhole(0, 1, 200)
	}
	rec.SendDescription()
	r.WaitReceived()
	at("close")
	relaytest.MustOK(t, "CLOSE_TRACE_CHUNK", rec.CloseChunk(closing(command)).Code)
	if rec.ChunkExists(0).Exists {
		t.Error("chunk 0 exists after its close")
	}
	rec.SendWhole(0, 2, 200)
	other.SendWhole(0, 1, 200)

	disk.empty()
	stored := r.Store.Counters().Packets.Load()
	seq := uint64(3)
	wait.Until(t, "a packet is stored", func() bool {
		rec.SendWhole(0, seq, 200)
		seq++
		return r.Store.Counters().Packets.Load() > stored
	})
	dir := filepath.Join(r.Output, rec.Session.Path)
	wait.Until(t, "the rotation is made up for", func() bool {
		hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
		archived, e := filepath.Glob(filepath.Join(dir, "archives/*-0"))
		done := command == lttng.CloseDelete || len(archived) == 1
		return errors.Join(err, e) == nil && len(hidden) == 0 && done
	})
	rec.Close()
	other.Close()
	r.WaitSettled()
	checkMadeUp(t, r, dir, seq, command)
	if got := relaytest.Stored(t, filepath.Join(r.Output, other.Session.Path, relaytest.StreamPath, "ch_0")); len(got) != 2 {
		t.Errorf("other session: packets %v stored, want 2", got)
	}
}

// checkMadeUp checks where the packets of a rotation at packet 1 lie, that all
// n of them are stored or counted, and that both chunks can be read.
func checkMadeUp(t *testing.T, r *relaytest.Relay, dir string, n uint64, command lttng.CloseCommand) {
	t.Helper()
	files := placed(t, dir)
	next := "1/ch_0"
	if command == lttng.CloseDelete {
		next = "ch_0"
	}
	here := len(files[next])
	for _, seq := range files[next] {
		if seq < 1 {
			t.Errorf("packet %d in the chunk that begins with packet 1", seq)
		}
	}
	if here == 0 {
		t.Errorf("no packet in %s; packets are in %v", next, files)
	}
	if got := files["archives/0/ch_0"]; command == lttng.CloseMove {
		if here += len(got); len(got) != 1 || got[0] != 0 {
			t.Errorf("packets %v archived, want 0 alone", got)
		}
	}
	stored := uint64(here)
	if command == lttng.CloseDelete {
		stored++ // the one that was cleared
	}
	if dropped := r.Store.Counters().DroppedPackets.Load(); stored+dropped != n {
		t.Errorf("%d packets stored and %d dropped, want the %d sent", stored, dropped, n)
	}
	if events := readEvents(t, dir); events != nil && events["0"] != here {
		t.Errorf("babeltrace2 reads %v packets, want the %d stored", events, here)
	}
}
