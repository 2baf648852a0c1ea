// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"os"
	"strings"
	"testing"
)

func TestHeaderPage(t *testing.T) {
	text, err := os.ReadFile("testdata/header_page")
	check(t, err)
	l, err := ParseHeaderPage(text)
	check(t, err)
	if want := (Layout{Long: 8, Commit: 8, Data: 16, Size: 4096}); l != want {
		t.Errorf("ParseHeaderPage() = %+v, want %+v", l, want)
	}
	narrow := strings.NewReplacer("local_t commit;\toffset:8;\tsize:8", "local_t commit;\toffset:8;\tsize:4",
		"offset:16;\tsize:4080", "offset:12;\tsize:65524").Replace(string(text))
	l, err = ParseHeaderPage([]byte(narrow))
	check(t, err)
	if want := (Layout{Long: 4, Commit: 8, Data: 12, Size: 65536}); l != want {
		t.Errorf("ParseHeaderPage() = %+v, want %+v", l, want)
	}
	for _, tt := range []struct{ old, now, want string }{
		{"\tfield: u64", "field: u64", "a field"},
		{"timestamp", "time", "a time stamp and a commit of 4 or 8 bytes"},
		{"timestamp;\toffset:0", "timestamp;\toffset:1", "8 bytes at offset 0"},
		{"commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:2", "a time stamp and a commit of 4 or 8 bytes"},
		{"offset:16", "offset:15", "data behind commit behind time stamp"},
		{"size:4080", "size:8", "a page of 64 bytes to 64 MiB"},
	} {
		_, err := ParseHeaderPage([]byte(strings.Replace(string(text), tt.old, tt.now, 1)))
		if err == nil || !strings.HasSuffix(err.Error(), "want "+tt.want) {
			t.Errorf("%q for %q: %v, want %s", tt.now, tt.old, err, tt.want)
		}
	}
	for n := range len(text) - 1 {
		if _, err := ParseHeaderPage(text[:n]); err == nil {
			t.Errorf("no error for %d bytes", n)
		}
	}
}

func TestStats(t *testing.T) {
	const text = "entries: 12\noverrun: 3\ncommit overrun: 4\nbytes: 500\noldest event ts:     0.000000\nnow ts: 14258.746362\ndropped events: 6\nread events: 7\n"
	got, err := ParseStats([]byte(text))
	check(t, err)
	if want := (Stats{12, 3, 4, 500, 6, 7}); got != want {
		t.Errorf("ParseStats() = %+v, want %+v", got, want)
	}
	real, err := os.ReadFile("testdata/stats")
	check(t, err)
	_, err = ParseStats(real)
	check(t, err)
	for _, bad := range []string{strings.Replace(text, "bytes: 500", "bytes: many", 1), strings.Replace(text, "overrun: 3\n", "", 1), ""} {
		if _, err := ParseStats([]byte(bad)); err == nil {
			t.Errorf("ParseStats(%q) has no error", bad)
		}
	}
}

func FuzzHeaderPage(f *testing.F) {
	for _, name := range []string{"header_page", "stats"} {
		text, err := os.ReadFile("testdata/" + name)
		check(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if l, err := ParseHeaderPage(text); err == nil {
			if _, err := l.Page(make([]byte, l.Size)); err != nil {
				t.Errorf("layout %+v: %v", l, err)
			}
		}
		_, _ = ParseStats(text)
	})
}
