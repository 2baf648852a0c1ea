// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/weir-io/weir/internal/handover"
)

// TestKeptNames takes places from a consumer process that are its own, and no others.
func TestKeptNames(t *testing.T) {
	h := newHost(t)
	h.begin(h.place("trace"))
	h.must(h.daemon.with(h.by, sessionName, func(s *Session) error {
		m := s.domains[0]
		own := *m.kept.Load()
		uid, _ := s.consumerIdentity()
		dir := filepath.Join(h.dir, "spool", strconv.FormatUint(uint64(uid), 10))
		other := filepath.Join(h.dir, "other")
		for _, path := range []string{other, filepath.Join(dir, "other")} {
			h.must(os.MkdirAll(path, 0o755))
		}
		for _, name := range []string{"other", "../../other", "", ".", own + "/..", own + "-", own + "-01", own + "-x", own + "2", "x" + own} {
			if m.isKept(name) {
				t.Errorf("%q is taken for %q", name, own)
			}
			if told := m.takeKept(handover.Ended{Kept: 1, Places: []string{name}}); len(told) > 0 {
				t.Errorf("%q: told %q", name, told)
			}
		}
		h.must(os.Symlink(other, filepath.Join(dir, own+"-2"))) // not a directory of its own
		if place, err := s.takeKept(own+"-2", m.src.Domain()); err == nil {
			t.Errorf("a link was taken to %s", place)
		}
		for _, name := range []string{own, own + "-1"} {
			h.must(os.Mkdir(filepath.Join(dir, name), 0o755))
			if told := m.takeKept(handover.Ended{Kept: 1, Places: []string{name}}); len(told) != 1 {
				t.Errorf("%q: told %q, want where it is", name, told)
			}
			if _, err := os.Stat(filepath.Join(h.dir, "spool", keptDir, name, m.src.Domain())); err != nil {
				t.Error(err)
			}
		}
		_, err := os.Stat(other)
		return err
	}))
}
