// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Two trees are compared name by name; what is outside of them is none of that.
func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		what, source, target string
		want                 []string
	}{
		{"nothing", "", "", nil},
		{"a link from outside", "echo 1 > f; ln f ../outside", "echo 1 > f", nil},
		{"links within", "echo 1 > f; ln f g; ln f h", "echo 1 > f; ln f g; ln f h", nil},
		{"a file that is no link", "echo 1 > f; ln f g", "echo 1 > f; cp f g", []string{`f: hard link: one file with "g" in the source, not in the target`, `g: hard link: one file with "f" in the source, not in the target`}},
		{"a link that is none", "echo 1 > f; cp f g", "echo 1 > f; ln f g", []string{`f: hard link: one file with "g" in the target, not in the source`, `g: hard link: one file with "f" in the target, not in the source`}},
		{
			"groups that are mixed", "echo 1 > a; ln a b; cp a c; ln c d", "echo 1 > a; ln a c; cp a b; ln b d",
			[]string{
				`a: hard link: one file with "b" in the source, not in the target`, `b: hard link: one file with "a" in the source, not in the target`,
				`a: hard link: one file with "c" in the target, not in the source`, `c: hard link: one file with "a" in the target, not in the source`,
				`c: hard link: one file with "d" in the source, not in the target`, `d: hard link: one file with "c" in the source, not in the target`,
				`b: hard link: one file with "d" in the target, not in the source`, `d: hard link: one file with "b" in the target, not in the source`,
			},
		},
		{
			"names", "touch a c e; mkdir d; touch d/x", "touch b c f; mkdir d; touch d/y",
			[]string{"a: missing in the target", "b: in the target only", "d/x: missing in the target", "d/y: in the target only", "e: missing in the target", "f: in the target only"},
		},
		{"kinds", "mkdir a; touch b", "touch a; mkfifo b", []string{"a: type: source directory, target file", "b: type: source file, target pipe"}},
		{"a hole and zeros", "truncate -s 3M f", "head -c 3M /dev/zero > f", nil},
		{
			"behind a hole", "truncate -s 1T f; printf x | dd of=f bs=1 seek=999999999999 conv=notrunc 2>/dev/null",
			"truncate -s 1T f; printf y | dd of=f bs=1 seek=999999999999 conv=notrunc 2>/dev/null",
			[]string{"f: contents, from byte 999999999999 on"},
		},
		{"a hole in one", "truncate -s 3M f", "truncate -s 3M f; printf y | dd of=f bs=1 seek=2000000 conv=notrunc 2>/dev/null", []string{"f: contents, from byte 2000000 on"}},
		{"sizes", "echo 1 > f", "echo 12 > f", []string{"f: size: source 2, target 3", "f: contents, from byte 1 on"}},
		{"what a link says", "ln -s a l", "ln -s b l", []string{`l: link target: source "a", target "b"`}},
	} {
		source, target := filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "t")
		for dir, script := range map[string]string{source: tt.source, target: tt.target} {
			must(t, os.Mkdir(dir, 0o755))
			c := exec.Command("sh", "-ec", script+"\nfind . -exec touch -h -d @1 {} +")
			c.Dir = dir
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", script, err, out)
			}
		}
		var got []string
		must(t, Compare(t.Context(), Options{Source: source, Target: target}, func(d Difference) { got = append(got, d.Path+": "+d.What) }))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
	}
}

// More names than are read at a time come in the order of bytes, each once.
func TestSortedNames(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 57 {
		want = append(want, fmt.Sprintf("%d%s", i, strings.Repeat("x", i)))
		must(t, os.WriteFile(filepath.Join(dir, want[i]), nil, 0o600))
	}
	slices.Sort(want)
	for _, most := range []int{1, 2, 10, 56, 57, 58, mostNames} {
		fd, err := openDirAt(unix.AT_FDCWD, dir)
		must(t, err)
		s, none := sortedNames{dirfd: fd, most: most}, sortedNames{read: true}
		var got []string
		for {
			must(t, s.load())
			n, is, _ := firstOf(&s, &none)
			if !is {
				break
			}
			if len(s.page) >= most {
				t.Fatalf("%d at a time: %d are kept", most, len(s.page)+1)
			}
			got = append(got, n)
		}
		must(t, unix.Close(fd))
		if !slices.Equal(got, want) {
			t.Errorf("%d at a time: got %q, want %q", most, got, want)
		}
	}
}
