// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
)

// mount is a line of mountinfo.
type mount struct {
	point, device, kind string
	readonly            bool
}

// isRemote reports whether a file system may need a server, or a program.
func (m *mount) isRemote() bool {
	if strings.HasPrefix(m.kind, "fuse") {
		return true
	}
	disk := strings.HasPrefix(m.device, "/") && !strings.HasPrefix(m.device, "//")
	return !disk && !slices.Contains(withoutServer, m.kind)
}

// withoutServer are file systems whose devices are no paths, and that need nobody.
var withoutServer = []string{"tmpfs", "ramfs", "zfs", "btrfs", "bcachefs", "overlay", "squashfs", "erofs", "rootfs"}

// mountReader reads the mounts when they have changed.
type mountReader struct {
	file     *reread.File
	followed bool // the kernel tells of changes
	skip     []string
	mounts   []mount
	read     bool
}

// newMountReader reads the mounts of this process, or, where the files of a host
// are below a root of their own, those of its first process.
func newMountReader(e *Engine) mountReader {
	path := e.proc("self/mountinfo")
	if e.o.Root != "/" {
		path = e.proc("1/mountinfo")
	}
	return mountReader{file: reread.New(path, pageSize, reread.Pieces), followed: e.kernels, skip: e.o.SkipFS}
}

func (m *mountReader) path() string { return m.file.Path() }

func (m *mountReader) close() { m.file.Close() }

// list returns the mounts that are shown.
func (m *mountReader) list(r *request) ([]mount, error) {
	if m.read && m.followed && !changed(m.file.FD()) {
		return m.mounts, nil
	}
	text, err := m.file.Read()
	if err != nil {
		return nil, err
	}
	r.bytes += len(text)
	m.read, m.mounts = true, parseMounts(text, m.skip)
	return m.mounts, nil
}

// changed reports whether the mounts changed since this was asked or read last.
func changed(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
	n, err := unix.Poll(fds, 0)
	return err != nil || n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLPRI) != 0
}

// parseMounts reads lines
//
//	36 35 98:0 /root /mnt\040point rw,noatime master:1 - ext4 /dev/sda1 ro,errors=continue
//
// with any number of words before the hyphen. Of several mounts on one point only
// the last can be seen.
func parseMounts(text []byte, skip []string) []mount {
	var list []mount
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		list = slices.DeleteFunc(list, func(o mount) bool { return o.point == m.point })
		if shown := !slices.Contains(skip, m.kind) || m.kind == "overlay" && m.point == "/"; shown {
			list = append(list, m)
		}
	}
	return list
}

func parseMount(line []byte) (m mount, ok bool) {
	const pointAt, optionsAt, hyphenAt = 4, 5, 6
	for i := 0; ; i++ {
		var word []byte
		word, line = cutWord(line)
		switch {
		case len(word) == 0:
			return m, false
		case i == pointAt:
			m.point = string(unescape(nil, word))
		case i == optionsAt:
			m.readonly = hasOption(word, "ro")
		case i >= hyphenAt && string(word) == "-":
			kind, rest := cutWord(line)
			device, rest := cutWord(rest)
			options, _ := cutWord(rest)
			m.kind, m.device = string(unescape(nil, kind)), string(unescape(nil, device))
			m.readonly = m.readonly || hasOption(options, "ro")
			return m, len(kind) > 0
		}
	}
}

// hasOption looks for a word between commas.
func hasOption(list []byte, option string) bool {
	for len(list) > 0 {
		i := 0
		for i < len(list) && list[i] != ',' {
			i++
		}
		if string(list[:i]) == option {
			return true
		}
		list = list[min(i+1, len(list)):]
	}
	return false
}
