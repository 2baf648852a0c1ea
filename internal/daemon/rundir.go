// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// RunDir is the directory of the relay daemon's runtime files, by the rules of
// the LTTng relay protocol: a directory "relayd" below the run directory that
// all LTTng daemons share.
type RunDir struct {
	path string
}

// OpenRunDir makes the run directory root and its subdirectory relayd as far
// as they are missing. With gid -1 they belong to the user alone (mode 0700);
// otherwise, for root, group gid owns them and all may look (0755). What exists
// already keeps owner and mode: other daemons live there too.
func OpenRunDir(root string, gid int) (RunDir, error) {
	dir := filepath.Join(root, "relayd")
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return RunDir{}, fmt.Errorf("make run directory: %w", err)
	}
	for _, path := range []string{root, dir} {
		if err := makeShared(path, gid); err != nil {
			return RunDir{}, fmt.Errorf("make run directory: %w", err)
		}
	}
	return RunDir{dir}, nil
}

func makeShared(path string, gid int) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is no directory", path)
		}
		return err
	}
	if err != nil || gid < 0 {
		return err
	}
	if err := os.Chown(path, os.Geteuid(), gid); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// HealthSocket returns the default path of the health socket of a process.
func (d RunDir) HealthSocket(pid int) string {
	return filepath.Join(d.path, "health-"+strconv.Itoa(pid))
}

// PortFile returns the path of the port file of a listener: control, data or
// live.
func (d RunDir) PortFile(listener string) string {
	return filepath.Join(d.path, listener+".port")
}

// GroupID returns the number of a Unix group, given by name or number.
func GroupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if n, numErr := strconv.ParseUint(name, 10, 31); numErr == nil {
			return int(n), nil
		}
		return -1, fmt.Errorf("tracing group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}

// Path returns the directory itself.
func (d RunDir) Path() string { return d.path }
