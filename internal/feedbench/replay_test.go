// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feedbench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/peer"
)

func TestReplay(t *testing.T) {
	dir, a, b := changelog.FID{Seq: 1}, changelog.FID{Seq: 2}, changelog.FID{Seq: 3}
	name := func(t changelog.Type, target changelog.FID, n string) changelog.Record {
		return changelog.Record{Type: t, Target: target, Parent: dir, Name: []byte(n)}
	}
	rename := func(f, victim changelog.FID, from, to string, flags changelog.Flags) changelog.Record {
		r := name(changelog.Rename, victim, to)
		r.Source, r.SourceParent, r.SourceName, r.Flags = f, dir, []byte(from), flags
		return r
	}
	gap := changelog.Record{Type: changelog.Mark, Mark: &changelog.Marker{Kind: changelog.MarkGap, Reason: changelog.GapOverflow}}
	for _, tt := range []struct {
		name    string
		records []changelog.Record
		want    string // "": names that stand in the end; else a part of the error
		names   map[string]changelog.FID
	}{
		{"make, move, remove", []changelog.Record{
			name(changelog.Create, a, "c0"), name(changelog.Mkdir, b, "d"), rename(a, changelog.FID{}, "c0", "y", 0), name(changelog.Rmdir, b, "d"),
		}, "", map[string]changelog.FID{"y": a}},
		{"exchange", []changelog.Record{
			name(changelog.Create, a, "x"), name(changelog.Create, b, "y"), rename(a, b, "x", "y", changelog.FlagExchange), gap,
		}, "", map[string]changelog.FID{"x": b, "y": a}},
		{"made twice", []changelog.Record{name(changelog.Create, a, "x"), name(changelog.Create, b, "x")}, "stands for", nil},
		{"removed and not there", []changelog.Record{name(changelog.Unlink, a, "x")}, "stands for", nil},
		{"moved from nowhere", []changelog.Record{rename(a, changelog.FID{}, "x", "y", 0)}, "stands for", nil},
		{"over nothing", []changelog.Record{name(changelog.Create, a, "x"), rename(a, b, "x", "y", 0)}, "stands for", nil},
	} {
		p := &replay{names: map[entry]changelog.FID{}, made: map[string]int{}}
		var err error
		for i := range tt.records {
			tt.records[i].Index = uint64(i + 1)
			if err = p.apply(&tt.records[i]); err != nil {
				break
			}
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			continue
		}
		for n, f := range tt.names {
			if p.names[entry{dir, n}] != f || len(p.names) != len(tt.names) {
				t.Errorf("%s: got %v, want %v", tt.name, p.names, tt.names)
			}
		}
	}
	p := &replay{names: map[entry]changelog.FID{}, made: map[string]int{"c0": 1, "c1": 2}, next: 7}
	if err := p.apply(&changelog.Record{Index: 8}); err == nil {
		t.Error("a record is left out, and that is not told")
	}
	if n := p.unmade(3); n != 2 {
		t.Errorf("%d files are lost or double, want c1 and c2", n)
	}
}

func TestDifferences(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := onDisk(dir)
	if err != nil || len(names) != 1 {
		peer.Lack(t, "temporary files on a file system whose handles are FIDs: %v", err)
	}
	p := &replay{names: names}
	if differ, err := p.differences(dir); err != nil || len(differ) > 0 {
		t.Errorf("%q, %v, want none", differ, err)
	}
	root, err := fidAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	p.names[entry{root, "b"}] = root
	delete(p.names, entry{root, "a"})
	if differ, err := p.differences(dir); err != nil || len(differ) != 2 {
		t.Errorf("%q, %v, want both names", differ, err)
	}
}
