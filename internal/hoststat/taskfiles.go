// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/xmlsysd"
)

// addFiles adds what is in files of their own. It reports false if the process is
// gone.
func (k *tasksReader) addFiles(r *request, p *task) bool {
	t := r.tape
	if r.need&needWait != 0 {
		text, ok, gone := k.fileOf(r, p, "schedstat")
		var times [2]uint64 // run, wait
		if ok && numbers(text, times[:]) == len(times) {
			t.Uint(k.leaves[13], times[1])
		}
		if gone {
			return false
		}
	}
	if r.need&needCgroup != 0 && k.engine.o.Expose.Cgroups {
		text, ok, gone := k.fileOf(r, p, "cgroup")
		if ok {
			t.Leaf(k.leaves[14], cgroupOf(text))
		}
		if gone {
			return false
		}
	}
	exposed := k.engine.o.Expose.Cmdline
	if exposed && (r.query.Tasks.Cmdline || r.need&needCmdline != 0) {
		text, ok, gone := k.fileOf(r, p, "cmdline")
		if ok {
			k.line = cmdline(k.line[:0], text)
			t.Leaf(k.leaves[15], k.line)
		}
		if gone {
			return false
		}
	}
	if exposed && (r.query.Tasks.IO || r.need&needIO != 0) {
		return k.addIO(r, p)
	}
	return true
}

// fileOf reads a file of a process. What may not be read is not there.
func (k *tasksReader) fileOf(r *request, p *task, name string) (text []byte, ok, gone bool) {
	text, _, err := k.dir.ReadOf(p.pid, name)
	r.bytes += len(text)
	if errors.Is(err, unix.ENOENT) { // it has ended, or the kernel has no such file
		_, _, err := k.dir.ReadOf(p.pid, "stat")
		return nil, false, err != nil
	}
	return text, err == nil, errors.Is(err, unix.ESRCH)
}

// addIO adds what a process has read and written: lines "rchar: 1".
func (k *tasksReader) addIO(r *request, p *task) bool {
	text, ok, gone := k.fileOf(r, p, "io")
	if !ok {
		return !gone
	}
	r.tape.Open(k.io, xmlsysd.Stamp{})
	keys := [...]string{"rchar", "wchar", "read_bytes", "write_bytes"}
	for next := 0; len(text) > 0 && next < len(keys); {
		var line []byte
		line, text = cutLine(text)
		key, value, ok := cutColon(line)
		if value = trim(value); ok && string(key) == keys[next] && digits(value) {
			r.tape.Leaf(k.ioLeaves[next], value)
			next++
		}
	}
	r.tape.Close()
	return true
}

// cgroupOf returns the path of the unified hierarchy, else of the first: lines
// "0::/user.slice".
func cgroupOf(text []byte) []byte {
	var first []byte
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		number, rest, ok := cutColon(line)
		_, path, ok2 := cutColon(rest)
		switch {
		case !ok || !ok2:
		case string(number) == "0":
			return path
		case first == nil:
			first = path
		}
	}
	return first
}

// cmdline writes arguments, which end in zeros, with blanks between them, and cuts
// them where a rune ends.
func cmdline(b, text []byte) []byte {
	text = bytes.TrimRight(text, "\x00")
	if len(text) > maxCmdline {
		end := maxCmdline
		for end > maxCmdline-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	for _, c := range text {
		if c == 0 {
			c = ' '
		}
		b = append(b, c)
	}
	return b
}
