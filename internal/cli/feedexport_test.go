// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
)

// runFeed runs a command of feeds.
func runFeed(t *testing.T, c *cobra.Command, stdin []byte, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	c.SetArgs(args)
	c.SetIn(bytes.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// TestExportOfAFeedThatIsRead exports a feed of a real file system while a consumer holds a
// batch of it, and prints the file: it is what the consumer reads.
func TestExportOfAFeedThatIsRead(t *testing.T) {
	src := fstest.New(t, "tmpfs") // it takes root
	a := feedtest.Start(t)
	info := a.Create(feed.CreateOptions{Source: src.Dir, Name: "audit"})
	touch := exec.Command("sh", "-ec", "for i in $(seq 20); do : > f$i; done") // the agent does not record its own changes
	touch.Dir = src.Dir
	if err := touch.Run(); err != nil {
		t.Fatal(err)
	}
	n, err := a.API.Open(t.Context(), "audit", feed.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var want bytes.Buffer
	for seen := 0; seen < 20; { // as they come
		b, err := n.Read(t.Context(), feed.ReadOptions{Keep: true, Wait: -1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			if b.Records[i].Type == changelog.Create {
				seen++
			}
			b.Records[i].Has &^= changelog.HasReint
			want.Write(append(changelog.AppendJSON(nil, &b.Records[i]), '\n'))
		}
	}
	before, err := a.API.Info(t.Context(), "audit")
	if err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(t.TempDir(), "audit.wfr")
	args := []string{"audit", "--socket", a.Socket, "--to", fmt.Sprint(before.Delivered)}
	out, _, err := runFeed(t, newFeedExportCommand(), nil, append(args, "--output", file, "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	var told exported
	if err := json.Unmarshal([]byte(out), &told); err != nil || told.Records != strings.Count(want.String(), "\n") || told.Last != before.Delivered || told.Feed != info.ID+"-audit" || told.Missing != 0 {
		t.Errorf("got %s, %v, want %d records through %d", out, err, strings.Count(want.String(), "\n"), before.Delivered)
	}
	if out, _, err = runFeed(t, newFeedPrintCommand(), nil, "--json", file); err != nil || out != want.String() {
		t.Errorf("printed: %v, got\n%s\nwant\n%s", err, out, want.String())
	}
	if out, _, err = runFeed(t, newFeedExportCommand(), nil, append(args, "--json")...); err != nil || out != want.String() {
		t.Errorf("to standard output: %v, got\n%s\nwant\n%s", err, out, want.String())
	}
	if _, _, err = runFeed(t, newFeedExportCommand(), nil, append(args, "--output", file)...); !errors.Is(err, os.ErrExist) {
		t.Errorf("to a file that exists: got %v, want %v", err, os.ErrExist)
	}
	after, err := a.API.Info(t.Context(), "audit")
	if err != nil || after.Cancelled != before.Cancelled || after.Delivered != before.Delivered || after.Consumer == nil {
		t.Errorf("after it: got %+v, %v, want %+v", after, err, before)
	}
}

// TestExportOfARange asks a fake agent, which looks at nothing but READs.
func TestExportOfARange(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "1 2 3 4 5 6 7 8 9"},
		{[]string{"--from", "3", "--to", "5"}, "3 4 5"},
		{[]string{"--to", "1"}, "1"},
		{[]string{"--from", "9"}, "9"},
		{[]string{"--from", "10"}, ""},
	} {
		a := &fakeAgent{t: t, last: 12, info: `{"id":"cl1","last":9}`} // three came later
		out, _, err := runFeed(t, newFeedExportCommand(), nil, append(c.args, "cl1", "--format", "text", "--socket", a.start())...)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		var got []string
		for l := range strings.Lines(out) {
			got = append(got, strings.Fields(l)[0])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: got %q, want %q", c.args, got, c.want)
		}
	}
}

// TestExportLeavesNoPart has the agent die amid an export.
func TestExportLeavesNoPart(t *testing.T) {
	a := &fakeAgent{t: t, last: 20, lives: 1, info: `{"id":"cl1","last":20}`}
	dir := t.TempDir()
	_, _, err := runFeed(t, newFeedExportCommand(), nil, "cl1", "--output", filepath.Join(dir, "x"), "--socket", a.start())
	if !errors.Is(err, feed.ErrGone) {
		t.Errorf("got %v, want %v", err, feed.ErrGone)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v in the directory, want nothing", left, err)
	}
}

func TestExportTellsWhatIsMissing(t *testing.T) {
	e := &feedExport{info: feed.Info{Aborted: &feed.Abort{Reason: "size"}}}
	e.out, e.to, e.total.Feed = discard(), 100, "cl1"
	for _, m := range []changelog.Marker{
		{Kind: changelog.MarkGap, Reason: changelog.GapPurged, From: 3, To: 12},
		{Kind: changelog.MarkGap, Reason: changelog.GapOverflow, Lost: 7},
	} {
		if err := e.record(changelog.AppendNative(nil, &changelog.Record{Index: 12, Time: 1, Type: changelog.Mark, Mark: &m})); err != nil {
			t.Fatal(err)
		}
	}
	var told bytes.Buffer
	e.warn(&told)
	if !strings.Contains(told.String(), "10 records were deleted") || !strings.Contains(told.String(), "cl1 was given up (size)") {
		t.Errorf("got %q", told.String())
	}
}

func TestExportFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--format", "xml"}, "--format"},
		{[]string{"--from", "7", "--to", "6"}, "--from 7 is behind --to 6"},
		{[]string{"--json", "--format", "text"}, "--json with --format text"},
	} {
		a := &fakeAgent{t: t, last: 1, info: `{"id":"cl1","last":1}`}
		_, _, err := runFeed(t, newFeedExportCommand(), nil, append(c.args, "cl1", "--socket", a.start())...)
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != exitUsage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want a usage error with %q", c.args, err, c.want)
		}
	}
}

// stored are records in all forms.
func stored(form feed.Format) (b []byte) {
	for i := uint64(1); i <= 300; i++ {
		r := changelog.Record{Index: i, Time: int64(i) * 1e9, Type: changelog.Create, Name: fmt.Appendf(nil, "f%d\n", i), Target: changelog.FID{Seq: 12, Ver: 1}, Parent: changelog.FID{Seq: 2}}
		b = appendRecord(b, form, &r)
	}
	return b
}

// TestPrintKnowsTheForm reads each form and writes each: those that hold the same are equal
// to the byte.
func TestPrintKnowsTheForm(t *testing.T) {
	forms := []feed.Format{feed.FormatNative, feed.FormatLustre, feed.FormatJSON}
	for _, from := range forms {
		for _, to := range append(forms, feed.FormatText) {
			out, _, err := runFeed(t, newFeedPrintCommand(), stored(from), "--format", to.String())
			if err != nil || out != string(stored(to)) {
				t.Errorf("%v to %v: %v, got %d bytes, want %d", from, to, err, len(out), len(stored(to)))
			}
		}
	}
	out, _, err := runFeed(t, newFeedPrintCommand(), stored(feed.FormatNative), "--from", "299")
	if err != nil || strings.Count(out, "CREAT") != 2 {
		t.Errorf("from 299 on: %v, got %q, want two records", err, out)
	}
}

// TestPrintNamesThePlace prints what is before a bad record, and says where that is.
func TestPrintNamesThePlace(t *testing.T) {
	native := stored(feed.FormatNative)
	one := len(native) / 300
	for _, c := range []struct {
		in   []byte
		want string
	}{
		{native[:one+2], "record 2"},
		{native[:one+20], "the file ends amid it"},
		{append(stored(feed.FormatNative)[:0:0], 0, 0, 2, 0), "got a length of 131072"},
		{[]byte(`{"i":1}` + "\n"), "record 1, offset 0"},
		{[]byte(`{"i":1`), "has no end"},
		{stored(feed.FormatText), "names may forge records"},
		{stored(feed.FormatLustre)[:50], "record 1, offset 0"},
		{bytes.Repeat([]byte("{ "), 1<<20), "line is longer"},
	} {
		_, _, err := runFeed(t, newFeedPrintCommand(), c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "standard input: record ") {
			t.Errorf("%.20q: got %v, want %q", c.in, err, c.want)
		}
	}
	if out, _, err := runFeed(t, newFeedPrintCommand(), nil); err != nil || out != "" {
		t.Errorf("nothing: got %q, %v", out, err)
	}
}

// discard is where nothing is kept.
func discard() *bufio.Writer { return bufio.NewWriter(io.Discard) }
