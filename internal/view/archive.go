// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"
)

// maxArchiveMemory bounds what the decompression of an archive holds, in bytes.
const maxArchiveMemory = 128 << 20

// Unpack unpacks the files of a tar archive, plain or compressed with gzip or
// zstd, into a directory. Links and devices are left out; no file lands outside
// of the directory.
func Unpack(r io.Reader, dir string) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files := 0
	for tr := tar.NewReader(plain); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("archive, behind %d files: %w", files, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, h.Name, tr); err != nil {
			return fmt.Errorf("archive: %s: %w", h.Name, err)
		}
		files++
	}
	if files == 0 {
		return errors.New("archive: no files in it")
	}
	return nil
}

func unpackFile(root *os.Root, name string, r io.Reader) error {
	name = path.Clean(name)
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// decompress finds out by its first bytes how a stream is compressed.
func decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReader(r)
	head, _ := b.Peek(4) // what is short is no compressed stream
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxArchiveMemory))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	default:
		return io.NopCloser(b), nil
	}
}
