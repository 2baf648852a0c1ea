// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/weir-io/weir/xmlsysd"
)

var frames = []struct {
	name, in string
	body     string
	reason   error
	encoding xmlsysd.Encoding
}{
	{"plain", "Content-Length: 2\n\nab", "ab", nil, xmlsysd.Plain},
	{"other ends of lines", "content-length:2\r\n\r\nab", "ab", nil, xmlsysd.Plain},
	{"other fields", "X: y\nCONTENT-LENGTH: \t2 \nZ:\n\nab", "ab", nil, xmlsysd.Plain},
	{"more follows", "Content-Length: 2\n\nabC", "ab", nil, xmlsysd.Plain},
	{"not compressed", "Content-Length: 2\nContent-Encoding: identity\n\nab", "ab", nil, xmlsysd.Plain},
	{"nothing", "Content-Length: 0\n\n", "", nil, xmlsysd.Plain},
	{"no length", "X: y\n\nab", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"empty header", "\nab", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"document", "<?xml", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"no field", "hello\n\n", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"two lengths", "Content-Length: 2\nContent-Length: 2\n\nab", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"length of nothing", "Content-Length:\n\n", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"negative", "Content-Length: -1\n\n", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"above the limit", "Content-Length: 101\n\n", "", xmlsysd.ErrTooLong, xmlsysd.Plain},
	{"overflow", "Content-Length: 18446744073709551617\n\n", "", xmlsysd.ErrTooLong, xmlsysd.Plain},
	{"compressed", "Content-Length: 2\nContent-Encoding: gzip\n\nab", "ab", nil, xmlsysd.Gzip},
	{"compressed otherwise", "content-encoding: ZSTD\r\nContent-Length: 2\n\nab", "ab", nil, xmlsysd.Zstd},
	{"an encoding that is none", "Content-Length: 2\nContent-Encoding: br\n\nab", "", xmlsysd.ErrSyntax, xmlsysd.Plain},
	{"header without end", strings.Repeat("y", xmlsysd.MaxHeader), "", xmlsysd.ErrTooLong, xmlsysd.Plain},
	{"many fields", strings.Repeat("X: yyyyy\n", xmlsysd.MaxHeader/8), "", xmlsysd.ErrTooLong, xmlsysd.Plain},
}

func TestSplit(t *testing.T) {
	for _, tt := range frames {
		body, enc, n, err := split([]byte(tt.in), 100)
		if string(body) != tt.body || enc != tt.encoding || !errors.Is(err, tt.reason) || err == nil && n == 0 {
			t.Errorf("%s: %q, length %d, %v, want %q, %v", tt.name, body, n, err, tt.body, tt.reason)
		}
		if tt.reason == nil {
			whole := strings.LastIndex(tt.in, "\n") + 1 + len(tt.body)
			for cut := range whole {
				if _, _, n, err := split([]byte(tt.in[:cut]), 100); n != 0 || err != nil {
					t.Errorf("%s, cut after %d bytes: length %d, %v", tt.name, cut, n, err)
				}
			}
		}
	}
}

// What split takes, the reader of streams takes as well, and the same.
func FuzzSplit(f *testing.F) {
	for _, tt := range frames {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		body, enc, n, err := split(in, 1000)
		if n > 0 {
			if body, err = xmlsysd.NewUnpacker(1000).Unpack(enc, body); err != nil {
				n = 0
			}
		}
		want, wantErr := xmlsysd.NewReader(bytes.NewReader(in), 1000).Next()
		switch {
		case n > 0 && (wantErr != nil || !bytes.Equal(body, want)):
			t.Errorf("%q: %q, the reader has %q, %v", in, body, want, wantErr)
		case err != nil && wantErr == nil:
			t.Errorf("%q: %v, the reader has %q", in, err, want)
		}
	})
}
