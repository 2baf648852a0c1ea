// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ftrace

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		check(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if got != string(want) {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}

// files returns the content of all files of a directory of testdata, by name.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
	check(t, err)
	all := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		check(t, err)
		all[filepath.Base(p)] = b
	}
	return all
}

func sorted(m map[string][]byte) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func TestFormatsOfAKernel(t *testing.T) {
	texts := files(t, "formats")
	var b strings.Builder
	for _, name := range sorted(texts) {
		system, event, _ := strings.Cut(name, ".")
		f, err := ParseFormat(system, texts[name])
		check(t, err)
		if f.Name != event || len(f.Common) != 4 || f.Print == "" {
			t.Errorf("%s: name %q, %d common fields, print %q", name, f.Name, len(f.Common), f.Print)
		}
		fmt.Fprintf(&b, "%s:%s %d\n", f.System, f.Name, f.ID)
		d := f.Display()
		for _, field := range f.Fields {
			kind := [...]string{"plain", "array", "data_loc", "rel_loc", "open"}[field.Kind]
			fmt.Fprintf(&b, "\t%s %q %s @%d+%d", field.Name, field.Type, kind, field.Offset, field.Size)
			if field.Kind != Plain {
				fmt.Fprintf(&b, " %d of %d", field.Len, field.ElementSize(8))
			}
			if field.Signed {
				b.WriteString(" signed")
			}
			if field.IsText() {
				b.WriteString(" text")
			}
			if field.IsPointer() {
				b.WriteString(" pointer")
			}
			switch d.Base[field.Name] {
			case 8:
				b.WriteString(" octal")
			case 16:
				b.WriteString(" hex")
			}
			if s := d.Symbols[field.Name]; s != nil {
				fmt.Fprintf(&b, " %v", s)
			}
			b.WriteByte('\n')
		}
	}
	golden(t, "formats.golden", b.String())
}

// dump describes a page's records.
func dump(b *strings.Builder, name string, p *Page) {
	fmt.Fprintf(b, "%s: time %d, %d bytes, lost %v %d\n", name, p.Time, len(p.Data), p.Lost, p.LostEvents)
	c := p.Records()
	for c.Next() {
		r := c.Payload()
		fmt.Fprintf(b, "\t+%d %d: %d bytes\n", c.Time-p.Time, binary.LittleEndian.Uint16(r), len(r))
	}
	if err := c.Err(); err != nil {
		fmt.Fprintf(b, "\t%v\n", err)
	}
}

func TestPagesOfAKernel(t *testing.T) {
	pages := files(t, "pages")
	l := Layout64()
	var b strings.Builder
	for _, name := range sorted(pages) {
		p, err := l.Page(pages[name])
		check(t, err)
		dump(&b, name, &p)
	}
	golden(t, "pages.golden", b.String())
}
