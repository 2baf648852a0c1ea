// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-io/weir/internal/flow/record"
)

// textLine is a sample as a line of text.
func textLine(n string) string {
	return "2026.11.29 05:06:07.891 DEBUG [cookie:1] rule position=" + n +
		" flow_id=01000000-0000-0000-0000-000000000000 host_id=02000000-0000-0000-0000-000000000000\n"
}

func openFile(t *testing.T, opts FileOptions) *File {
	t.Helper()
	f, err := OpenFile(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func send(t *testing.T, f *File, batch []record.Record) {
	t.Helper()
	if refused, left, err := f.Send(t.Context(), batch); refused > 0 || len(left) > 0 || err != nil {
		t.Fatalf("%d refused, %d left, %v", refused, len(left), err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flow-trace.log")
	f := openFile(t, FileOptions{Path: path, MaxSize: 1 << 20})
	send(t, f, samples(0, 2))
	if got, want := content(t, path), textLine("0")+textLine("1"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want a file for its owner alone", info, err)
	}
	json2 := filepath.Join(t.TempDir(), "flows.json")
	g := openFile(t, FileOptions{Path: json2, JSON: true, MaxSize: 1 << 20})
	bad := sample(1)
	bad.Event = json.RawMessage("no object")
	if refused, left, err := g.Send(t.Context(), []record.Record{sample(0), bad}); refused != 1 || len(left) > 0 || err != nil {
		t.Errorf("a record that is none: %d refused, %d left, %v", refused, len(left), err)
	}
	if got, want := content(t, json2), "{"+line(0)+"\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Files are as large as they may be, and as many; a line is never in two of them.
func TestFileRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	size := int64(len(textLine("0")))
	f := openFile(t, FileOptions{Path: path, MaxSize: 2*size + 1, Keep: 2})
	send(t, f, samples(0, 3))
	send(t, f, samples(3, 8))
	for name, want := range map[string]string{
		path: textLine("6") + textLine("7"), path + ".1": textLine("4") + textLine("5"), path + ".2": textLine("2") + textLine("3"),
	} {
		if got := content(t, name); got != want {
			t.Errorf("%s: got\n%swant\n%s", filepath.Base(name), got, want)
		}
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 3 {
		t.Errorf("%v, %v, want 3 files", files, err)
	}
	again := openFile(t, FileOptions{Path: path, MaxSize: 1, Keep: 0}) // each line is too large
	send(t, again, samples(8, 10))
	if got := content(t, path); got != textLine("9") {
		t.Errorf("without older ones: got\n%swant the last line", got)
	}
}

// Who moves the file away gets a new one.
func TestFileIsMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := openFile(t, FileOptions{Path: path, MaxSize: 1 << 20})
	send(t, f, samples(0, 1))
	if err := os.Rename(path, path+".mine"); err != nil {
		t.Fatal(err)
	}
	send(t, f, samples(1, 2))
	if got := content(t, path+".mine") + content(t, path); got != textLine("0")+textLine("1") {
		t.Errorf("got\n%swant both lines", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	send(t, f, samples(2, 3))
	if got := content(t, path); got != textLine("2") {
		t.Errorf("after it was deleted: got\n%s", got)
	}
}

// What cannot be written is left, and no part of it stays in the file.
func TestFileFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	f := openFile(t, FileOptions{Path: path, MaxSize: 1 << 20})
	send(t, f, samples(0, 1))
	good := f.file
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.file = readOnly
	if _, left, err := f.Send(t.Context(), samples(1, 3)); len(left) != 2 || err == nil {
		t.Errorf("a file that takes nothing: %d left, %v", len(left), err)
	}
	f.file = good
	readOnly.Close()
	send(t, f, samples(1, 3))
	if got := content(t, path); got != textLine("0")+textLine("1")+textLine("2") {
		t.Errorf("got\n%s", got)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(FileOptions{Path: pipe}); err == nil || !strings.Contains(err.Error(), pipe) {
		t.Errorf("a pipe: %v, want an error at once", err)
	}
	if _, err := OpenFile(FileOptions{Path: filepath.Join(dir, "none", "log")}); err == nil {
		t.Error("a directory that is not there: no error")
	}
}
