// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// entry is a name in a directory.
type entry struct {
	parent changelog.FID
	name   string
}

// replay applies records to a tree of names, as a reader would.
type replay struct {
	names map[entry]changelog.FID
	after uint64         // index of the last record that the names have already
	made  map[string]int // how many records tell that a file of Keep was made
	next  uint64         // index
	marks []string       // of gaps and the like
}

// apply refuses a record that does not follow from those before.
func (p *replay) apply(r *changelog.Record) error {
	if p.next != 0 && r.Index != p.next {
		return fmt.Errorf("record %d follows %d", r.Index, p.next-1)
	}
	p.next = r.Index + 1
	if r.Index <= p.after {
		return nil
	}
	at := entry{r.Parent, string(r.Name)}
	stands := func(at entry, want changelog.FID) error {
		if got := p.names[at]; got != want {
			return fmt.Errorf("record %d, %v: %v/%s stands for %v, want %v", r.Index, r.Type, at.parent, at.name, got, want)
		}
		return nil
	}
	switch r.Type {
	case changelog.Create, changelog.Mkdir, changelog.Softlink, changelog.Mknod, changelog.Hardlink:
		if err := stands(at, changelog.FID{}); err != nil {
			return err
		}
		p.names[at] = r.Target
		if r.Type == changelog.Create {
			p.made[at.name]++
		}
	case changelog.Unlink, changelog.Rmdir:
		if err := stands(at, r.Target); err != nil {
			return err
		}
		delete(p.names, at)
	case changelog.Rename:
		return p.rename(r, at, stands)
	case changelog.Mark:
		if k := r.Mark.Kind; k == changelog.MarkGap || k == changelog.MarkScanBegin {
			p.marks = append(p.marks, k.String()+" "+r.Mark.Reason)
		}
	}
	return nil
}

func (p *replay) rename(r *changelog.Record, at entry, stands func(entry, changelog.FID) error) error {
	from := entry{r.SourceParent, string(r.SourceName)}
	if err := stands(from, r.Source); err != nil {
		return err
	}
	if err := stands(at, r.Target); err != nil {
		return err
	}
	delete(p.names, from)
	p.names[at] = r.Source
	if r.Flags&changelog.FlagExchange != 0 {
		p.names[from] = r.Target
	}
	return nil
}

// differences says how the names of a file system are not those of the replay.
func (p *replay) differences(dir string) (all []string, err error) {
	disk, err := onDisk(dir)
	if err != nil {
		return nil, err
	}
	for at, f := range p.names {
		if disk[at] != f {
			all = append(all, fmt.Sprintf("%v/%s: replayed %v, on disk %v", at.parent, at.name, f, disk[at]))
		}
	}
	for at, f := range disk {
		if _, ok := p.names[at]; !ok {
			all = append(all, fmt.Sprintf("%v/%s: not replayed, on disk %v", at.parent, at.name, f))
		}
	}
	return all, nil
}

// unmade counts the files of Keep that were made and do not have one record of that.
func (p *replay) unmade(files int) (n int) {
	for i := range files {
		if p.made[keepPrefix+strconv.Itoa(i)] != 1 {
			n++
		}
	}
	return n
}

// onDisk reads the names of a file system.
func onDisk(dir string) (map[entry]changelog.FID, error) {
	found := map[entry]changelog.FID{}
	parents := map[string]changelog.FID{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := fidAt(path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			parents[path] = f
		}
		if path != dir {
			found[entry{parents[filepath.Dir(path)], filepath.Base(path)}] = f
		}
		return nil
	})
	return found, err
}

// fidAt returns the FID of what has a path.
func fidAt(path string) (changelog.FID, error) {
	h, err := fanotify.HandleAt(unix.AT_FDCWD, path)
	if err != nil {
		return changelog.FID{}, fmt.Errorf("handle of %s: %w", path, err)
	}
	f, ok := changelog.FIDOfHandle(h.Type, h.Bytes)
	if !ok {
		return f, fmt.Errorf("handle of %s: %v has no FID", path, h)
	}
	return f, nil
}

// some joins the first of many texts.
func some(all []string) string { return strings.Join(all[:min(len(all), 5)], "; ") }
