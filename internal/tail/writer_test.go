// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Roles that the test program plays in processes of its own, by its first
// argument.
const (
	roleWriter = "tail-writer"
	roleGuard  = "tail-guard"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case roleWriter:
			os.Exit(writerMain(os.Args[2:]))
		case roleGuard:
			os.Exit(GuardMain(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

// Packets of the test writer: u32 magic, u32 length, u64 number, then bytes of
// the number.
const (
	packetMagic  = 0xC1FC1FC1
	packetHeader = 16
	packetMax    = 600  // bytes; of packets that die at a step
	packetLong   = 6000 // bytes; of packets that are killed from outside
	pieceMax     = 300  // bytes of a write
	fileEvery    = 4    // packets in a data file
	renameEvery  = 7    // packets between renames of the directory
	tickEvery    = 8    // steps between ticks, about
	tick         = "tick"
)

// writer writes a trace as a relay does: packets in pieces, index records in
// pieces, file after file, in a directory that moves. It dies at a given step,
// or runs until it is killed.
type writer struct {
	table   *Table
	tree    string
	dir     *Dir
	path    string // of dir
	renames int
	killAt  int // step; 0: never
	steps   int
	rng     *rand.Rand
	streams []*writerStream
}

// writerStream is a stream of packets, the last of which may be unfinished.
type writerStream struct {
	name   string
	index  bool // has an index file, as all but metadata have
	file   *os.File
	idx    *os.File
	slot   *Slot
	number uint64 // packets written
	files  int
	at     int64
}

// writerMain is the main function of the writer's process. Its arguments are
// the directory of the table, the tree, the step to die at, a seed and whether
// to start a guard. It prints the guard's process number, and then each file
// and length that it committed, or a tick.
func writerMain(args []string) int {
	killAt, _ := strconv.Atoi(args[2]) // the test wrote them
	seed, _ := strconv.ParseUint(args[3], 10, 64)
	if err := write(args[0], args[1], killAt, seed, args[4] == "guard"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func write(tableDir, tree string, killAt int, seed uint64, guard bool) error {
	w := &writer{tree: tree, killAt: killAt, rng: rand.New(rand.NewPCG(seed, 0))}
	var err error
	if w.table, err = Create(tableDir, 16); err != nil {
		return err
	}
	var g *Guard
	if guard {
		if g, err = w.table.StartGuard("/proc/self/exe", []string{roleGuard}); err != nil {
			return err
		}
	}
	fmt.Println(g.PID())
	w.path = filepath.Join(tree, "chunk-0")
	if err := os.MkdirAll(filepath.Join(w.path, "index"), 0o755); err != nil {
		return err
	}
	w.dir = w.table.Dir(w.path)
	for _, name := range []string{"ch_0", "ch_1", "metadata"} {
		slot, err := w.table.Slot()
		if err != nil {
			return err
		}
		w.streams = append(w.streams, &writerStream{name: name, index: name != "metadata", slot: slot})
	}
	for n := 1; ; n++ {
		if err := w.packet(w.streams[w.rng.IntN(len(w.streams))]); err != nil {
			return err
		}
		if n%renameEvery == 0 {
			if err := w.rename(); err != nil {
				return err
			}
		}
	}
}

// step is a moment at which the process may die. A line now and then lets the
// test kill it within a packet: that wakes when it can read one.
func (w *writer) step() {
	if w.steps++; w.steps == w.killAt {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	if w.killAt == 0 && w.rng.IntN(tickEvery) == 0 {
		fmt.Println(tick)
	}
}

// packet writes one packet, commits it, and writes its index record.
func (w *writer) packet(s *writerStream) error {
	if s.file == nil || s.index && s.number%fileEvery == 0 {
		if err := w.next(s); err != nil {
			return err
		}
	}
	size := packetMax
	if w.killAt == 0 {
		size = packetLong
	}
	b := make([]byte, packetHeader+w.rng.IntN(size))
	binary.BigEndian.PutUint32(b, packetMagic)
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)))
	binary.BigEndian.PutUint64(b[8:], s.number)
	for i := range b[packetHeader:] {
		b[packetHeader+i] = byte(s.number)
	}
	if err := w.pieces(s.file, b); err != nil {
		return err
	}
	start := s.at
	s.at += int64(len(b))
	s.number++
	s.slot.Commit(s.at)
	w.step()
	if s.index {
		record := packetIndex(72, len(b))[indexHeaderLen:]
		binary.BigEndian.PutUint64(record, uint64(start))
		if err := w.pieces(s.idx, record); err != nil {
			return err
		}
	}
	_, err := fmt.Printf("%s %d\n", filepath.Base(s.file.Name()), s.at)
	return err
}

// pieces writes b in writes of random lengths.
func (w *writer) pieces(f io.Writer, b []byte) error {
	for len(b) > 0 {
		n := min(1+w.rng.IntN(pieceMax), len(b))
		if _, err := f.Write(b[:n]); err != nil {
			return err
		}
		w.step()
		b = b[n:]
	}
	return nil
}

// next makes the stream's next data file, and its index file.
func (w *writer) next(s *writerStream) (err error) {
	if s.file != nil {
		s.file.Close()
		s.idx.Close()
	}
	rel := s.name
	if s.index {
		rel = fmt.Sprintf("%s_%d", s.name, s.files)
	}
	if s.file, err = os.Create(filepath.Join(w.path, rel)); err != nil {
		return err
	}
	w.step()
	var st unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &st); err != nil {
		return err
	}
	s.files, s.at = s.files+1, 0
	s.slot.Follow(w.dir, rel, st.Dev, st.Ino, 0)
	w.step()
	if !s.index {
		return nil
	}
	if s.idx, err = os.Create(filepath.Join(w.path, indexPath(rel))); err != nil {
		return err
	}
	_, err = s.idx.Write(packetIndex(72))
	return err
}

// rename moves the directory.
func (w *writer) rename() error {
	w.renames++
	to := filepath.Join(w.tree, fmt.Sprintf("chunk-%d", w.renames))
	err := w.dir.Rename(to, func() error {
		w.step()
		if err := os.Rename(w.path, to); err != nil {
			return err
		}
		w.step()
		return nil
	})
	w.path = to
	w.step()
	return err
}
