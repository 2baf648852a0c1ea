// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctftest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Archive is a trace as text, with what a test wants of it.
type Archive struct {
	Path string
	txt  *txtar.Archive
}

// Read reads the text of a trace.
func Read(t testing.TB, path string) *Archive {
	t.Helper()
	txt, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &Archive{path, txt}
}

// Section returns the text of a section that is no part of the trace, such as
// "expect".
func (a *Archive) Section(name string) (string, bool) {
	for _, f := range a.txt.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// SetSection replaces a section, or adds it, in the file too.
func (a *Archive) SetSection(name, text string) error {
	for i := range a.txt.Files {
		if a.txt.Files[i].Name == name {
			a.txt.Files[i].Data = []byte(text)
			return os.WriteFile(a.Path, txtar.Format(a.txt), 0o666)
		}
	}
	a.txt.Files = append(a.txt.Files, txtar.File{Name: name, Data: []byte(text)})
	return os.WriteFile(a.Path, txtar.Format(a.txt), 0o666)
}

// Write makes the trace in a directory.
func (a *Archive) Write(t testing.TB, dir string) {
	t.Helper()
	for _, f := range a.txt.Files {
		kind, name, ok := strings.Cut(f.Name, " ")
		if !ok {
			continue // what a test wants
		}
		data := f.Data
		var err error
		switch kind {
		case "stream":
			data, err = Stream(string(f.Data))
		case "index":
			data, err = index(string(f.Data))
			name = filepath.Join(filepath.Dir(name), "index", filepath.Base(name)+".idx")
		case "file":
		default:
			err = fmt.Errorf("unknown kind of section")
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", a.Path, f.Name, err)
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// index makes an index file of version 1.1 from lines of nine numbers.
func index(text string) ([]byte, error) {
	be := binary.BigEndian
	b := be.AppendUint32(nil, 0xC1F1DCC1)
	b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, 1), 1), 72)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) != 0 && len(fields) != 9 {
			return nil, fmt.Errorf("%q: want offset, size, content, begin, end, discarded, class, instance, number", line)
		}
		for _, field := range fields {
			v, err := strconv.ParseUint(field, 0, 64)
			if err != nil {
				return nil, err
			}
			b = be.AppendUint64(b, v)
		}
	}
	return b, nil
}
