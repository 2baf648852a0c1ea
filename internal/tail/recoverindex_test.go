// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"
)

// packetIndex returns an index file for packets of the given sizes in bytes.
func packetIndex(recordLen uint32, packets ...int) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, indexMagic)
	b = be.AppendUint32(b, indexMajor)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, recordLen)
	at := 0
	for _, n := range packets {
		b = be.AppendUint64(b, uint64(at))
		b = be.AppendUint64(b, uint64(n)*8)
		b = append(b, make([]byte, recordLen-16)...)
		at += n
	}
	return b
}

// The index is ahead of the data by every possible number of bytes, and itself
// cut at every byte of its last record.
func TestRecoverIndexAtEveryByte(t *testing.T) {
	packets := []int{40, 24, 64}
	ends := []int64{0, 40, 64, 128}
	for _, recordLen := range []int{56, 72, 80} {
		index := packetIndex(uint32(recordLen), packets...)
		for committed := range ends[3] + 1 {
			whole := 0
			for whole < 3 && ends[whole+1] <= committed {
				whole++
			}
			checkIndexRepair(t, index, len(index), committed, int64(indexHeaderLen+whole*recordLen))
		}
		for size := indexHeaderLen; size <= len(index); size++ {
			whole := (size - indexHeaderLen) / recordLen
			checkIndexRepair(t, index, size, 128, int64(indexHeaderLen+whole*recordLen))
		}
	}
}

// checkIndexRepair recovers a data file of 130 bytes beside the first size
// bytes of an index.
func checkIndexRepair(t *testing.T, index []byte, size int, committed, want int64) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "64-bit/ch"), zeros(130))
	writeFile(t, filepath.Join(dir, "64-bit/index/ch.idx"), index[:size])
	table, err := Create(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	follow(t, newSlot(t, table), table.Dir(dir), dir, "64-bit/ch", committed)
	m := decodeFile(t, table.Path())
	var rep Report
	if err := (&repairer{log: logger(t), report: &rep}).run(m); err != nil {
		t.Fatal(err)
	}
	wantSize(t, filepath.Join(dir, "64-bit/ch"), committed)
	wantSize(t, filepath.Join(dir, "64-bit/index/ch.idx"), want)
}

func TestRecoverLeavesDamagedIndex(t *testing.T) {
	good := packetIndex(72, 40, 40)
	for _, c := range []struct {
		name  string
		index []byte
	}{
		{"half a header", good[:8]},
		{"short header", good[:15]},
		{"magic", append([]byte{0}, good[1:]...)},
		{"major", append(append(bytes.Clone(good[:7]), 9), good[8:]...)},
		{"record length 0", append(append(bytes.Clone(good[:12]), 0, 0, 0, 0), good[16:]...)},
		{"record length 4 GiB", append(append(bytes.Clone(good[:12]), 255, 255, 255, 255), good[16:]...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkIndexRepair(t, c.index, len(c.index), 10, int64(len(c.index)))
		})
	}
}

func TestReadIndexEndOfManyRecords(t *testing.T) {
	packets := make([]int, 5000)
	for i := range packets {
		packets[i] = 8
	}
	index := packetIndex(72, packets...)
	copy(index[indexHeaderLen+4000*72:], make([]byte, 1000*72)) // as a power failure leaves it
	for _, c := range []struct {
		data, records, end int64
	}{{40000, 4000, 32000}, {8*1234 + 7, 1234, 8 * 1234}, {8, 1, 8}, {7, 0, 0}, {0, 0, 0}} {
		got, err := readIndexEnd(bytes.NewReader(index), int64(len(index)), c.data, "x")
		want := indexEnd{size: int64(len(index)), keep: indexHeaderLen + 72*c.records, data: c.end}
		if err != nil || got != want {
			t.Errorf("readIndexEnd(data of %d bytes) = %+v, %v, want %+v", c.data, got, err, want)
		}
	}
}

func TestPacketEndOverflow(t *testing.T) {
	for _, c := range []struct{ off, bits uint64 }{
		{^uint64(0), 8}, {8, ^uint64(7)}, {^uint64(0), ^uint64(7)}, {0, 9}, {0, 0}, {100, 8},
	} {
		b := binary.BigEndian.AppendUint64(nil, c.off)
		b = binary.BigEndian.AppendUint64(b, c.bits)
		if end, ok := packetEnd(b, 100); ok {
			t.Errorf("packetEnd(%d, %d) = %d, want none within 100 bytes", c.off, c.bits, end)
		}
	}
}
