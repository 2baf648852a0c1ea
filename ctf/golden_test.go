// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/ctftest"
)

var update = flag.Bool("update", false, "write what is read to the golden traces")

// What reading the traces of testdata/trace gives, through windows of any size.
func TestGoldenTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/trace/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden traces: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a := ctftest.Read(t, path)
			dir := t.TempDir()
			a.Write(t, dir)
			words, _ := a.Section("options")
			want, _ := a.Section("expect")
			for _, window := range []int{0, 8, 24} {
				opts := ctf.Options{
					Window: window, ForceCorrelate: strings.Contains(words, "force-correlate"),
					Growing: strings.Contains(words, "growing"),
				}
				got := strings.ReplaceAll(readAll(dir, opts, strings.Contains(words, "packets")), dir, "$DIR")
				if *update {
					if err := a.SetSection("expect", got); err != nil {
						t.Fatal(err)
					}
					return
				}
				if got != want {
					t.Errorf("window %d:\n%swant:\n%s", window, got, want)
				}
			}
		})
	}
}

// readAll reads traces and writes a line for each thing in them.
func readAll(dir string, opts ctf.Options, packets bool) string {
	var b strings.Builder
	opts.Warn = func(path, warning string) { fmt.Fprintf(&b, "warning: %s: %s\n", path, warning) }
	set, err := ctf.Open(opts, dir)
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
		return b.String()
	}
	for _, t := range set.Traces {
		fmt.Fprintf(&b, "trace %q of %d streams\n", t.Name, len(t.Streams))
	}
	m := set.Merger()
	for {
		c, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
			return b.String()
		}
		if kind == ctf.EventRecord || kind == ctf.DiscardedEvents || kind == ctf.DiscardedPackets || packets {
			writeStep(&b, c, kind)
		}
	}
}

func writeStep(b *strings.Builder, c *ctf.Cursor, kind ctf.Kind) {
	if ns, ok := c.Time(); ok {
		fmt.Fprintf(b, "%d ", ns)
	} else {
		b.WriteString("- ")
	}
	s := c.Stream()
	fmt.Fprintf(b, "%s:%d.%d ", filepath.Base(s.Name), s.Class.ID, s.ID)
	switch kind {
	case ctf.EventRecord:
		b.WriteString(c.Event().Class.Name)
		for _, scope := range []schema.Scope{schema.EventContext, schema.EventSpecific, schema.EventPayload} {
			if v, ok := c.Event().Scope(scope); ok {
				b.WriteByte(' ')
				writeValue(b, v)
			}
		}
	case ctf.DiscardedEvents, ctf.DiscardedPackets:
		l := c.Loss()
		fmt.Fprintf(b, "%v", kind)
		if l.Counted {
			fmt.Fprintf(b, " %d", l.Count)
		}
		if l.HasRange {
			fmt.Fprintf(b, " %d..%d", l.From, l.To)
		}
	default:
		b.WriteString(kind.String())
	}
	b.WriteByte('\n')
}

// writeValue writes a field.
func writeValue(b *strings.Builder, v ctf.Value) {
	switch c := v.Class().(type) {
	case *schema.Integer:
		if c.Signed {
			fmt.Fprint(b, v.Int())
		} else {
			fmt.Fprint(b, v.Uint())
		}
	case *schema.Bits:
		fmt.Fprintf(b, "%#x", v.Uint())
	case *schema.Float:
		fmt.Fprint(b, v.Float())
	case *schema.String, *schema.Text:
		fmt.Fprintf(b, "%q", v.Text())
	case *schema.Blob:
		fmt.Fprintf(b, "%x", v.Bytes())
	case *schema.Struct, *schema.Array:
		b.WriteString("{")
		for i := range v.Len() {
			b.WriteByte(' ')
			if s, ok := c.(*schema.Struct); ok {
				b.WriteString(s.Members[i].Name + "=")
			}
			writeValue(b, v.Index(i))
		}
		b.WriteString(" }")
	case *schema.Variant:
		i, o := v.Option()
		b.WriteString(c.Options[i].Name + ":")
		writeValue(b, o)
	case *schema.Optional:
		if o, ok := v.Optional(); ok {
			writeValue(b, o)
		} else {
			b.WriteString("none")
		}
	}
}
