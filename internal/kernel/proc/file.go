// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bytes"
	"strconv"
)

// File is a file that a process has open.
type File struct {
	PID   int32
	FD    int32
	Flags uint32 // of open
	Name  string // its path, or what it is: "socket:[1234]"
}

// files reads the open files of a process.
func (w *walk) files(d dir, pid int32) {
	if w.o.MaxFiles < 0 {
		return
	}
	var err error
	if w.list, err = d.numbers("fd", w.list[:0]); err != nil {
		w.lost(err)
		return
	}
	for i, fd := range w.list {
		if len(w.s.Files) >= w.o.MaxFiles {
			w.s.LeftOut.Files += len(w.list) - i
			return
		}
		name := strconv.Itoa(int(fd))
		link, err := d.readlink("fd/"+name, w.link[:])
		if err != nil {
			w.lost(err)
			continue
		}
		w.text, err = d.read("fdinfo/"+name, w.text)
		if err != nil {
			w.lost(err)
			continue
		}
		w.s.Files = append(w.s.Files, File{PID: pid, FD: fd, Flags: parseFlags(w.text), Name: string(link)})
	}
}

// parseFlags reads the line "flags:\t0100002" of /proc/PID/fdinfo/FD.
func parseFlags(b []byte) uint32 {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		if value, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 8, 32)
			if err != nil {
				return 0
			}
			return uint32(n)
		}
	}
	return 0
}
