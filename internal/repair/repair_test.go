// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package repair

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/peer"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventsOf is how many events each packet of a test's trace has.
const eventsOf = 5

// write writes a trace of a stream of some packets and returns its directory.
func write(t *testing.T, o ctf.TraceOptions, version schema.Version) string {
	t.Helper()
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1, 2, 3}})
	b.Trace().Version = version
	s, err := b.Stream(ctf.LargeHeader)
	check(t, err)
	ev, err := s.Event("app:ev", schema.NoLogLevel, ctf.Int("v", 32), ctf.Str("s"))
	check(t, err)
	dir := filepath.Join(t.TempDir(), "trace")
	o.Stream.PadBytes = 16
	w, err := ctf.CreateTrace(dir, b.Trace(), o)
	check(t, err)
	sw, err := w.Stream(s.Class(), "chan", 0)
	check(t, err)
	for packet := range 4 {
		for i := range eventsOf {
			e := sw.Event(ev, uint64(1000*packet+i))
			e.Int(int64(i))
			e.String("text")
			check(t, e.End())
		}
		check(t, sw.ClosePacket(uint64(1000*packet+999)))
	}
	check(t, w.Close())
	return dir
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	check(t, err)
	return b
}

func put(t *testing.T, b []byte, path ...string) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(path...), b, 0o600))
}

func tree(t *testing.T, dir string, keep bool) Result {
	t.Helper()
	r, err := Tree(t.Context(), dir, keep)
	check(t, err)
	return r
}

// ends returns where the packets end, as the index has it.
func ends(t *testing.T, index []byte) (all []int) {
	t.Helper()
	for b := index[ctf.IndexHeaderLen:]; len(b) > 0; b = b[ctf.IndexRecordLenMinor:] {
		e, err := ctf.ParseIndexEntry(b, ctf.IndexRecordLenMinor)
		check(t, err)
		all = append(all, int(e.Offset+e.PacketSize/8))
	}
	return all
}

// TestDataCutAtEveryByte has a host crash: of the data a part is on the disk, with
// zeros behind it or without, while the index is whole, or a part of it.
func TestDataCutAtEveryByte(t *testing.T) {
	dir := write(t, ctf.TraceOptions{}, schema.CTF1)
	data, index := read(t, dir, "chan_0"), read(t, dir, "index/chan_0.idx")
	at := ends(t, index)
	peer.Need(t, "babeltrace2")
	full := 0
	for cut := range len(data) + 1 {
		there := 0
		for there < len(at) && at[there] <= cut {
			there++
		}
		lost := append(bytes.Clone(data[:cut]), make([]byte, 100)...)
		filled := append(bytes.Clone(data[:cut]), make([]byte, len(data)-cut)...)
		for what, torn := range map[string][]byte{"": data[:cut], " with zeros": lost, " with zeros to the end": filled} {
			if len(torn) == 0 {
				continue // a file without a byte is none
			}
			whole := there
			put(t, torn, dir, "chan_0")
			put(t, index[:len(index)-cut%5*20], dir, "index/chan_0.idx")
			r := tree(t, dir, false)
			// Zeros that reach to a packet's end: all of it may be there, if that is what it
			// ends with.
			if whole < len(at) && at[whole] <= len(torn) && bytes.Equal(torn[:at[whole]], data[:at[whole]]) {
				whole++
				full++
			}
			if len(r.Left) > 0 || r.Events != uint64(whole*eventsOf) {
				t.Fatalf("cut at %d%s: %d events can be read, left %v; want those of %d packets", cut, what, r.Events, r.Left, whole)
			}
			if again := tree(t, dir, false); len(again.Changes)+len(again.Left) > 0 {
				t.Fatalf("cut at %d%s: a second time %+v", cut, what, again)
			}
			if cut%17 == 0 && whole > 0 {
				if got := strings.Count(babeltrace2(t, dir), "app:ev"); got != whole*eventsOf {
					t.Errorf("cut at %d%s: babeltrace2 finds %d events, want %d", cut, what, got, whole*eventsOf)
				}
			}
		}
	}
	if full == 0 {
		t.Error("no packet was ever filled up with its own zeros")
	}
}

func babeltrace2(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command(peer.Need(t, "babeltrace2"), dir).CombinedOutput()
	if err != nil {
		t.Errorf("babeltrace2: %v\n%s", err, out)
	}
	return string(out)
}

// TestMetadataCutAtEveryByte: what can be read then is, and what cannot is told.
func TestMetadataCutAtEveryByte(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version schema.Version
		packets bool
	}{{"text", schema.CTF1, false}, {"packets", schema.CTF1, true}, {"fragments", schema.CTF2, false}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, ctf.TraceOptions{Packetized: tt.packets}, tt.version)
			text := read(t, dir, "metadata")
			repaired := 0
			for cut := range len(text) + 1 {
				torn := append(bytes.Clone(text[:cut]), make([]byte, cut%3*20)...)
				put(t, torn, dir, "metadata")
				if cut%20 > 0 && cut < len(text)-20 { // the whole trace now and then
					c, err := tornMetadata(filepath.Join(dir, "metadata"))
					if c == nil {
						if _, _, perr := ctf.ParseMetadata(torn); (err == nil) != (perr == nil) {
							t.Fatalf("cut at %d: %v, readers say %v", cut, err, perr)
						}
						continue
					}
					check(t, c.Do())
				}
				r := tree(t, dir, false)
				left := read(t, dir, "metadata")
				switch _, _, err := ctf.ParseMetadata(left); {
				case !bytes.HasPrefix(torn, left):
					t.Fatalf("cut at %d: the metadata are others", cut)
				case err != nil && len(r.Left) == 0:
					t.Fatalf("cut at %d, %d of %d bytes are there, left %v, changes %v: %v", cut, len(left), len(torn), r.Left, r.Changes, err)
				case r.Events < 4*eventsOf && len(r.Left) == 0:
					t.Fatalf("cut at %d: %d events can be read, and nothing is left", cut, r.Events)
				case len(left) < len(torn):
					repaired++
				}
			}
			if repaired == 0 {
				t.Error("no metadata were ever cut")
			}
		})
	}
}

// TestLeftAlone has files that are not to be touched.
func TestLeftAlone(t *testing.T) {
	dir := write(t, ctf.TraceOptions{}, schema.CTF1)
	path, data := filepath.Join(dir, "chan_0"), read(t, dir, "chan_0")
	torn := data[:len(data)-7]
	same := func(what string, r Result, want error) {
		t.Helper()
		if !bytes.Equal(read(t, path), torn) || want != nil && (len(r.Left) != 1 || !errors.Is(r.Left[0].Err, want)) {
			t.Errorf("%s: %+v", what, r)
		}
	}
	put(t, torn, path)
	if r := tree(t, dir, true); len(r.Changes) != 2 || len(r.Left) != 0 || r.Changes[0].Cut == 0 {
		t.Errorf("what is to be done: %+v", r)
	} else {
		same("only looked at", r, nil)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	same("written by somebody", tree(t, dir, false), errInUse)
	check(t, f.Close())
	check(t, os.Rename(path, filepath.Join(filepath.Dir(dir), "elsewhere")))
	check(t, os.Symlink(filepath.Join(filepath.Dir(dir), "elsewhere"), path))
	if r := tree(t, dir, false); len(r.Left) == 0 {
		t.Errorf("a link is followed: %+v", r)
	}
	same("link", Result{}, nil)
	if _, err := Tree(t.Context(), filepath.Join(dir, "index"), false); !errors.Is(err, ctf.ErrNoTrace) {
		t.Errorf("no trace: %v", err)
	}
	if _, err := Tree(t.Context(), filepath.Join(dir, "none"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestDamagedInside tells of what is wrong in the middle of a packet.
func TestDamagedInside(t *testing.T) {
	dir := write(t, ctf.TraceOptions{}, schema.CTF1)
	whole, at := read(t, dir, "chan_0"), ends(t, read(t, dir, "index/chan_0.idx"))
	data := bytes.Clone(whole)
	for i := at[1] - 40; i < at[1]; i++ {
		data[i] = 0xff
	}
	put(t, data, dir, "chan_0")
	r := tree(t, dir, false)
	if len(r.Changes) != 0 || len(r.Left) != 1 || r.Events >= 2*eventsOf {
		t.Errorf("%+v, want the damage told", r)
	}
	if !bytes.Equal(read(t, dir, "chan_0"), data) {
		t.Error("the file is another")
	}
	// In the last packet, too, whose last byte is zero: an end of a string.
	data = bytes.Clone(whole)
	for i := at[2] + 90; i < at[2]+130; i++ {
		data[i] = 0xff
	}
	put(t, data, dir, "chan_0")
	if r := tree(t, dir, false); len(r.Changes) != 0 || len(r.Left) != 1 || !bytes.Equal(read(t, dir, "chan_0"), data) {
		t.Errorf("damage in the last packet: %+v, want it told", r)
	}
	// Nor is a packet broken whose events the metadata have lost.
	put(t, whole, dir, "chan_0")
	text := read(t, dir, "metadata")
	put(t, text[:bytes.LastIndex(text, []byte("event {"))], dir, "metadata")
	if r := tree(t, dir, false); len(r.Changes) != 0 || len(r.Left) != 1 || !bytes.Equal(read(t, dir, "chan_0"), whole) {
		t.Errorf("events that the metadata have lost: %+v, want that told", r)
	}
	put(t, nil, dir, "metadata")
	if r := tree(t, dir, false); len(r.Left) != 1 || !strings.Contains(fmt.Sprint(r.Left[0].Err), "empty") {
		t.Errorf("empty metadata: %+v", r)
	}
}
