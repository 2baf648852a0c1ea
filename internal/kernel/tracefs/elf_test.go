// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracefs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseUserPlace(t *testing.T) {
	for s, want := range map[string]UserPlace{
		"elf:/bin/true:main":       {"/bin/true", "main"},
		"/bin/true:main":           {"/bin/true", "main"},
		`elf:/bin/a\:b:main`:       {"/bin/a:b", "main"},
		`/bin/a\\b:C\:\:f(int)`:    {`/bin/a\b`, "C::f(int)"},
		"elf:/bin/true":            {},
		"elf:elf:main":             {},
		"/bin/true":                {},
		"":                         {},
		"::":                       {},
		"elf:/bin/true:":           {},
		"elf::main":                {},
		"true:main":                {}, // in which directory?
		"elf:/bin/true:main:extra": {},
		"xyz:/bin/true:main":       {},
	} {
		got, err := ParseUserPlace(s)
		var nerr *NameError
		if got != want || (want == UserPlace{}) != errors.As(err, &nerr) {
			t.Errorf("ParseUserPlace(%q) = %+v, %v, want %+v", s, got, err, want)
		}
	}
	if _, err := ParseUserPlace("sdt:/bin/true:provider:name"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SystemTap probe: %v", err)
	}
}

func TestOffset(t *testing.T) {
	keepsDescriptors(t)
	pie := compile(t, "pie")
	fixed := compile(t, "fixed", "-no-pie")
	library := compile(t, "library.so", "-shared", "-fPIC", "-Dmain=entry", "-s") // what is left is dynamic
	stripped := compile(t, "stripped", "-s")
	for _, path := range []string{pie, fixed, library} {
		offset, err := UserPlace{path, "probed"}.Offset()
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := os.ReadFile(path)
		must(t, err)
		if offset == 0 || offset >= uint64(len(b)) {
			t.Errorf("%s: offset %#x of %d bytes", path, offset, len(b))
		}
	}
	junk := filepath.Join(t.TempDir(), "junk")
	must(t, os.WriteFile(junk, []byte("\x7fELF but no more"), 0o600))
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	for what, tt := range map[string]struct {
		place UserPlace
		want  error
		text  string
	}{
		"missing":   {UserPlace{pie, "nosuch"}, ErrNoSymbol, "no such function"},
		"stripped":  {UserPlace{stripped, "probed"}, ErrNoSymbol, "no such function"},
		"variable":  {UserPlace{pie, "exported"}, ErrNoSymbol, ""},
		"undefined": {UserPlace{pie, "atoi"}, ErrNoSymbol, ""},
		"no file":   {UserPlace{"/nosuch", "main"}, os.ErrNotExist, ""},
		"junk":      {UserPlace{junk, "main"}, nil, "function \"main\" in "},
		"directory": {UserPlace{"/", "main"}, nil, "not a regular file"},
		"pipe":      {UserPlace{fifo, "main"}, nil, "not a regular file"},
	} {
		_, err := tt.place.Offset()
		var serr *SymbolError
		if !errors.As(err, &serr) || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v %q", what, err, tt.want, tt.text)
		}
	}
}

// A file that is cut anywhere is an error or the right offset, never a panic.
func TestOffsetOfCutFile(t *testing.T) {
	path := compile(t, "program")
	place := UserPlace{path, "probed"}
	want, err := place.Offset()
	must(t, err)
	b, err := os.ReadFile(path)
	must(t, err)
	place.Path = filepath.Join(t.TempDir(), "cut")
	must(t, os.WriteFile(place.Path, b, 0o600))
	for n := len(b) - 1; n >= 0; n -= 97 {
		must(t, os.Truncate(place.Path, int64(n)))
		if got, err := place.Offset(); err == nil && got != want {
			t.Errorf("cut at %d: %#x, want %#x", n, got, want)
		}
	}
}
