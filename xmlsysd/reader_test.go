// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// messages returns one message in each encoding, and their body.
func messages(t testing.TB) (all map[Encoding][]byte, body []byte) {
	t.Helper()
	_, body = sample(t)
	m := NewModel()
	s := NewSelection(m)
	s.Init()
	e := NewEncoder(s)
	all = make(map[Encoding][]byte)
	for enc := range Zstd + 1 {
		e.Encoding = enc
		all[enc] = bytes.Clone(encode(e, tapesOf(t, m, body)))
	}
	return all, body
}

func TestReader(t *testing.T) {
	all, body := messages(t)
	var stream []byte
	for range 2 {
		for enc := range Zstd + 1 {
			stream = append(stream, all[enc]...)
		}
	}
	for name, in := range map[string]io.Reader{"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream))} {
		r := NewReader(in, 0)
		for n := range 6 {
			got, err := r.Next()
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%s: message %d: %.50q, %v", name, n, got, err)
			}
			if _, onWire, _ := bytes.Cut(all[Encoding(n%3)], []byte("\n\n")); r.WireBytes() != len(onWire) {
				t.Errorf("%s: message %d had %d bytes, want %d", name, n, r.WireBytes(), len(onWire))
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: end: %v", name, err)
		}
	}
}

func TestReaderHeaders(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string
		reason   error
	}{
		{"plain", "Content-Length: 2\n\nab", "ab", nil},
		{"other ends of lines", "content-length:2\r\n\r\nab", "ab", nil},
		{"other fields", "X: y\nCONTENT-LENGTH: \t2 \nZ:\n\nab", "ab", nil},
		{"no compression", "Content-Length: 2\nContent-Encoding: identity\n\nab", "ab", nil},
		{"nothing", "Content-Length: 0\n\n", "", nil},
		{"no length", "X: y\n\nab", "", ErrSyntax},
		{"empty header", "\nab", "", ErrSyntax},
		{"no field", "<?xml\n\n", "", ErrSyntax},
		{"two lengths", "Content-Length: 2\nContent-Length: 2\n\nab", "", ErrSyntax},
		{"length of nothing", "Content-Length:\n\n", "", ErrSyntax},
		{"negative", "Content-Length: -1\n\n", "", ErrSyntax},
		{"signed", "Content-Length: +1\n\na", "", ErrSyntax},
		{"hexadecimal", "Content-Length: 0x1\n\na", "", ErrSyntax},
		{"above the limit", "Content-Length: 101\n\n", "", ErrTooLong},
		{"overflow", "Content-Length: 18446744073709551617\n\n", "", ErrTooLong},
		{"unknown encoding", "Content-Length: 2\nContent-Encoding: br\n\nab", "", ErrSyntax},
		{"no gzip", "Content-Length: 2\nContent-Encoding: gzip\n\nab", "", ErrSyntax},
		{"no zstd", "Content-Length: 2\nContent-Encoding: zstd\n\nab", "", ErrSyntax},
		{"header without end", "X: " + strings.Repeat("y", MaxHeader), "", ErrTooLong},
		{"many fields", strings.Repeat("X: yyyyy\n", MaxHeader/8) + "\n", "", ErrTooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := NewReader(strings.NewReader(tt.in), 100).Next()
			if string(got) != tt.want || !errors.Is(err, tt.reason) {
				t.Errorf("%q, %v, want %q, %v", got, err, tt.want, tt.reason)
			}
			if _, ok := errors.AsType[*ProtocolError](err); err != nil && !ok {
				t.Errorf("error %T", err)
			}
		})
	}
}

// A stream that is cut anywhere within a message is told from one that ends.
func TestReaderCut(t *testing.T) {
	all, _ := messages(t)
	for enc, message := range all {
		for n := 1; n < len(message); n++ {
			_, err := NewReader(bytes.NewReader(message[:n]), 0).Next()
			if !errors.Is(err, ErrTruncated) {
				t.Fatalf("%v cut after %d bytes: %v", enc, n, err)
			}
		}
	}
	// A compressed body that is cut though its length is right.
	for _, enc := range []Encoding{Gzip, Zstd} {
		_, body, _ := bytes.Cut(all[enc], []byte("\n\n"))
		for n := range len(body) {
			in := fmt.Sprintf("Content-Length: %d\nContent-Encoding: %v\n\n%s", n, enc, body[:n])
			if got, err := NewReader(strings.NewReader(in), 0).Next(); !errors.Is(err, ErrSyntax) && len(got) > 0 {
				t.Fatalf("%v body cut after %d bytes: %d bytes, %v", enc, n, len(got), err)
			}
		}
	}
}

// A small body that becomes a large one is refused before it is that large.
func TestReaderBomb(t *testing.T) {
	for _, enc := range []Encoding{Gzip, Zstd} {
		var p packer
		packed := p.pack(enc, make([]byte, 1<<20))[headerRoom:]
		in := fmt.Sprintf("Content-Length: %d\nContent-Encoding: %v\n\n%s", len(packed), enc, packed)
		if len(in) > 10000 {
			t.Fatalf("%v: %d bytes are no bomb", enc, len(in))
		}
		if _, err := NewReader(strings.NewReader(in), 1<<20-1).Next(); !errors.Is(err, ErrTooLong) {
			t.Errorf("%v: 1 MiB within a limit below: %v", enc, err)
		}
		if got, err := NewReader(strings.NewReader(in), 1<<20).Next(); err != nil || len(got) != 1<<20 {
			t.Errorf("%v: %d bytes, %v, want 1 MiB", enc, len(got), err)
		}
	}
}

// The length alone takes no memory.
func TestReaderLength(t *testing.T) {
	in := []byte(fmt.Sprintf("Content-Length: %d\n\nab", MaxMessage))
	r := NewReader(bytes.NewReader(in), 0)
	if _, err := r.Next(); !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	if cap(r.body) > 128<<10 {
		t.Errorf("%d bytes of memory for 2", cap(r.body))
	}
}

func TestReaderAllocations(t *testing.T) {
	all, _ := messages(t)
	in := new(bytes.Reader)
	r := NewReader(in, 0)
	for enc, message := range all {
		n := testing.AllocsPerRun(100, func() {
			in.Reset(message)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		})
		most := 0.0
		if enc != Plain {
			most = 4 // of the library, more when its pools are off
		}
		if n > most {
			t.Errorf("%v: %v allocations for a message, want %v", enc, n, most)
		}
	}
}

// Whatever comes, a message is within the limits, and what the reader takes
// comes out the same when it is framed anew.
func FuzzReader(f *testing.F) {
	all, _ := messages(f)
	for _, message := range all {
		f.Add(message)
	}
	f.Add([]byte("content-length:2\r\nX: y\r\n\r\nabContent-Length: 0\n\n"))
	f.Add([]byte("Content-Length: 99999999999\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1 << 16
		r := NewReader(bytes.NewReader(stream), limit)
		for range 100 {
			body, err := r.Next()
			if err != nil {
				if _, ok := errors.AsType[*ProtocolError](err); !ok && !errors.Is(err, io.EOF) {
					t.Fatalf("error %T: %v", err, err)
				}
				return
			}
			if len(body) > limit || r.WireBytes() > len(stream) {
				t.Fatalf("%d bytes of %d, limit %d", len(body), len(stream), limit)
			}
			again := append(make([]byte, headerRoom), body...)
			e := Encoder{buf: again}
			if same, err := NewReader(bytes.NewReader(e.frame()), limit).Next(); err != nil || !bytes.Equal(same, body) {
				t.Fatalf("framed anew: %v", err)
			}
		}
	})
}
