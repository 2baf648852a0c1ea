// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

var (
	seeds = flag.Int("storms", 1, "storms on each file system")
	tries = flag.Int("tries", 3000, "operations that each worker of a storm tries")
)

// replay applies records to an empty tree, as a reader would.
type replay struct {
	names map[name]changelog.FID
}

func (p *replay) apply(r *changelog.Record) error {
	at := name{r.Parent, string(r.Name)}
	switch r.Type {
	case changelog.Create, changelog.Mkdir, changelog.Softlink, changelog.Mknod, changelog.Hardlink:
		if was := p.names[at]; !was.IsZero() {
			return fmt.Errorf("record %d, %s: the name stands for %v", r.Index, brief(r), was)
		}
		p.names[at] = r.Target
	case changelog.Unlink, changelog.Rmdir:
		if was := p.names[at]; was != r.Target {
			return fmt.Errorf("record %d, %s: the name stands for %v, want %v", r.Index, brief(r), was, r.Target)
		}
		delete(p.names, at)
	case changelog.Rename:
		from := name{r.SourceParent, string(r.SourceName)}
		if was := p.names[from]; was != r.Source {
			return fmt.Errorf("record %d, %s: the old name stands for %v, want %v", r.Index, brief(r), was, r.Source)
		}
		if was := p.names[at]; was != r.Target {
			return fmt.Errorf("record %d, %s: the new name stands for %v, want %v", r.Index, brief(r), was, r.Target)
		}
		delete(p.names, from)
		p.names[at] = r.Source
		if r.Flags&changelog.FlagExchange != 0 {
			p.names[from] = r.Target
		}
	}
	return nil
}

// onDisk reads the names of a file system.
func onDisk(t *testing.T, dir string) map[name]changelog.FID {
	t.Helper()
	found := map[name]changelog.FID{}
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		parent, err := fidAt(filepath.Dir(path))
		if err != nil {
			return err
		}
		f, err := fidAt(path)
		found[name{parent, filepath.Base(path)}] = f
		return err
	}))
	return found
}

func fidAt(path string) (changelog.FID, error) {
	h, err := fanotify.HandleAt(unix.AT_FDCWD, path)
	if err != nil {
		return changelog.FID{}, err
	}
	return fidOf(h)
}

func TestReplayOfStormsIsTheDisk(t *testing.T) {
	for _, kind := range fstest.Kinds {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
				fs := fstest.New(t, kind)
				s := watch(t, memory(t), fs.Dir)
				p := &replay{names: onDisk(t, fs.Dir)}
				fstest.Scramble(uint64(seed), fs.Dir, 1+seed%4, *tries)
				all := s.records()
				for i := range all {
					if err := p.apply(&all[i]); err != nil {
						t.Fatal(err)
					}
				}
				compareNames(t, p.names, onDisk(t, fs.Dir))
				t.Logf("%d records, %+v", len(all), s.Status())
			})
		}
	}
}

func compareNames(t *testing.T, got, want map[name]changelog.FID) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	var lines []string
	for n, f := range got {
		if want[n] != f {
			lines = append(lines, fmt.Sprintf("%v/%s: replayed %v, on disk %v", n.parent, n.name, f, want[n]))
		}
	}
	for n, f := range want {
		if _, ok := got[n]; !ok {
			lines = append(lines, fmt.Sprintf("%v/%s: not replayed, on disk %v", n.parent, n.name, f))
		}
	}
	slices.Sort(lines)
	t.Errorf("names differ: %q", lines[:min(len(lines), 10)])
}
