// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
)

func (r *Reader) proc(path string) string { return r.o.Proc + "/" + path }

func (r *Reader) sys(path string) string { return r.o.Sys + "/" + path }

// text reads a file without the white space around it.
func text(path string) (string, error) {
	b, err := reread.Read(0, path, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// count reads a file of a number that is not negative.
func count(path string) (float64, error) {
	s, err := text(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return float64(n), nil
}

// list lists a directory by name. One that is not there is errAbsent.
func list(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = errAbsent
	}
	return entries, err
}

// numbered lists what is called prefix and a number in a directory, which need not be
// there, by name. It returns the names and what follows the prefix.
func numbered(dir, prefix string) (names, numbers []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), prefix); ok && n != "" && n[0] >= '0' && n[0] <= '9' {
			names, numbers = append(names, e.Name()), append(numbers, n)
		}
	}
	return names, numbers
}

// isMissing reports whether a file is not there, or not for this program to read.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// isSilent reports whether a file has nothing to say: what drivers answer to what
// their hardware does not have.
func isSilent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)
}

// isDir reports whether a path leads to a directory.
func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// utf8 makes a text one of UTF-8.
func utf8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
