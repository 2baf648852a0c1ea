// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/feedtest"
	"github.com/weir-io/weir/internal/feed/fstest"
)

// TestCommandsOfAFeedThatIsRead asks an agent of a feed while somebody reads it: what only
// looks is answered, and what is wrong is called wrong before it is asked.
func TestCommandsOfAFeedThatIsRead(t *testing.T) {
	src := fstest.New(t, "tmpfs") // it takes root
	a := feedtest.Start(t)
	a.Create(feed.CreateOptions{Source: src.Dir, Name: "audit"})
	if err := exec.Command("mkdir", src.Path("d")).Run(); err != nil { // the agent does not record its own changes
		t.Fatal(err)
	}
	n, err := a.API.Open(t.Context(), "audit", feed.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	b, err := n.Read(t.Context(), feed.ReadOptions{Wait: -1, Keep: true})
	if err != nil || b.Records[0].Type != changelog.Mkdir {
		t.Fatalf("got %+v, %v, want a MKDIR", b, err)
	}
	dir, root := b.Records[0].Target.String(), b.Records[0].Parent.String()
	for _, c := range []struct {
		command *cobra.Command
		args    []string
		want    string // of the output
		code    int
	}{
		{newFeedPathCommand(), []string{src.Dir, dir}, "d\n", 0},
		{newFeedPathCommand(), []string{src.Dir, root}, ".\n", 0},
		{newFeedPathCommand(), []string{"--json", src.Dir, root}, `[""]` + "\n", 0},
		{newFeedRescanCommand(), []string{src.Dir}, src.Dir + ": 1 entry compared, 0 differences\n", 0},
		{newFeedRescanCommand(), []string{"--json", src.Dir}, `"last_scan":{"id":3,"entries":1,"differences":0,`, 0},
		{newFeedChangelogCommand(), []string{"audit", "2", "2"}, "2 02MKDIR", 0},
		{newFeedChangelogCommand(), []string{"audit", "2", "2", "--json"}, `{"i":2,`, 0},
		{newFeedListCommand(), nil, "cl1-audit", 0},
		{newFeedSetCommand(), []string{"audit"}, "", exitUsage},
		{newFeedCancelCommand(), []string{"audit", "2"}, "", exitBusy},
	} {
		out, _, err := runFeed(t, c.command, nil, append(c.args, "--socket", a.Socket)...)
		code, exit := 0, new(exitError)
		if errors.As(err, &exit) {
			code = exit.code
		}
		if code != c.code || err != nil && code == 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s %q: got %q, %v, want %q and code %d", c.command.Name(), c.args, out, err, c.want, c.code)
		}
		if strings.Contains(out, `"reint"`) {
			t.Errorf("%s %q: got %q, with a block that nobody asked for", c.command.Name(), c.args, out)
		}
	}
}

// A feed of what is not there now does not look as if all were well.
func TestFeedListTellsOfSources(t *testing.T) {
	for state, want := range map[string]string{"active": "active", "absent": "active, source absent", "": "active"} {
		if got := feedAndSource(&feed.Info{State: "active", SourceState: state}); got != want {
			t.Errorf("source %q: got %q, want %q", state, got, want)
		}
	}
	gone := feed.Info{State: "aborted", Aborted: &feed.Abort{Reason: "size"}, SourceState: "stalled"}
	if got, want := feedAndSource(&gone), "aborted (size), source stalled"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of a feed that was given up the command prints what is there, and says so.
func TestChangelogOfAFeedThatWasGivenUp(t *testing.T) {
	info, err := json.Marshal(feed.Info{ID: "cl1", Last: 3, Aborted: &feed.Abort{Reason: "size", First: 1, Last: 3}})
	if err != nil {
		t.Fatal(err)
	}
	a := &fakeAgent{t: t, last: 3, info: string(info)}
	out, _, err := runFeed(t, newFeedChangelogCommand(), nil, "cl1", "--socket", a.start())
	exit := new(exitError)
	if !errors.As(err, &exit) || exit.code != exitAborted || strings.Count(out, "\n") != 3 {
		t.Errorf("got %q, %v, want three records and code %d", out, err, exitAborted)
	}
}

func TestClientIDCommands(t *testing.T) {
	for _, c := range []struct{ hex, want string }{
		{"00020000c0000207000000000000000000000000", "192.0.2.7@tcp"},
		{"0c02000120010db8000000000000000000000001", "2001:db8::1@tcp1"},
		{"0x20000c0000207", "192.0.2.7@tcp"},
		{"00020000c0000207", "192.0.2.7@tcp"},
		{"0x20001C0000207", "192.0.2.7@tcp1"},
		{"20000c0000207", ""},
		{"0x", ""},
		{"zz", ""},
		{"00020000c000020700000000000000000000000", ""},
		{"0x7700000c0000207", ""},
	} {
		got, err := parseHexNID(c.hex)
		if exit := new(exitError); c.want == "" && (!errors.As(err, &exit) || exit.code != exitUsage) {
			t.Errorf("%q: got %v, %v, want a usage error", c.hex, got, err)
		}
		if c.want != "" && (err != nil || got.String() != c.want) {
			t.Errorf("%q: got %v, %v, want %s", c.hex, got, err, c.want)
		}
	}
}
