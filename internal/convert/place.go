// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/ctf"
)

// places returns the directories of traces in the output, relative to it: where
// they lie below their input, told apart by host where that is the same for two,
// then by input, then by number.
func places(traces []*ctf.Trace, inputs []string) []string {
	var paths []string
	for depth := range 3 {
		paths = paths[:0]
		for _, t := range traces {
			paths = append(paths, placeOf(t, inputs, depth))
		}
		if apart(paths, len(inputs)) {
			return paths
		}
	}
	taken := map[string]bool{}
	for i, p := range paths {
		paths[i] = unique(taken, p)
	}
	return paths
}

// apart reports whether no two traces have the same place, and none is around
// those of other inputs.
func apart(paths []string, inputs int) bool {
	sorted := slices.Sorted(slices.Values(paths))
	if len(sorted) > 1 && inputs > 1 && slices.Contains(sorted, ".") {
		return false
	}
	return len(slices.Compact(sorted)) == len(paths)
}

// unique returns a name that is not taken, with a number behind it if need be,
// and takes it.
func unique(taken map[string]bool, name string) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = name + "-" + strconv.Itoa(n)
	}
	taken[free] = true
	return free
}

// placeOf is the place of a trace; depth says how much tells it apart.
func placeOf(t *ctf.Trace, inputs []string, depth int) string {
	var below []string // what all directories of the trace end with
	var base string
	for i, dir := range t.Dirs {
		root := rootOf(dir, inputs)
		rel, err := filepath.Rel(root, dir)
		if err != nil || rel == "." {
			rel = ""
		}
		steps := strings.FieldsFunc(rel, func(r rune) bool { return r == filepath.Separator })
		if i == 0 {
			below, base = steps, filepath.Base(absolute(root))
		}
		below = commonEnd(below, steps)
	}
	if depth > 1 {
		below = append([]string{safeName(base, "trace")}, below...)
	}
	if depth > 0 {
		host, _ := t.Schema.EnvString("hostname")
		below = append([]string{safeName(host, "host")}, below...)
	}
	if len(below) == 0 {
		return "."
	}
	return filepath.Join(below...)
}

// rootOf is the input that a directory was found below: the nearest.
func rootOf(dir string, inputs []string) string {
	root := dir
	for _, in := range inputs {
		rel, err := filepath.Rel(in, dir)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		if root == dir || len(in) > len(root) {
			root = in
		}
	}
	return root
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func commonEnd(a, b []string) []string {
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return a[len(a)-n:]
}

// safeName makes of a stranger's word the name of a directory.
func safeName(word, otherwise string) string {
	word = strings.Map(func(r rune) rune {
		if r < ' ' || r == filepath.Separator || r == 0x7f {
			return '_'
		}
		return r
	}, word)
	switch {
	case word == "" || word == string(filepath.Separator) || len(word) > 128:
		return otherwise
	case word[0] == '.':
		return "_" + word[1:]
	default:
		return word
	}
}

// fileOf is the name of a stream's file in the output: that of its file, less
// the number that tells files of a channel apart that go on from each other.
func fileOf(s *ctf.Stream) string {
	names := make([]string, 0, len(s.Files))
	for _, f := range s.Files {
		names = append(names, filepath.Base(f))
	}
	if same(names) {
		return names[0]
	}
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = channelOf(n)
	}
	if same(short) {
		return short[0]
	}
	return names[0]
}

func same(names []string) bool { return len(slices.Compact(slices.Clone(names))) == 1 }
