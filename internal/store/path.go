// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckPath returns an error unless a path is that of a node: names of UTF-8 without
// control characters that are neither "." nor "..", each with a slash before it.
// Characters are of the basic plane, because ZooKeeper counts others as two halves.
func CheckPath(path string) error { return checkPath(path, false) }

// maxPath is the length of the longest path.
const maxPath = 4096

// checkPath is CheckPath; the name of a sequential node may be its number alone, so
// that its path ends in a slash.
func checkPath(path string, sequential bool) error {
	if path == "/" {
		return nil
	}
	if len(path) > maxPath {
		return fmt.Errorf("%w: %.40q… has %d bytes, want at most %d", ErrBadPath, path, len(path), maxPath)
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%w: %q does not begin with a slash", ErrBadPath, path)
	}
	if sequential {
		path = strings.TrimSuffix(path, "/")
		if path == "" {
			return nil
		}
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("%w: %q has the name %q", ErrBadPath, path, name)
		}
	}
	if !utf8.ValidString(path) {
		return fmt.Errorf("%w: %q is no UTF-8", ErrBadPath, path)
	}
	for _, r := range path {
		if r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
			return fmt.Errorf("%w: %q has the character %U", ErrBadPath, path, r)
		}
	}
	return nil
}

// Parent returns the path of a node's parent; the root is its own.
func Parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/"
	}
	return path[:i]
}

// Name returns the last name of a path.
func Name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
