// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// Limits of raw files.
const (
	maxRawNames = 1000 // visited for a pattern
	maxRawDepth = 8    // directories below the root
	maxRawFiles = 64   // sent
	maxRawBytes = 64 << 10
	maxRawLines = 4096
)

// rawReader reads files by patterns of paths below /proc and /sys, as lines and
// fields. It walks from a handle of the root, so that no path leaves it.
type rawReader struct {
	engine *Engine
	rules  rawRules
	globs  map[string]xmlsysd.Glob // of patterns, compiled
	buf    []byte
	room   digitRoom

	file, line, field xmlsysd.NodeID
}

func newRawReader(e *Engine) reader {
	const at = "proc/file"
	return &rawReader{
		engine: e, rules: newRawRules(e.o.RawAllow, e.o.RawDeny), globs: make(map[string]xmlsysd.Glob), buf: make([]byte, pageSize),
		file: e.model.Must(at), line: e.model.Must(at + "/line"), field: e.model.Must(at + "/line/field"),
	}
}

func (w *rawReader) read(r *request) error {
	found := make(map[string]bool)
	var roots rawRoots
	defer roots.close()
	roots.open(w.engine)
	for _, rule := range r.query.Raw {
		if pattern, ok := cleanRaw(rule.Pattern); ok && rule.On {
			w.expand(&roots, pattern, found)
		}
	}
	sent := 0
	for _, path := range slices.Sorted(maps.Keys(found)) {
		if sent == maxRawFiles {
			break
		}
		if !w.isOn(r.query.Raw, path) {
			continue
		}
		ok, err := w.add(r, &roots, path)
		if err != nil {
			return err
		}
		if ok {
			sent++
		}
	}
	return nil
}

// isOn reports whether the last rule that matches a path is one that switches on.
func (w *rawReader) isOn(rules []xmlsysd.RawRule, path string) (on bool) {
	for _, rule := range rules {
		if pattern, ok := cleanRaw(rule.Pattern); ok && w.match(pattern, path) {
			on = rule.On
		}
	}
	return on
}

func (w *rawReader) match(pattern, path string) bool {
	g, known := w.globs[pattern]
	if !known {
		var err error
		if g, err = xmlsysd.ParseGlob(pattern); err != nil {
			return false
		}
		if len(w.globs) >= maxRawNames {
			clear(w.globs)
		}
		w.globs[pattern] = g
	}
	return g.Match([]byte(path))
}

// cleanRaw makes a pattern one of a whole path: below /proc unless it begins with
// /sys/. One with a component that is not a name is refused.
func cleanRaw(pattern string) (string, bool) {
	if !strings.HasPrefix(pattern, "/") {
		pattern = "/proc/" + pattern
	}
	if !strings.HasPrefix(pattern, "/proc/") && !strings.HasPrefix(pattern, "/sys/") {
		return "", false
	}
	for _, c := range strings.Split(pattern[1:], "/") {
		if c == "" || c == "." || c == ".." || strings.IndexByte(c, 0) >= 0 {
			return "", false
		}
	}
	return pattern, true
}

// rawRoots are handles of /proc and /sys.
type rawRoots struct{ proc, sys int }

// open opens the roots. Below one that is not there is nothing.
func (h *rawRoots) open(e *Engine) {
	for _, root := range [...]struct {
		fd   *int
		path string
	}{{&h.proc, e.o.ProcRoot}, {&h.sys, e.o.SysRoot}} {
		fd, err := unix.Open(root.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			fd = -1
		}
		*root.fd = fd
	}
}

func (h *rawRoots) close() {
	for _, fd := range [...]int{h.proc, h.sys} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// of returns the handle and the path below it of a path that cleanRaw lets through.
func (h *rawRoots) of(path string) (fd int, below string) {
	if below, ok := strings.CutPrefix(path, "/sys/"); ok {
		return h.sys, below
	}
	return h.proc, strings.TrimPrefix(path, "/proc/")
}

// rawWalk is the expansion of a pattern.
type rawWalk struct {
	*rawReader
	roots  *rawRoots
	found  map[string]bool
	budget int
}

// expand finds the files that match a pattern and may be read.
func (w *rawReader) expand(roots *rawRoots, pattern string, found map[string]bool) {
	root, rest, _ := strings.Cut(pattern[1:], "/")
	x := rawWalk{w, roots, found, maxRawNames}
	x.walk("/"+root, strings.Split(rest, "/"), 0)
}

// walk goes on from a directory with the components that are left.
func (x *rawWalk) walk(dir string, components []string, depth int) {
	if len(components) == 0 || depth >= maxRawDepth || x.rules.denied(dir) {
		return
	}
	head, rest := components[0], components[1:]
	switch {
	case head == "**":
		if len(rest) == 0 {
			rest = []string{"*"}
		}
		x.walk(dir, rest, depth)
		for _, name := range x.list(dir, true) {
			x.walk(dir+"/"+name, components, depth+1)
		}
	case strings.Contains(head, "**"): // as in a**b: the parts of one name
		return
	case !strings.ContainsAny(head, "*?["):
		x.budget--
		x.step(dir+"/"+head, rest, depth)
	default:
		for _, name := range x.list(dir, false) {
			if x.match(head, name) {
				x.step(dir+"/"+name, rest, depth)
			}
		}
	}
}

// step takes a file, or goes into a directory.
func (x *rawWalk) step(path string, rest []string, depth int) {
	if len(rest) > 0 {
		x.walk(path, rest, depth+1)
		return
	}
	if x.budget >= 0 && x.rules.allowed(path) {
		x.found[path] = true
	}
}

// list returns the names in a directory, those of directories only where links are
// not to be followed. It counts them.
func (x *rawWalk) list(dir string, directories bool) []string {
	if x.budget <= 0 {
		return nil
	}
	root, below := x.roots.of(dir + "/")
	fd, err := reread.OpenBeneath(root, cmpOr(strings.TrimSuffix(below, "/"), "."), true)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	entries, _ := f.ReadDir(x.budget)
	x.budget -= len(entries)
	var names []string
	for _, e := range entries {
		if !directories || e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// add adds a file. It reports false for one that is not to be had; an error is that
// there is no safe way to have any.
func (w *rawReader) add(r *request, roots *rawRoots, path string) (bool, error) {
	at := stampOf(time.Now())
	root, below := roots.of(path)
	fd, err := reread.OpenBeneath(root, below, false)
	if errors.Is(err, unix.ENOSYS) {
		return false, &sourceError{path, err}
	}
	if err != nil {
		return false, nil
	}
	defer unix.Close(fd)
	if !readable(fd) || !w.rules.allowsOpened(fd, path, w.engine) {
		return false, nil
	}
	text, err := reread.ReadFD(fd, w.buf, maxRawBytes)
	if err != nil {
		return false, nil // EAGAIN of a file that waits, and others
	}
	if cap(text) > cap(w.buf) {
		w.buf = text[:cap(text)]
	}
	r.bytes += len(text)
	w.addLines(r.tape, at, path, text)
	return true, nil
}

// readable reports whether anyone may read a file: what is there only to be written
// does something when it is touched.
func readable(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&0o444 != 0
}

// addLines writes a file's lines and fields by their numbers.
func (w *rawReader) addLines(t *xmlsysd.Tape, at xmlsysd.Stamp, path string, text []byte) {
	t.Open(w.file, at, []byte(path))
	defer t.Close()
	for n := 0; len(text) > 0 && n < maxRawLines; n++ {
		var line []byte
		line, text = cutLine(text)
		t.Open(w.line, xmlsysd.Stamp{}, w.room.of(uint64(n)))
		for i := uint64(0); ; i++ {
			var word []byte
			if word, line = cutWord(line); len(word) == 0 {
				break
			}
			t.LeafAt(w.field, xmlsysd.Stamp{}, word, w.room.of(i))
		}
		t.Close()
	}
}
