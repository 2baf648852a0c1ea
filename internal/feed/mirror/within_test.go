// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
)

// Directories are within one another whatever paths say.
func TestSourceAndTargetAreApart(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs, other := fstest.New(t, kind), fstest.New(t, kind)
			source, bound := fs.Path("source"), filepath.Join(t.TempDir(), "bound")
			must(t, os.MkdirAll(filepath.Join(source, "a/b/c"), 0o700), os.Mkdir(fs.Path("beside"), 0o700), os.Mkdir(fs.Path("source2"), 0o700), os.Mkdir(bound, 0o700),
				os.Symlink(filepath.Join(source, "a"), fs.Path("link")),
				unix.Mount(filepath.Join(source, "a"), bound, "", unix.MS_BIND, ""))
			t.Cleanup(func() { must(t, unix.Unmount(bound, unix.MNT_DETACH)) })
			a := filepath.Join(source, "a")
			for _, tt := range []struct {
				source, target string
				apart          bool
			}{
				{source, source, false},
				{source, a, false},
				{a, source, false},
				{source, filepath.Join(source, "new/er"), false},
				{source, bound, false},
				{source, filepath.Join(bound, "b"), false},
				{source, filepath.Join(bound, "b/new/er"), false},
				{source, fs.Path("link"), false},
				{source, fs.Path("link/new"), false},
				{bound, a, false},
				{bound, filepath.Join(a, "b"), false},
				{filepath.Join(bound, "b"), a, false},
				{bound, source, false},
				{bound, fs.Dir, false},
				{source, fs.Path("beside"), true},
				{source, fs.Path("source2"), true},
				{bound, fs.Path("beside"), true},
				{bound, fs.Path("beside/new"), true},
				{source, other.Dir, true},
				{source, other.Path("new/er"), true},
				{other.Dir, fs.Path("beside"), true},
			} {
				o := Options{Source: tt.source, Target: tt.target}
				err := checkPlaces(&o)
				if (err == nil) != tt.apart || err != nil && !strings.Contains(err.Error(), "within") {
					t.Errorf("source %s, target %s: got %v, want them to be apart: %v", tt.source, tt.target, err, tt.apart)
				}
			}
		})
	}
}
