// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
)

// TestCutTorn cuts data files and indexes at each length that a kill may leave, and
// touches nothing that is no file.
func TestCutTorn(t *testing.T) {
	const packet = 50
	index := ctf.AppendIndexHeader(nil, 1)
	for i := range uint64(3) {
		e := ctf.IndexEntry{Offset: packet * i, PacketSize: 8 * packet, PacketSeqNum: i}
		index = e.Append(index, ctf.IndexRecordLenMinor)
	}
	root := t.TempDir()
	dir := filepath.Join(root, "7", "64-bit") // as of a user's trace
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, indexDir), 0o755))
	data, idx := filepath.Join(dir, "c_0"), filepath.Join(dir, indexDir, "c_0"+indexSuffix)
	for length := range len(index) + 1 {
		whole := max(length-ctf.IndexHeaderLen, 0) / ctf.IndexRecordLenMinor
		for _, more := range []int{0, 1, packet, packet + 1} { // data behind the last packet
			must(os.WriteFile(idx, index[:length], 0o600))
			must(os.WriteFile(data, make([]byte, packet*whole+more), 0o600))
			cut, err := cutTorn(root)
			info, serr := os.Stat(data)
			must(serr)
			left, serr := os.Stat(idx)
			must(serr)
			want := int64(ctf.IndexHeaderLen + whole*ctf.IndexRecordLenMinor)
			if length < ctf.IndexHeaderLen {
				want = 0
			}
			if err != nil || cut != int64(more) || info.Size() != int64(packet*whole) || left.Size() != want {
				t.Fatalf("index of %d bytes, %d more of data: cut %d, %v; %d bytes of data and %d of the index are left, want %d and %d",
					length, more, cut, err, info.Size(), left.Size(), packet*whole, want)
			}
		}
	}
	outside := filepath.Join(t.TempDir(), "outside")
	must(os.WriteFile(outside, make([]byte, 1000), 0o600))
	for name, make := range map[string]func() error{
		"a link": func() error { return os.Symlink(outside, data) },
		"a pipe": func() error { return unix.Mkfifo(data, 0o600) },
	} {
		must(os.WriteFile(idx, index, 0o600))
		must(os.Remove(data))
		must(make())
		if cut, err := cutTorn(dir); cut != 0 || err == nil {
			t.Errorf("%s: cut %d, %v; want an error", name, cut, err)
		}
	}
	if info, err := os.Stat(outside); err != nil || info.Size() != 1000 {
		t.Errorf("a file outside: %v, %v", info, err)
	}
	broken := append([]byte(nil), index...)
	for i := ctf.IndexHeaderLen; i < len(broken); i++ {
		broken[i] = 0xff
	}
	must(os.WriteFile(idx, broken, 0o600))
	must(os.Remove(data))
	must(os.WriteFile(data, make([]byte, 10), 0o600))
	if cut, err := cutTorn(dir); cut != 0 || err == nil {
		t.Errorf("an index of nonsense: cut %d, %v; want an error", cut, err)
	}
}
