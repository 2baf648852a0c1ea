// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// sysctlReader reads a few files below /proc/sys.
type sysctlReader struct {
	node, fs, kernel xmlsysd.NodeID
	lists            []sysctlList // of fs
	values           []sysctlValue
	errs             sourceErrors
}

// sysctlList is a file of several numbers.
type sysctlList struct {
	file   *reread.File
	node   xmlsysd.NodeID
	leaves []xmlsysd.NodeID
}

// sysctlValue is a file of one.
type sysctlValue struct {
	file *reread.File
	node xmlsysd.NodeID
	need need // without which it is not read
}

// needPool is a number that hardly anyone wants.
const needPool need = 1

func newSysctlReader(e *Engine) reader {
	const at = "proc/sys"
	m := e.model
	s := &sysctlReader{node: m.Must(at), fs: m.Must(at + "/fs"), kernel: m.Must(at + "/kernel")}
	for _, l := range []struct {
		file, tag string
		keys      []string
	}{
		{"file-nr", "file_nr", []string{"allocated", "free", "max"}},
		{"inode-nr", "inode_nr", []string{"nr_inodes", "nr_free_inodes"}},
		{"dentry-state", "dentry_state", []string{"nr_dentry", "nr_unused", "age_limit", "want_pages", "nr_negative"}},
	} {
		list := sysctlList{file: e.prompt("sys/fs/"+l.file, sysctlSize, reread.Whole), node: m.Must(at + "/fs/" + l.tag)}
		for _, key := range l.keys {
			id, ok := m.Find(at + "/fs/" + l.tag + "/" + key)
			if !ok {
				id, _ = m.Named(list.node, key, "")
			}
			list.leaves = append(list.leaves, id)
		}
		s.lists = append(s.lists, list)
	}
	for _, v := range [][2]string{{"random/entropy_avail", "entropy_avail"}, {"pid_max", "pid_max"}, {"threads-max", "threads_max"}} {
		s.values = append(s.values, sysctlValue{file: e.prompt("sys/kernel/"+v[0], sysctlSize, reread.Whole), node: m.Must(at + "/kernel/" + v[1])})
	}
	pool := e.prompt("sys/kernel/random/poolsize", sysctlSize, reread.Whole)
	s.values = append(s.values, sysctlValue{pool, m.Must(at + "/kernel/poolsize"), needPool})
	return s
}

func (s *sysctlReader) close() {
	for i := range s.lists {
		s.lists[i].file.Close()
	}
	for i := range s.values {
		s.values[i].file.Close()
	}
}

func (s *sysctlReader) read(r *request) error {
	t := r.tape
	t.Open(s.node, xmlsysd.Stamp{})
	defer t.Close()
	if err := s.readLists(r); err != nil {
		return err
	}
	t.Open(s.kernel, stampOf(time.Now()))
	defer t.Close()
	for _, v := range s.values {
		if v.need&^r.need != 0 {
			continue
		}
		text, err := s.text(r, v.file)
		if err != nil || text == nil {
			if err != nil {
				return err
			}
			continue
		}
		if text = trimEnd(text); !isNumber(text) {
			return unexpected(v.file.Path(), text)
		}
		t.Leaf(v.node, text)
	}
	return nil
}

func (s *sysctlReader) readLists(r *request) error {
	t := r.tape
	t.Open(s.fs, r.at)
	defer t.Close()
	for i := range s.lists {
		l := &s.lists[i]
		text, err := s.text(r, l.file)
		if err != nil {
			return err
		}
		if text == nil {
			continue
		}
		t.Open(l.node, xmlsysd.Stamp{})
		rest, _ := cutLine(text)
		for _, leaf := range l.leaves {
			var word []byte
			if word, rest = cutWord(rest); !isNumber(word) {
				t.Close()
				return unexpected(l.file.Path(), text)
			}
			t.Leaf(leaf, word)
		}
		t.Close()
	}
	return nil
}

// text reads a file, nil if this kernel has no such.
func (s *sysctlReader) text(r *request, f *reread.File) ([]byte, error) {
	text, err := f.Read()
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, s.errs.of(f.Path(), err)
	}
	r.bytes += len(text)
	return text, nil
}
