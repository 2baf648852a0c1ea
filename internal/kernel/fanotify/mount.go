// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Mount is one line of mountinfo, see proc_pid_mountinfo(5).
type Mount struct {
	ID     int
	Device string // major:minor
	Root   string // directory of the file system that is mounted, "/" for all of it
	Dir    string // where it is mounted
	Type   string // as in "ext4"
	Source string // as in "/dev/sda1"
}

// mountinfo is the file; Mounts polls it for changes.
const mountinfo = "/proc/self/mountinfo"

// ReadMounts lists what is mounted, the latest last.
func ReadMounts() ([]Mount, error) {
	b, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, err
	}
	return parseMounts(b)
}

func parseMounts(b []byte) ([]Mount, error) {
	var mounts []Mount
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		m, err := parseMount(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", mountinfo, n, err)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// parseMount parses "36 35 98:0 /root /dir options optional... - type source options".
func parseMount(line string) (Mount, error) {
	before, after, ok := strings.Cut(line, " - ")
	head, tail := strings.Split(before, " "), strings.Split(after, " ")
	if !ok || len(head) < 6 || len(tail) < 2 {
		return Mount{}, fmt.Errorf("got %q, want id, parent, device, root, directory, options, -, type, source", line)
	}
	id, err := strconv.Atoi(head[0])
	if err != nil {
		return Mount{}, fmt.Errorf("id %q: want a number", head[0])
	}
	return Mount{
		ID: id, Device: head[2], Root: unescape(head[3]), Dir: unescape(head[4]),
		Type: tail[0], Source: unescape(tail[1]),
	}, nil
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(c))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// MountOf returns the mount that a path is on, and the path from the mount's
// directory, "." for that itself. Symbolic links in the path are followed.
func MountOf(path string) (m Mount, rest string, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Mount{}, "", err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return Mount{}, "", err
	}
	id, err := mountID(abs)
	if err != nil {
		return Mount{}, "", &os.PathError{Op: "statx", Path: abs, Err: err}
	}
	mounts, err := ReadMounts()
	if err != nil {
		return Mount{}, "", err
	}
	for _, m := range mounts {
		if m.ID != id {
			continue
		}
		rest, err := filepath.Rel(m.Dir, abs)
		return m, rest, err
	}
	return Mount{}, "", fmt.Errorf("%s: its mount %d is not in %s", abs, id, mountinfo)
}

func mountID(path string) (int, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	return int(st.Mnt_id), err
}

// Mounts waits for changes of what is mounted.
type Mounts struct{ fd int }

// WatchMounts begins to wait. The descriptor is not Go's to poll: a change is told
// to the first who asks.
func WatchMounts() (*Mounts, error) {
	fd, err := unix.Open(mountinfo, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: mountinfo, Err: err}
	}
	return &Mounts{fd}, nil
}

// pollStep is how long Wait is deaf to the end of its context at most.
const pollStep = 200 * time.Millisecond

// Wait returns when something was mounted or unmounted since WatchMounts or the last
// Wait.
func (w *Mounts) Wait(ctx context.Context) error {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLPRI}}
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, int(pollStep/time.Millisecond))
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("%s: poll: %w", mountinfo, err)
		}
		if n > 0 && fds[0].Revents&(unix.POLLPRI|unix.POLLERR) != 0 {
			return nil
		}
	}
	return ctx.Err()
}

// Close stops waiting; no Wait may be under way.
func (w *Mounts) Close() error { return unix.Close(w.fd) }
