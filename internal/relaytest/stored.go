// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// Stored returns the numbers of the packets in a data file made of [Packet]s,
// as its index tells them. It fails the test unless the records and the packets
// in the file belong to each other, one to one, without a gap.
func Stored(t testing.TB, file string) []uint64 {
	t.Helper()
	numbers, rest := Indexed(t, file)
	if rest > 0 {
		t.Errorf("%s: %d bytes behind those in the index", file, rest)
	}
	return numbers
}

// Indexed is Stored for a file whose last packets may lack their records. It
// returns the number of their bytes too.
func Indexed(t testing.TB, file string) (numbers []uint64, rest int) {
	t.Helper()
	data := readFile(t, file)
	dir, name := filepath.Split(file)
	index := readFile(t, filepath.Join(dir, "index", name+".idx"))
	if len(index) == 0 {
		return nil, len(data)
	}
	h, err := ctf.ParseIndexHeader(index)
	if err != nil {
		t.Errorf("index of %s: %v", file, err)
		return nil, len(data)
	}
	end := 0
	for records := index[ctf.IndexHeaderLen:]; len(records) > 0; records = records[h.RecordLen:] {
		e, err := ctf.ParseIndexEntry(records, h.RecordLen)
		if err != nil {
			t.Errorf("index of %s: %v", file, err)
			break
		}
		if e.Offset != uint64(end) || e.Offset+e.PacketSize/8 > uint64(len(data)) {
			t.Errorf("%s: record %d of bytes %d to %d, want from %d to at most %d",
				file, len(numbers), e.Offset, e.Offset+e.PacketSize/8, end, len(data))
			break
		}
		end = int(e.Offset + e.PacketSize/8)
		numbers = append(numbers, checkPacket(t, file, data[e.Offset:end], e, h.Minor))
	}
	return numbers, len(data) - end
}

// checkPacket compares a stored packet with the one of its number.
func checkPacket(t testing.TB, file string, b []byte, e ctf.IndexEntry, minor uint32) uint64 {
	t.Helper()
	if len(b) < MinPacket {
		t.Errorf("%s: packet of %d bytes at %d", file, len(b), e.Offset)
		return 0
	}
	number := binary.LittleEndian.Uint64(b[offNumber:])
	cpu := int(binary.LittleEndian.Uint32(b[offCPU:]))
	if minor > 0 && e.PacketSeqNum != number {
		t.Errorf("%s: record of packet %d points at packet %d", file, e.PacketSeqNum, number)
	}
	if e.TimestampBegin != timeOf(number) {
		t.Errorf("%s: packet %d: record of time %d, want %d", file, number, e.TimestampBegin, timeOf(number))
	}
	sent := Packet(cpu, number, int(binary.LittleEndian.Uint64(b[offSize:])/8))
	if !bytes.Equal(b[:min(len(sent), len(b))], sent) || len(bytes.Trim(b[min(len(sent), len(b)):], "\x00")) > 0 {
		t.Errorf("%s: packet %d at %d was changed", file, number, e.Offset)
	}
	return number
}

// readFile returns the content of a file, nothing when there is none.
func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// StoredPackets returns the packets of all data files of a channel below dir,
// by the file's path there.
func StoredPackets(t testing.TB, dir, channel string) map[string][]uint64 {
	t.Helper()
	all := make(map[string][]uint64)
	for path := range Tree(t, dir) {
		name := filepath.Base(path)
		if filepath.Ext(name) == "" && (name == channel || strings.HasPrefix(name, channel+"_")) {
			all[path] = Stored(t, filepath.Join(dir, path))
		}
	}
	return all
}

// StoredNumbers returns the packets of a channel below dir in order, whatever
// files they are in.
func StoredNumbers(t testing.TB, dir, channel string) []uint64 {
	t.Helper()
	all := slices.Concat(slices.Collect(maps.Values(StoredPackets(t, dir, channel)))...)
	slices.Sort(all)
	return all
}
