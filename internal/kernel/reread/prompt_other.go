// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package reread

import "golang.org/x/sys/unix"

// Where numbers and arguments of calls are others, prompt files are read as all
// files are.

func promptPread(fd int, b []byte, at int64) (int, error) { return unix.Pread(fd, b, at) }

func promptFstat(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) }

func promptOpenat(dir int, name []byte, flags int) (int, error) { return usualOpenat(dir, name, flags) }

func promptClose(fd int) { unix.Close(fd) }
