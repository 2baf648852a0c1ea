// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/lttng"
)

// rotationScript plays words on a session of one stream, each handled by the
// relay before the next:
//
//	dN hN tN iN   data of packet N, its first half, its second half, its index
//	c             CREATE_TRACE_CHUNK of the next chunk
//	rN            ROTATE_STREAMS of the data stream to the newest chunk at N
//	nN            the same to no chunk
//	m             ROTATE_STREAMS of the metadata to the newest chunk, metadata
//	o             the same to no chunk
//	xm xn xd      CLOSE_TRACE_CHUNK of the oldest chunk: move, nothing, delete
//	eN gN         TRACE_CHUNK_EXISTS of chunk N says yes, or no
type rotationScript struct {
	t      *testing.T
	relay  *relaytest.Relay
	rec    *relaytest.Recording
	size   int
	number func(n uint64) uint64 // packet_seq_num of packet n

	newest, oldest lttng.ChunkID
}

func (s *rotationScript) play(words string) {
	s.t.Helper()
	for _, word := range strings.Fields(words) {
		s.word(word)
		s.relay.WaitReceived()
	}
}

func (s *rotationScript) word(word string) {
	s.t.Helper()
	n, _ := strconv.ParseUint(word[1:], 10, 64) // 0 for words without a number
	st := s.rec.Streams[0]
	whole := append(lttng.DataHeader{Stream: st, NetSeqNum: n, DataSize: uint32(s.size)}.Append(nil),
		relaytest.Packet(0, s.number(n), s.size)...)
	half := lttng.DataHeaderLen + s.size/2
	switch word[0] {
	case 'd':
		s.rec.SendData(whole)
	case 'h':
		s.rec.SendData(whole[:half])
	case 't':
		s.rec.SendData(whole[half:])
	case 'i':
		relaytest.MustOK(s.t, word, s.rec.SendIndex(relaytest.Index(st, 0, n, s.number(n), s.size)))
	case 'c':
		s.newest++
		relaytest.MustOK(s.t, word, s.rec.CreateChunk(lttng.CreateTraceChunk{
			Chunk: s.newest, CreationTime: relaytest.Created + 60*uint64(s.newest),
		}))
	case 'r', 'n':
		s.rotate(word, st, n, word[0] == 'r')
	case 'm', 'o':
		s.rotate(word, s.rec.Metadata, 0, word[0] == 'm')
		if word[0] == 'm' {
			s.rec.SendDescription()
		}
	case 'x':
		s.closeChunk(word, map[byte]lttng.CloseCommand{'m': lttng.CloseMove, 'n': lttng.CloseNothing, 'd': lttng.CloseDelete}[word[1]])
	case 'e', 'g':
		if got := s.rec.ChunkExists(lttng.ChunkID(n)); got.Exists != (word[0] == 'e') {
			s.t.Errorf("%s: chunk %d exists: %v", word, n, got.Exists)
		}
	default:
		s.t.Fatalf("unknown word %q", word)
	}
}

func (s *rotationScript) rotate(word string, id lttng.StreamID, at uint64, toChunk bool) {
	s.t.Helper()
	m := lttng.RotateStreams{Streams: []lttng.RotatePosition{{Stream: id, SeqNum: at}}}
	if toChunk {
		m.HasChunk, m.Chunk = true, s.newest
	}
	relaytest.MustOK(s.t, word, s.rec.Rotate(m))
}

func (s *rotationScript) closeChunk(word string, command lttng.CloseCommand) {
	s.t.Helper()
	m := lttng.CloseTraceChunk{
		Chunk: s.oldest, CloseTime: relaytest.Created + 60*uint64(s.oldest) + 30,
		HasCommand: true, Command: command,
	}
	relaytest.MustOK(s.t, word, s.rec.CloseChunk(m).Code)
	s.oldest++
}

var chunkTimes = regexp.MustCompile(`\d{8}T\d{6}\+0000-(\d{8}T\d{6}\+0000-)?`)

// placed returns the packets of the stream by file, chunks named by their
// number alone.
func placed(t testing.TB, dir string) map[string][]uint64 {
	t.Helper()
	all := make(map[string][]uint64)
	for path, numbers := range relaytest.StoredPackets(t, dir, "ch_0") {
		path = strings.Replace(path, relaytest.StreamPath+"/", "", 1)
		all[chunkTimes.ReplaceAllString(path, "")] = numbers
	}
	return all
}

// TestRotation checks that each packet goes to the chunk that its number says,
// whichever of data, index and rotation comes first.
func TestRotation(t *testing.T) {
	type files = map[string][]uint64
	split := files{"archives/0/ch_0": {0, 1, 2}, "1/ch_0": {3, 4}}
	tests := []struct {
		name, words string
		want        files
	}{
		{"in step", "d0 i0 d1 i1 d2 i2 c r3 d3 i3 d4 i4 m xm g0", split},
		{"announced ahead", "d0 i0 c r3 d1 i1 d2 i2 e0 d3 i3 d4 i4 m xm g0", split},
		{"data ahead of its index", "d0 d1 d2 d3 d4 i0 i1 i2 c r3 i3 i4 m xm g0", split},
		{"data ahead of all indexes", "d0 d1 d2 d3 d4 c r3 i0 i1 i2 i3 i4 m xm g0", split},
		{"index ahead of its data", "d0 i0 d1 i1 d2 i2 i3 i4 c r3 d3 d4 m xm g0", split},
		{"indexes ahead of all data", "i0 i1 i2 i3 i4 c r3 d0 d1 d2 d3 d4 m xm g0", split},
		{"indexes ahead, data after the close", "i0 i1 i2 i3 i4 c r3 m xm e0 d0 d1 d2 g0 d3 d4", split},
		{"half a packet arrived", "d0 i0 d1 i1 d2 d3 h4 i2 c r3 i3 t4 i4 m xm g0", split},
		{"half a packet of the old chunk", "d0 i0 d1 i1 h2 c r3 i2 t2 d3 d4 i3 i4 m xm g0", split},
		{"half a packet turns the chunk", "d0 i0 d1 i1 d2 h3 i2 i3 c r3 t3 d4 i4 m xm g0", split},
		{"late", "d0 i0 d1 i1 d2 i2 d3 i3 d4 i4 c r3 m xm g0", files{"archives/0/ch_0": {0, 1, 2, 3, 4}, "1/ch_0": nil}},
		{"late with data ahead", "d0 i0 d1 i1 d2 i2 d3 i3 d4 c r3 i4 m xm g0", files{"archives/0/ch_0": {0, 1, 2, 3}, "1/ch_0": {4}}},
		{"before the first packet", "c r0 m xm g0 d0 i0 d1 i1", files{"archives/0/ch_0": nil, "1/ch_0": {0, 1}}},
		{"closed before it turns", "d0 i0 c r2 m xm e0 d1 i1 g0 d2 i2", files{"archives/0/ch_0": {0, 1}, "1/ch_0": {2}}},
		{"two in a row", "d0 i0 c r1 m xm d1 i1 c r2 m xm d2 i2 g1", files{"archives/0/ch_0": {0}, "archives/1/ch_0": {1}, "2/ch_0": {2}}},
		{"closed without a move", "d0 i0 c r1 m xn d1 i1 g0", files{"ch_0": {0}, "1/ch_0": {1}}},
		{"cleared first", "d0 i0 c r1 m xd d1 i1 g0", files{"ch_0": {1}}},
		{"cleared, data ahead", "d0 d1 i0 c r1 m xd g0 i1", files{"ch_0": {1}}},
		{"cleared after a rotation", "d0 i0 c r1 m xm d1 i1 c r2 m xd d2 i2 g1", files{"archives/0/ch_0": {0}, "2/ch_0": {2}}},
		{"stopped and cleared", "d0 i0 n1 o xd g0 c r1 m d1 i1", files{"ch_0": {1}}},
		{"stopped and rotated", "d0 i0 n1 o xm g0 c r1 m d1 i1", files{"archives/0/ch_0": {0}, "1/ch_0": {1}}},
	}
	for _, tt := range tests {
		for _, size := range []int{200, 300_000} { // copied and spliced
			t.Run(fmt.Sprintf("%s/%d bytes", tt.name, size), func(t *testing.T) {
				got := playRotation(t, tt.words, size, relaytest.Plan{}, func(n uint64) uint64 { return n })
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("packets differ (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// playRotation plays a script in a fresh relay and returns where the packets
// have gone.
func playRotation(t *testing.T, words string, size int, plan relaytest.Plan, number func(uint64) uint64) map[string][]uint64 {
	t.Helper()
	r := relaytest.Start(t, relaytest.OneWorker)
	s := &rotationScript{t: t, relay: r, rec: r.Record(t, plan), size: size, number: number}
	s.rec.SendDescription()
	s.play(words)
	s.rec.Close()
	r.WaitSettled()
	if n := r.Store.Counters().DroppedPackets.Load(); n > 0 {
		t.Errorf("%d packets dropped, want none", n)
	}
	return placed(t, filepath.Join(r.Output, s.rec.Session.Path))
}

// The position of a rotation is a lower bound: a tracer that overwrites old
// packets skips numbers.
func TestRotationSkipsNumbers(t *testing.T) {
	skip := func(n uint64) uint64 {
		if n >= 3 {
			return n + 5
		}
		return n
	}
	want := map[string][]uint64{"archives/0/ch_0": {0, 1, 2}, "1/ch_0": {8, 9}}
	for name, words := range map[string]string{
		"in step":       "d0 i0 d1 i1 d2 i2 c r5 d3 i3 d4 i4 m xm g0",
		"data ahead":    "d0 d1 d2 d3 d4 i0 i1 i2 c r5 i3 i4 m xm g0",
		"index ahead":   "d0 i0 d1 i1 d2 i2 i3 c r5 d3 d4 i4 m xm g0",
		"exact":         "d0 i0 d1 i1 d2 i2 c r3 d3 i3 d4 i4 m xm g0",
		"exactly later": "d0 i0 d1 i1 d2 i2 c r8 d3 i3 d4 i4 m xm g0",
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, playRotation(t, words, 200, relaytest.Plan{}, skip)); diff != "" {
				t.Errorf("packets differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTracefiles checks the files of a stream with a limit of size: the ring
// that a count makes of them, and none without a count.
func TestTracefiles(t *testing.T) {
	type files = map[string][]uint64
	tests := []struct {
		name, words string
		count       uint64
		want        files
	}{
		{"unlimited", "d0 i0 d1 i1 d2 i2 d3 i3 d4 i4", 0, files{"ch_0_0": {0, 1}, "ch_0_1": {2, 3}, "ch_0_2": {4}}},
		{"ring", "d0 i0 d1 i1 d2 i2 d3 i3 d4 i4", 2, files{"ch_0_0": {4}, "ch_0_1": {2, 3}}},
		{"ring of one", "d0 i0 d1 i1 d2 i2 d3 i3 d4 i4", 1, files{"ch_0_0": {4}}},
		{"ring, data ahead", "d0 d1 d2 d3 d4 i0 i1 i2 i3 i4", 2, files{"ch_0_0": {4}, "ch_0_1": {2, 3}}},
		{"ring, index ahead", "i0 i1 i2 i3 i4 d0 d1 d2 d3 d4", 2, files{"ch_0_0": {4}, "ch_0_1": {2, 3}}},
		{"rotation starts at 0", "d0 i0 d1 i1 d2 i2 c r3 d3 i3 d4 i4 m xm g0", 2, files{
			"archives/0/ch_0_0": {0, 1}, "archives/0/ch_0_1": {2}, "1/ch_0_0": {3, 4},
		}},
		{"rotation of an unlimited stream", "d0 i0 d1 i1 d2 i2 c r3 d3 i3 d4 i4 d5 i5 m xm g0", 0, files{
			"archives/0/ch_0_0": {0, 1}, "archives/0/ch_0_1": {2}, "1/ch_0_0": {3, 4}, "1/ch_0_1": {5},
		}},
		// Packets that are moved keep the limit of size in the next chunk.
		{"rotation with data ahead", "d0 d1 d2 d3 d4 d5 i0 c r1 i1 i2 i3 i4 i5 m xm g0", 0, files{
			"archives/0/ch_0_0": {0}, "1/ch_0_0": {1, 2}, "1/ch_0_1": {3, 4}, "1/ch_0_2": {5},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := relaytest.Plan{Stream: lttng.AddStream{TracefileSize: 400, TracefileCount: tt.count}}
			got := playRotation(t, tt.words, 200, plan, func(n uint64) uint64 { return n })
			// Files emptied by a move may stay.
			for name, numbers := range got {
				if len(numbers) == 0 && tt.want[name] == nil {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("packets differ (-want +got):\n%s", diff)
			}
		})
	}
}
