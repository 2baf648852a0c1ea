// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
)

// TestIndexFiles writes the index files of recorded sessions and compares their
// hashes with those of the files lttng-relayd 2.13.9 left.
func TestIndexFiles(t *testing.T) {
	tests := []struct {
		name    string
		minor   uint32
		entries []IndexEntry
		sha     string
	}{
		{"1.1, two packets", 1, []IndexEntry{
			{0, 32768, 32768, 1774467702345, 1774553402953, 0, 0, 0, 0},
			{4096, 32768, 13440, 1774554011789, 1774790906335, 0, 0, 0, 1},
		}, "595f54168fe9ebbbe1c53e4fd352ad83531c0ad516fa475ed9ec72000a1d4e95"},
		{"1.1, CPU 1", 1, []IndexEntry{
			{0, 32768, 672, 1774467721599, 1774791095482, 0, 0, 1, 0},
		}, "1206da3180603466fba085c2da7e2fc3518719747f833b5dea9632b6ff5e98c9"},
		{"1.0, one packet", 0, []IndexEntry{
			{0, 32768, 672, 1808317029470, 1808697813767, 0, 0, 0, 0},
		}, "cb05f7d88d1fcf09dcb6d837a698277e7e3328d2b25caf9326a181622e325352"},
		{"1.0, two packets", 0, []IndexEntry{
			{0, 32768, 32768, 1808317122294, 1808435549189, 0, 0, 0, 0},
			{4096, 32768, 13440, 1808436356433, 1808698910177, 0, 0, 0, 0},
		}, "5f7b7f86aa97977022ea5b3c416cc2f708863b6cac507f5b2e530a11a12c42df"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := AppendIndexHeader(nil, tt.minor)
			for _, e := range tt.entries {
				b = e.Append(b, IndexRecordLenOf(tt.minor))
			}
			if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != tt.sha {
				t.Errorf("file of %d bytes has hash %s, want %s", len(b), got, tt.sha)
			}
			checkIndexFile(t, b, tt.minor, tt.entries)
		})
	}
}

func checkIndexFile(t *testing.T, b []byte, minor uint32, want []IndexEntry) {
	t.Helper()
	h, err := ParseIndexHeader(b)
	if err != nil || h != (IndexHeader{IndexMajor, minor, IndexRecordLenOf(minor)}) {
		t.Fatalf("header %+v, error %v", h, err)
	}
	b = b[IndexHeaderLen:]
	for i, e := range want {
		got, err := ParseIndexEntry(b, h.RecordLen)
		if err != nil || got != e {
			t.Errorf("entry %d: %+v, error %v, want %+v", i, got, err, e)
		}
		b = b[h.RecordLen:]
	}
	if len(b) != 0 {
		t.Errorf("%d bytes left", len(b))
	}
}

// TestIndexTruncation cuts header and record at every byte.
func TestIndexTruncation(t *testing.T) {
	header := AppendIndexHeader(nil, 1)
	for n := range header {
		if _, err := ParseIndexHeader(header[:n:n]); !isIndexError(err, "header length", uint64(n)) {
			t.Errorf("header of %d bytes: error %v", n, err)
		}
	}
	for _, size := range []uint32{56, 60, 72, 80} {
		b := IndexEntry{InstanceID: 1}.Append(nil, size)
		if len(b) != int(size) {
			t.Fatalf("record of %d bytes, want %d", len(b), size)
		}
		for n := range b {
			if _, err := ParseIndexEntry(b[:n:n], size); !isIndexError(err, "record", uint64(n)) {
				t.Errorf("%d of %d bytes: error %v", n, size, err)
			}
		}
	}
}

func isIndexError(err error, field string, got uint64) bool {
	e, ok := errors.AsType[*IndexError](err)
	return ok && e.Field == field && e.Got == got
}

func TestIndexHeaderErrors(t *testing.T) {
	tests := []struct {
		name   string
		offset int
		value  byte
		want   string
	}{
		{"magic", 3, 0xc2, "ctf: packet index: magic at offset 0: got 0xc1f1dcc2, want 0xc1f1dcc1"},
		{"major", 7, 2, "ctf: packet index: major at offset 4: got 0x2, want 0x1"},
		{"record too short for its minor", 15, 71, "ctf: packet index: record length at offset 12: got 0x47, want 0x48"},
		{"record too long", 13, 1, "ctf: packet index: record length at offset 12: got 0x10048, want 0x1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := AppendIndexHeader(nil, 1)
			b[tt.offset] = tt.value
			if _, err := ParseIndexHeader(b); fmt.Sprint(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := ParseIndexEntry(make([]byte, 80), 55); !isIndexError(err, "record length", 55) {
		t.Errorf("record of 55 bytes: error %v", err)
	}
}

// TestIndexLongRecord reads records of a minor yet to come.
func TestIndexLongRecord(t *testing.T) {
	b := AppendIndexHeader(nil, 2)
	b[15] = 80
	h, err := ParseIndexHeader(b)
	if err != nil || h != (IndexHeader{1, 2, 80}) {
		t.Fatalf("header %+v, error %v", h, err)
	}
	want := IndexEntry{1, 2, 3, 4, 5, 6, 7, 8, 9}
	got, err := ParseIndexEntry(want.Append(nil, 80), 80)
	if err != nil || got != want {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestIndexAllocations(t *testing.T) {
	e := IndexEntry{Offset: 1}
	buf := make([]byte, 0, IndexRecordLenMinor)
	if n := testing.AllocsPerRun(100, func() { buf = e.Append(buf[:0], IndexRecordLenMinor) }); n != 0 {
		t.Errorf("Append: %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { e, _ = ParseIndexEntry(buf, IndexRecordLenMinor) }); n != 0 {
		t.Errorf("ParseIndexEntry: %v allocations, want 0", n)
	}
	if e.Offset != 1 {
		t.Errorf("offset %d, want 1", e.Offset)
	}
}

// FuzzIndex reads a whole file and writes it again.
func FuzzIndex(f *testing.F) {
	f.Add(IndexEntry{1, 2, 3, 4, 5, 6, 7, 8, 9}.Append(AppendIndexHeader(nil, 1), IndexRecordLenMinor))
	f.Add(IndexEntry{1, 2, 3, 4, 5, 6, 7, 0, 0}.Append(AppendIndexHeader(nil, 0), IndexRecordLen))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseIndexHeader(b)
		if err != nil {
			return
		}
		standard := h.RecordLen == IndexRecordLenOf(h.Minor)
		if again := AppendIndexHeader(nil, h.Minor); standard && !bytes.Equal(again, b[:IndexHeaderLen]) {
			t.Fatalf("header written as %x, want %x", again, b[:IndexHeaderLen])
		}
		for b = b[IndexHeaderLen:]; ; b = b[h.RecordLen:] {
			e, err := ParseIndexEntry(b, h.RecordLen)
			if err != nil {
				return
			}
			again := e.Append(nil, h.RecordLen)
			if standard && !bytes.Equal(again, b[:h.RecordLen]) {
				t.Fatalf("record written as %x, want %x", again, b[:h.RecordLen])
			}
			if got, err := ParseIndexEntry(again, h.RecordLen); err != nil || got != e {
				t.Fatalf("record read as %+v, error %v, want %+v", got, err, e)
			}
		}
	})
}
