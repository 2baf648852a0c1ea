// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"

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
