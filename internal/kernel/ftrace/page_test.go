// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// pageWriter writes pages as kernels of any kind do.
type pageWriter struct {
	layout Layout
	b      []byte
}

func layouts() map[string]Layout {
	l64, l32 := Layout64(), Layout{Long: 4, Commit: 8, Data: 12}
	b64, b32 := l64, l32
	b64.BigEndian, b32.BigEndian = true, true
	return map[string]Layout{"64le": l64, "64be": b64, "32le": l32, "32be": b32}
}

func newPageWriter(l Layout, time uint64) *pageWriter {
	w := &pageWriter{layout: l, b: make([]byte, l.Data)}
	w.order().PutUint64(w.b, time)
	return w
}

func (w *pageWriter) order() interface {
	binary.ByteOrder
	binary.AppendByteOrder
} {
	if w.layout.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (w *pageWriter) word(v uint32) { w.b = w.order().AppendUint32(w.b, v) }

func (w *pageWriter) header(typ, delta uint32) {
	if w.layout.BigEndian {
		w.word(typ<<27 | delta)
	} else {
		w.word(delta<<5 | typ)
	}
}

// record writes a record with the type that its length needs.
func (w *pageWriter) record(delta uint32, payload string) {
	padded := (len(payload) + 3) &^ 3
	if padded/4 >= 1 && padded/4 <= 28 {
		w.header(uint32(padded/4), delta)
	} else {
		w.header(typeLong, delta)
		w.word(uint32(len(payload) + 4))
	}
	w.b = append(append(w.b, payload...), make([]byte, padded-len(payload))...)
}

// page ends the page at a size.
func (w *pageWriter) page(size int, flags uint64, lost uint64) []byte {
	n := len(w.b) - w.layout.Data
	commit := uint64(int64(int32(uint32(flags) | uint32(n)))) // as the kernel extends it
	out := append(slices.Clone(w.b), make([]byte, size-len(w.b))...)
	if w.layout.Long == 8 {
		w.order().PutUint64(out[w.layout.Commit:], commit)
	} else {
		w.order().PutUint32(out[w.layout.Commit:], uint32(commit))
	}
	if flags&lostStored != 0 {
		if w.layout.Long == 8 {
			w.order().PutUint64(out[len(w.b):], lost)
		} else {
			w.order().PutUint32(out[len(w.b):], uint32(lost))
		}
	}
	return out
}

// sample writes all kinds of records.
func sample(l Layout, size int) []byte {
	w := newPageWriter(l, 1_000_000)
	w.record(0, "8bytes..")
	w.record(10, strings.Repeat("x", 112))
	w.record(1, strings.Repeat("y", 113)) // needs a word for its length
	w.header(typeExtend, 5)
	w.word(3)
	w.record(7, "after extend")
	w.header(typePadding, 1) // taken back, without a time
	w.word(12)
	w.b = append(w.b, "garbage."...)
	w.record(1, "after padding...")
	w.header(typePadding, 100) // taken back
	w.word(4)
	w.record(2, "four")
	w.header(typeStamp, 9)
	w.word(1 << 20)
	w.record(3, "after stamp.")
	w.header(typePadding, 0) // nothing more
	w.word(0xffffffff)
	return w.page(size, lostEvents|lostStored, 42)
}

func TestEveryKindOfRecord(t *testing.T) {
	for name, l := range layouts() {
		for _, size := range []int{4 << 10, 64 << 10, 512 << 10} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				p, err := l.Page(sample(l, size))
				check(t, err)
				if p.Time != 1_000_000 || !p.Lost || p.LostEvents != 42 {
					t.Errorf("page %d, %v, %d, want 1000000, true, 42", p.Time, p.Lost, p.LostEvents)
				}
				const extended = 3<<timeBits + 5
				const stamp = 1<<20<<timeBits + 9
				want := []string{
					"1000000 8bytes..",
					"1000010 " + strings.Repeat("x", 112),
					"1000011 " + strings.Repeat("y", 113),
					fmt.Sprint(1000011+extended+7, " after extend"),
					fmt.Sprint(1000011+extended+8, " after padding..."),
					fmt.Sprint(1000011+extended+110, " four"),
					fmt.Sprint(stamp+3, " after stamp."),
				}
				var got []string
				c := p.Records()
				for c.Next() {
					got = append(got, fmt.Sprint(c.Time, " ", string(c.Payload())))
				}
				if !slices.Equal(got, want) || c.Err() != nil {
					t.Errorf("records %q, %v, want %q", got, c.Err(), want)
				}
				if got := walked(&p, 3); !slices.Equal(got, want) {
					t.Errorf("records by jumps %q, want %q", got, want)
				}
			})
		}
	}
}

// walked reads records by walking over up to run plain ones in a row.
func walked(p *Page, run int) []string {
	var got []string
	c := p.Records()
	for {
		next, time := c.At()
		for range run {
			if p.bigEndian || next+4 > len(p.Data) {
				break
			}
			h := Header(binary.LittleEndian.Uint32(p.Data[next:]))
			end := next + 4 + int(h.Size())
			if !h.Plain() || end > len(p.Data) {
				break
			}
			time += h.Delta()
			got = append(got, fmt.Sprint(time, " ", string(p.Data[next+4:end])))
			next = end
		}
		c.Jump(next, time)
		if !c.Next() {
			return got
		}
		got = append(got, fmt.Sprint(c.Time, " ", string(c.Payload())))
	}
}

// An absolute time keeps the bits that it does not have.
func TestStampKeepsTheHighBits(t *testing.T) {
	w := newPageWriter(Layout64(), 5<<59|77)
	w.header(typeStamp, 1)
	w.word(2)
	w.record(0, "x")
	p, err := w.layout.Page(w.page(4096, 0, 0))
	check(t, err)
	c := p.Records()
	if want := uint64(5<<59 | 2<<timeBits | 1); !c.Next() || c.Time != want {
		t.Errorf("time %#x, want %#x", c.Time, want)
	}
}

func TestLostEvents(t *testing.T) {
	for name, l := range layouts() {
		full := newPageWriter(l, 0)
		for len(full.b)+64 <= 4096-4 {
			full.record(0, strings.Repeat("z", 60))
		}
		for _, tt := range []struct {
			name  string
			page  []byte
			lost  bool
			count uint64
		}{
			{"none", newPageWriter(l, 0).page(4096, 0, 0), false, 0},
			{"uncounted", newPageWriter(l, 0).page(4096, lostEvents, 0), true, 0},
			{"counted", newPageWriter(l, 0).page(4096, lostEvents|lostStored, 77), true, 77},
			{"no room", full.page(4096, lostEvents, 0), true, 0},
		} {
			p, err := l.Page(tt.page)
			check(t, err)
			if p.Lost != tt.lost || p.LostEvents != tt.count {
				t.Errorf("%s %s: %v %d, want %v %d", name, tt.name, p.Lost, p.LostEvents, tt.lost, tt.count)
			}
		}
	}
}

func TestBadPages(t *testing.T) {
	l := Layout64()
	write := func(f func(w *pageWriter)) []byte {
		w := newPageWriter(l, 0)
		f(w)
		return w.page(len(w.b), 0, 0)
	}
	for _, tt := range []struct {
		name string
		page []byte
		want string
	}{
		{"no header", make([]byte, 15), "ring page: header at offset 0 takes 16 bytes, there are 15"},
		{"commit", newPageWriter(l, 0).page(4096, 4081, 0), "ring page: commit at offset 8 takes 4081 bytes, there are 4080"},
		{"short payload", write(func(w *pageWriter) { w.header(28, 0); w.word(0) }), "ring page: record at offset 16 takes 116 bytes, there are 8"},
		{"no length", write(func(w *pageWriter) { w.header(typeLong, 0) }), "ring page: record at offset 16 takes 8 bytes, there are 4"},
		{"length 3", write(func(w *pageWriter) { w.header(typeLong, 0); w.word(3) }), "ring page: record at offset 16 takes 7 bytes, there are 8"},
		{"length huge", write(func(w *pageWriter) { w.header(typeLong, 0); w.word(1<<32 - 1) }), "ring page: record at offset 16 takes 4294967299 bytes, there are 8"},
		{"padding endless", write(func(w *pageWriter) { w.header(typePadding, 9); w.word(0) }), "ring page: record at offset 16 takes 4 bytes, there are 8"},
		{"second", write(func(w *pageWriter) { w.record(0, "abcd"); w.header(2, 0) }), "ring page: record at offset 24 takes 12 bytes, there are 4"},
	} {
		p, err := l.Page(tt.page)
		if err == nil {
			c := p.Records()
			for c.Next() {
			}
			err = c.Err()
			if c.Next() {
				t.Errorf("%s: Next() = true behind an error", tt.name)
			}
		}
		var page *PageError
		if !errors.As(err, &page) || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// However a page is cut, what is read is its begin.
func TestPagesCutAtEveryByte(t *testing.T) {
	for name, l := range layouts() {
		whole := sample(l, 4096)
		p, err := l.Page(whole)
		check(t, err)
		all := walked(&p, 64)
		for n := range l.Data + len(p.Data) {
			if _, err := l.Page(whole[:n:n]); err == nil {
				t.Fatalf("%s: Page of %d bytes has no error", name, n)
			}
		}
		for n := range len(p.Data) {
			// The data alone are cut: the page claims no more than it has.
			cut := Page{Time: p.Time, Data: p.Data[:n:n], bigEndian: p.bigEndian, at: p.at}
			if got := walked(&cut, 64); len(got) > len(all) || !slices.Equal(got, all[:len(got)]) {
				t.Fatalf("%s: %d bytes of data give %q", name, n, got)
			}
		}
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	l := Layout64()
	b := sample(l, 4096)
	if n := testing.AllocsPerRun(10, func() {
		p, _ := l.Page(b)
		for c := p.Records(); c.Next(); {
		}
	}); n != 0 {
		t.Errorf("a walk allocates %v times", n)
	}
}

func FuzzPage(f *testing.F) {
	for _, b := range files(f, "pages") {
		f.Add(b, true, false)
	}
	for _, l := range layouts() {
		f.Add(sample(l, 512), l.Long == 8, l.BigEndian)
	}
	f.Fuzz(func(t *testing.T, b []byte, long, big bool) {
		l := Layout64()
		if !long {
			l = Layout{Long: 4, Commit: 8, Data: 12}
		}
		l.BigEndian = big
		b = bytes.Clone(b)
		p, err := l.Page(b[:len(b):len(b)])
		if err != nil {
			return
		}
		var got []string
		c := p.Records()
		for c.Next() {
			got = append(got, fmt.Sprint(c.Time, " ", string(c.Payload())))
		}
		if jumps := walked(&p, 5); !slices.Equal(got, jumps) {
			t.Errorf("records %q, by jumps %q", got, jumps)
		}
	})
}
