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
}{
	{"plain", "Content-Length: 2\n\nab", "ab", nil},
	{"other ends of lines", "content-length:2\r\n\r\nab", "ab", nil},
	{"other fields", "X: y\nCONTENT-LENGTH: \t2 \nZ:\n\nab", "ab", nil},
	{"more follows", "Content-Length: 2\n\nabC", "ab", nil},
	{"not compressed", "Content-Length: 2\nContent-Encoding: identity\n\nab", "ab", nil},
	{"nothing", "Content-Length: 0\n\n", "", nil},
	{"no length", "X: y\n\nab", "", xmlsysd.ErrSyntax},
	{"empty header", "\nab", "", xmlsysd.ErrSyntax},
	{"document", "<?xml", "", xmlsysd.ErrSyntax},
	{"no field", "hello\n\n", "", xmlsysd.ErrSyntax},
	{"two lengths", "Content-Length: 2\nContent-Length: 2\n\nab", "", xmlsysd.ErrSyntax},
	{"length of nothing", "Content-Length:\n\n", "", xmlsysd.ErrSyntax},
	{"negative", "Content-Length: -1\n\n", "", xmlsysd.ErrSyntax},
	{"above the limit", "Content-Length: 101\n\n", "", xmlsysd.ErrTooLong},
	{"overflow", "Content-Length: 18446744073709551617\n\n", "", xmlsysd.ErrTooLong},
	{"compressed", "Content-Length: 2\nContent-Encoding: gzip\n\nab", "", xmlsysd.ErrSyntax},
	{"header without end", strings.Repeat("y", xmlsysd.MaxHeader), "", xmlsysd.ErrTooLong},
	{"many fields", strings.Repeat("X: yyyyy\n", xmlsysd.MaxHeader/8), "", xmlsysd.ErrTooLong},
}

func TestSplit(t *testing.T) {
	for _, tt := range frames {
		body, n, err := split([]byte(tt.in), 100)
		if string(body) != tt.body || !errors.Is(err, tt.reason) || err == nil && n == 0 {
			t.Errorf("%s: %q, length %d, %v, want %q, %v", tt.name, body, n, err, tt.body, tt.reason)
		}
		if tt.reason == nil {
			whole := strings.LastIndex(tt.in, "\n") + 1 + len(tt.body)
			for cut := range whole {
				if _, n, err := split([]byte(tt.in[:cut]), 100); n != 0 || err != nil {
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
		body, n, err := split(in, 1000)
		want, wantErr := xmlsysd.NewReader(bytes.NewReader(in), 1000).Next()
		switch {
		case n > 0 && (wantErr != nil || !bytes.Equal(body, want)):
			t.Errorf("%q: %q, the reader has %q, %v", in, body, want, wantErr)
		case err != nil && wantErr == nil && !bytes.Contains(bytes.ToLower(in), []byte("encoding")):
			t.Errorf("%q: %v, the reader has %q", in, err, want)
		}
	})
}
