// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// configDirectory returns where the user's choices are: weir below
// $XDG_CONFIG_HOME or ~/.config.
func configDirectory(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "weir"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("no home directory: $HOME is not set")
	}
	return filepath.Join(home, ".config", "weir"), nil
}

// currentSessionFile returns the file that holds the current session's name.
func currentSessionFile(getenv func(string) string) (string, error) {
	dir, err := configDirectory(getenv)
	if err != nil {
		return "", fmt.Errorf("current session: %w", err)
	}
	return filepath.Join(dir, "session"), nil
}

// readCurrentSession returns the name of the current session, "" if there is
// none.
func readCurrentSession(getenv func(string) string) (string, error) {
	path, err := currentSessionFile(getenv)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("current session: %w", err)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// writeCurrentSession makes a session the current one. Another command that
// reads meanwhile sees the old name or the new one.
func writeCurrentSession(getenv func(string) string, name string) error {
	path, err := currentSessionFile(getenv)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("current session: %w", err)
	}
	return replaceFile(path, []byte(name+"\n"))
}

// forgetCurrentSession leaves no current session if that is the given one.
func forgetCurrentSession(getenv func(string) string, name string) error {
	current, err := readCurrentSession(getenv)
	if err != nil || current != name {
		return err
	}
	path, err := currentSessionFile(getenv)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// replaceFile writes a file at once: who reads sees all of it or what was there
// before.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}
