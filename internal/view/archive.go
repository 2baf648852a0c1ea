// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"
)

// maxArchiveMemory bounds what the decompression of an archive holds, in bytes.
const maxArchiveMemory = 128 << 20

// Limits of what an archive becomes.
const (
	DefaultUnpacked  = 16 << 30 // bytes of its files
	maxArchivedFiles = 1 << 20  // what stands in it, whatever it is
)

// ErrArchiveSize says that the files of an archive are larger than is allowed.
var ErrArchiveSize = errors.New("archive: too large")

// Unpack unpacks the files of a tar archive, plain or compressed with gzip or
// zstd, into a directory: most bytes of them. Links and devices are left out; no
// file lands outside of the directory. When ctx ends, a read from r that waits
// is left behind, as nothing can end it; it ends with r.
func Unpack(ctx context.Context, r io.Reader, dir string, most int64) error {
	in, out := io.Pipe()
	go func() { // ends when Unpack has returned and r.Read does
		_, err := io.Copy(out, r)
		out.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { out.CloseWithError(context.Cause(ctx)) })
	defer stop()
	defer in.Close()
	err := unpack(in, dir, most)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func unpack(r io.Reader, dir string, most int64) error {
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
	files, left := 0, most
	tr := tar.NewReader(plain)
	for entries := 0; ; entries++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err != nil:
			return fmt.Errorf("archive, behind %d files: %w", files, err)
		case entries == maxArchivedFiles:
			return fmt.Errorf("%w: more than %d files", ErrArchiveSize, maxArchivedFiles)
		case h.Typeflag != tar.TypeReg:
			continue
		case h.Size > left:
			return fmt.Errorf("%w: with %s its files are more than %d bytes", ErrArchiveSize, h.Name, most)
		}
		if err := unpackFile(root, h.Name, tr); err != nil {
			return fmt.Errorf("archive: %s: %w", h.Name, err)
		}
		left -= h.Size
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
