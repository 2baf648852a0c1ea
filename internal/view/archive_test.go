// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// archived makes a tar archive of files of some sizes.
func archived(t *testing.T, files map[string]int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, size := range files {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(size), Mode: 0o600}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpack(t *testing.T) {
	plain := archived(t, map[string]int{"a/b": 100, "c": 1000})
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		archive []byte
		most    int64
		want    string
	}{
		"plain":    {plain, 1100, ""},
		"gzip":     {gzipped(t, plain), 1100, ""},
		"zstd":     {enc.EncodeAll(plain, nil), 1100, ""},
		"larger":   {gzipped(t, plain), 1099, "more than 1099 bytes"},
		"cut":      {plain[:600], 1100, "unexpected EOF"},
		"no files": {archived(t, nil), 1100, "no files"},
		"outside":  {archived(t, map[string]int{"../x": 1}), 1100, "../x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			err := Unpack(t.Context(), bytes.NewReader(test.archive), dir, test.most)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if name == "larger" && !errors.Is(err, ErrArchiveSize) {
				t.Errorf("error %v is none of the size", err)
			}
			if info, err := os.Stat(filepath.Join(dir, "a/b")); test.want == "" && (err != nil || info.Size() != 100) {
				t.Errorf("file: %v, %v", info, err)
			}
		})
	}
}

// An end of the context is the end also while the archive does not come, and
// nothing of it stays.
func TestUnpackCancelled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	archive := archived(t, map[string]int{"a": 100_000})
	in, writer := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	writing := make(chan struct{})
	go func() { // ends when the reader is closed below
		defer close(writing)
		_, _ = writer.Write(archive[:50_000])
		cancel(stopped)
	}()
	j := &Job{Inputs: []string{"-"}, Output: "text", Text: DefaultTextOptions(), In: in, Out: io.Discard, Err: io.Discard}
	if err := j.Run(ctx); !errors.Is(err, stopped) {
		t.Errorf("error %v, want that of the context", err)
	}
	in.Close()
	<-writing
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
