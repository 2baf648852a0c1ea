// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// Stored returns the numbers of the packets in a data file made of [Packet]s,
// as its index tells them. It fails the test unless the records and the packets
// in the file belong to each other, one to one, without a gap.
func Stored(t testing.TB, file string) []uint64 {
	t.Helper()
	data := readFile(t, file)
	dir, name := filepath.Split(file)
	index := readFile(t, filepath.Join(dir, "index", name+".idx"))
	if len(index) == 0 {
		if len(data) > 0 {
			t.Errorf("%s: %d bytes without an index", file, len(data))
		}
		return nil
	}
	h, err := ctf.ParseIndexHeader(index)
	if err != nil {
		t.Errorf("index of %s: %v", file, err)
		return nil
	}
	var numbers []uint64
	records := index[ctf.IndexHeaderLen:]
	end := uint64(0)
	for len(records) > 0 {
		e, err := ctf.ParseIndexEntry(records, h.RecordLen)
		if err != nil {
			t.Errorf("index of %s: %v", file, err)
			return numbers
		}
		records = records[h.RecordLen:]
		if e.Offset != end {
			t.Errorf("%s: record %d at offset %d, want %d", file, len(numbers), e.Offset, end)
		}
		end = e.Offset + e.PacketSize/8
		if end > uint64(len(data)) {
			t.Errorf("%s: record %d ends at %d, the file at %d", file, len(numbers), end, len(data))
			return numbers
		}
		numbers = append(numbers, checkPacket(t, file, data[e.Offset:end], e, h.Minor))
	}
	if end != uint64(len(data)) {
		t.Errorf("%s: %d bytes, %d of them in the index", file, len(data), end)
	}
	return numbers
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
