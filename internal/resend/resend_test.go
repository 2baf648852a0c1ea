// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package resend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-io/weir/ctf"
)

// TestList lists what is kept, and tells when it cannot.
func TestList(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	index := ctf.AppendIndexHeader(nil, 1)
	e := ctf.IndexEntry{PacketSize: 800}
	index = e.Append(index, ctf.IndexRecordLenMinor)
	for _, trace := range []string{"a/kernel", "b/kernel", "b/weir"} {
		must(os.MkdirAll(filepath.Join(dir, trace, "index"), 0o755))
		must(os.WriteFile(filepath.Join(dir, trace, metadataFile), nil, 0o644))
		must(os.WriteFile(filepath.Join(dir, trace, "index", "c_0.idx"), index, 0o644))
	}
	must(os.MkdirAll(filepath.Join(dir, "c", "kernel"), 0o755)) // not a trace yet
	must(os.Symlink("a", filepath.Join(dir, "d")))
	for _, c := range []struct {
		dir, name string
		want      int
	}{
		{dir, "", 3}, {dir, "b", 2}, {dir, "none", 0}, {filepath.Join(dir, "none"), "", 0},
	} {
		all, err := List(c.dir, c.name)
		if err != nil || len(all) != c.want {
			t.Errorf("%s of %s: got %v, %v; want %d", c.name, c.dir, all, err, c.want)
		}
		for _, trace := range all {
			if trace.Packets != 1 || trace.Bytes != 100 || c.name != "" && trace.Name != c.name {
				t.Errorf("got %+v, want 1 packet of 100 bytes", trace)
			}
		}
	}
	// A directory that cannot be listed, also by root.
	for _, c := range [][2]string{{filepath.Join(dir, "a", "kernel", metadataFile), ""}, {dir, "../" + filepath.Base(dir)}} {
		if all, err := List(c[0], c[1]); err == nil {
			t.Errorf("%q of %s: got %v, want an error", c[1], c[0], all)
		}
	}
}
