// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"context"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/feed/fstest"
)

func TestParseMount(t *testing.T) {
	got, err := parseMounts([]byte("36 35 98:0 /my\\040root /dir\\134x rw shared:1 master:2 - ext3 /dev/root rw\n"))
	want := Mount{36, "98:0", "/my root", "/dir\\x", "ext3", "/dev/root"}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseMounts([]byte("36 35 98:0 / /dir rw ext3\n")); err == nil {
		t.Error("line without separator: got no error")
	}
}

func TestMountsAreSeen(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	w, err := WatchMounts()
	must(t, err)
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	fs.Unmount()
	must(t, w.Wait(ctx))
	fs.Mount()
	must(t, w.Wait(ctx))
	m, rest, err := MountOf(fs.Path("."))
	must(t, err)
	if m.Dir != fs.Dir || rest != "." || m.Type != "tmpfs" {
		t.Errorf("mount of %s: got %+v, rest %q", fs.Dir, m, rest)
	}
}
