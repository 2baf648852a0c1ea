// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// StateFile is a small file that tells other programs about this process as
// long as it runs: its pid, one of its ports.
type StateFile struct {
	path string
	text string
}

// WriteNumber writes a decimal number and a newline into path with mode 0644.
// The file appears complete or not at all: it is made under another name and
// moved into place, which replaces a left-over file and replaces, not follows,
// a symbolic link that somebody put there.
func WriteNumber(path string, number int) (*StateFile, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() && info.Mode()&os.ModeSymlink == 0 {
		return nil, fmt.Errorf("%s exists and is no file", path)
	}
	s := &StateFile{path: path, text: strconv.Itoa(number) + "\n"}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(s.text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return s, nil
}

// Path returns where the file is.
func (s *StateFile) Path() string { return s.path }

// Remove deletes the file unless another process has put its own there since.
func (s *StateFile) Remove() error {
	info, err := os.Lstat(s.path)
	if os.IsNotExist(err) || (err == nil && !info.Mode().IsRegular()) {
		return nil
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	if string(text) != s.text {
		return nil
	}
	return os.Remove(s.path)
}
