// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/bench"
)

// Kinds are the kinds of file systems that are watched.
var Kinds = []string{"ext4", "xfs", "btrfs", "tmpfs"}

// makers are the commands that make file systems in an image.
var makers = map[string][]string{
	"ext4":  {"mkfs.ext4", "-q", "-F"},
	"xfs":   {"mkfs.xfs", "-q"},
	"btrfs": {"mkfs.btrfs", "-q"},
}

const (
	imageBytes = 1 << 30
	bytesOfOne = 1 << 10 // of an image that a file has to have, of two for which there is a place
)

// fileSystem is a mounted file system.
type fileSystem struct {
	kind  string
	dir   string
	image string // "" for tmpfs
}

// mount makes a file system of a kind with room for so many files.
func (b *Bench) mount(ctx context.Context, kind string, files int) (_ *fileSystem, err error) {
	f := &fileSystem{kind: kind}
	if f.dir, err = os.MkdirTemp(b.scratch, kind+"-"); err != nil {
		return nil, err
	}
	args := []string{"mount", "-t", "tmpfs", "-o", "size=75%,nr_inodes=0", "tmpfs", f.dir}
	if maker := makers[kind]; maker != nil {
		if err := f.makeImage(ctx, maker, max(imageBytes, int64(files)*bytesOfOne*3)); err != nil {
			return nil, errors.Join(err, f.unmount())
		}
		args = []string{"mount", "-o", "loop", f.image, f.dir}
	}
	if err := run(ctx, args...); err != nil {
		return nil, errors.Join(err, f.unmount())
	}
	return f, nil
}

// makeImage makes the image in memory, so that it does not share a disk with the
// store.
func (f *fileSystem) makeImage(ctx context.Context, maker []string, size int64) error {
	img, err := os.CreateTemp(bench.DefaultDir(), "weir-bench-*."+f.kind)
	if err != nil {
		return err
	}
	f.image = img.Name()
	if err := errors.Join(img.Truncate(size), img.Close()); err != nil {
		return err
	}
	args := append([]string(nil), maker...)
	if f.kind == "ext4" {
		args = append(args, "-i", fmt.Sprint(2*bytesOfOne))
	}
	return run(ctx, append(args, f.image)...)
}

// unmount unmounts the file system and removes what it was in.
func (f *fileSystem) unmount() error {
	err := unix.Unmount(f.dir, unix.MNT_DETACH)
	if err == unix.EINVAL { // it is not mounted
		err = nil
	}
	if f.image != "" {
		err = errors.Join(err, os.Remove(f.image))
	}
	return errors.Join(err, os.Remove(f.dir))
}

func (f *fileSystem) path(name string) string { return filepath.Join(f.dir, name) }

// run runs a command that says nothing.
func run(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return nil
}
