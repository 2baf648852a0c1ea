// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	client "github.com/weir-io/weir/client/feed"
)

// A directory that is named by a bind mount is a part of its file system, which is
// watched as a whole.
func TestBindMountIsAPart(t *testing.T) {
	s := newStand(t, nil)
	s.sh("mkdir -p in/sub out")
	bind := t.TempDir()
	must(t, unix.Mount(s.fs.Path("in"), bind, "", unix.MS_BIND, ""))
	defer unix.Unmount(bind, 0)
	i := s.create(client.CreateOptions{Name: "part", Source: bind + "/sub", Mask: "MKDIR,RENME"})
	if i.Dir != s.fs.Dir || i.Part != "in/sub" || i.Place() != s.fs.Path("in/sub") {
		t.Errorf("got part %q of %s, want in/sub of %s", i.Part, i.Dir, s.fs.Dir)
	}
	s.create(client.CreateOptions{Name: "all", Mask: "MKDIR,RENME"})
	s.sh("mkdir out/x; mkdir in/sub/y in/end")
	s.await("MKDIR in/end")
	if got := all(t, s.attach("part"), client.ReadOptions{}); len(got) != 1 || got[0] != "MKDIR in/sub/y" {
		t.Errorf("part: got %q", got)
	}
	if got := all(t, s.attach("all"), client.ReadOptions{}); len(got) != 3 {
		t.Errorf("all: got %q", got)
	}
}

// What no event tells of is found by comparing, once a day: here it is the agent's own
// doing, as it is elsewhere what is written through a memory map.
func TestSourcesAreScrubbed(t *testing.T) {
	s := newStand(t, nil)
	s.m.opts.Scrub = 24 * time.Hour
	s.sh("echo 1 > f")
	s.create(client.CreateOptions{Name: "f"})
	must(t, os.WriteFile(s.fs.Path("f"), []byte("changed"), 0o600))
	s.pass(23 * time.Hour)
	s.m.scrubAll(t.Context(), s.clock())
	s.pass(time.Hour)
	_, before := s.bounds()
	s.m.scrubAll(t.Context(), s.clock())
	s.await("MTIME f synth")
	s.m.scrubAll(t.Context(), s.clock()) // its time has not come again
	must(t, s.source().Rescan(t.Context()))
	scans := 0
	for _, brief := range all(t, s.attach("f"), client.ReadOptions{}) {
		if brief == "MTIME f synth" {
			scans++
		}
	}
	if n := s.source().Status().Scans; before != 1 || scans != 1 || n != 3 {
		t.Errorf("got %d records before its time, then %d changes by %d scans, want 1, 1 and 3", before, scans, n)
	}
}

func TestPartAloneIsRefused(t *testing.T) {
	s := newStand(t, nil)
	top, bind := t.TempDir(), t.TempDir()
	must(t, unix.Mount("tmpfs", top, "tmpfs", 0, ""), unix.Mkdir(top+"/in", 0o700))
	must(t, unix.Mount(top+"/in", bind, "", unix.MS_BIND, ""), unix.Unmount(top, 0))
	defer unix.Unmount(bind, 0)
	_, err := s.m.Create(t.Context(), root, client.CreateOptions{Source: bind})
	if code(err) != client.CodeUnsupported {
		t.Errorf("got %v, want %s", err, client.CodeUnsupported)
	}
}
