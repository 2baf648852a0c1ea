// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/internal/tracestore"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/lttng"
)

// bySession groups the output by session.
func bySession(_ *relay.Options, s *tracestore.Options) { s.GroupBy = tracestore.BySession }

// fixedClock stops the relay's clock at 2001-09-09 01:50:00 UTC.
func fixedClock(_ *relay.Options, s *tracestore.Options) {
	now := time.Unix(relaytest.Created+200, 0)
	s.Now = func() time.Time { return now }
}

// TestSessionDirectory compares the directory of a session with the one that
// lttng-relayd 2.13 makes for the same request.
func TestSessionDirectory(t *testing.T) {
	const timed = "auto-20010909-014640"
	tests := []struct {
		name, base        string
		timed             bool
		byHost, bySession string
	}{
		{"s", "", false, "h/s-20010909-014640", "s/h-20010909-014640"},
		{"s", "a/b", false, "h/a/b", "s/h-20010909-014640/a/b"},
		{timed, "", true, "h/" + timed, timed + "/h-20010909-014640"},
		{timed, "a/b", true, "h/a/b", timed + "/h-20010909-014640/a/b"},
	}
	for _, tt := range tests {
		for _, minor := range []lttng.Minor{11, 12, 13, 14, 15} {
			plan := relaytest.Plan{Minor: minor, Session: lttng.CreateSession{Name: tt.name, BasePath: tt.base, NameHasTime: tt.timed}}
			t.Run(fmt.Sprintf("%s %s by host minor %d", tt.name, tt.base, minor), func(t *testing.T) {
				checkDirectory(t, plan, tt.byHost)
			})
			t.Run(fmt.Sprintf("%s %s by session minor %d", tt.name, tt.base, minor), func(t *testing.T) {
				checkDirectory(t, plan, tt.bySession, bySession)
			})
		}
	}
}

func checkDirectory(t *testing.T, plan relaytest.Plan, want string, changes ...relaytest.Change) {
	t.Helper()
	r := relaytest.Start(t, changes...)
	rec := r.Record(t, plan)
	if rec.Session.Path != want {
		t.Errorf("session directory %q, want %q", rec.Session.Path, want)
	}
	rec.SendWhole(0, 0, 200)
	r.WaitPackets(1)
	rec.Close()
	r.WaitSettled()
	if got := relaytest.Stored(t, filepath.Join(r.Output, want, relaytest.StreamPath, "ch_0")); len(got) != 1 {
		t.Errorf("%d packets below %s, want 1", len(got), want)
	}
}

// TestLegacyDirectory does the same for peers below minor 11, whose streams
// name their whole directory.
func TestLegacyDirectory(t *testing.T) {
	const timed = "auto-20010909-014640"
	tests := []struct{ name, path, byHost, bySession string }{
		{"s", "/h/s-20010909-014640//ust/uid", "h/s-20010909-014640/ust/uid", "s/h-20010909-014640/ust/uid"},
		{timed, "/h/" + timed + "//ust/uid", "h/" + timed + "/ust/uid", timed + "/h-20010909-014640/ust/uid"},
		{"s", "/h/my/sub//ust/uid", "h/my/sub/ust/uid", "s/h-20010909-015000/my/sub/ust/uid"},
		{timed, "/h/my/sub//ust/uid", "h/my/sub/ust/uid", timed + "/h-20010909-014640/my/sub/ust/uid"},
	}
	for _, tt := range tests {
		for _, minor := range []lttng.Minor{4, 7, 8, 10} {
			plan := relaytest.Plan{Minor: minor, Path: tt.path, Session: lttng.CreateSession{Name: tt.name}}
			t.Run(fmt.Sprintf("%s %s by host minor %d", tt.name, tt.path, minor), func(t *testing.T) {
				checkLegacy(t, plan, tt.byHost, fixedClock)
			})
			t.Run(fmt.Sprintf("%s %s by session minor %d", tt.name, tt.path, minor), func(t *testing.T) {
				checkLegacy(t, plan, tt.bySession, fixedClock, bySession)
			})
		}
	}
}

func checkLegacy(t *testing.T, plan relaytest.Plan, want string, changes ...relaytest.Change) {
	t.Helper()
	r := relaytest.Start(t, changes...)
	rec := r.Record(t, plan)
	if rec.Session.Path != "" {
		t.Errorf("reply names directory %q below minor 11", rec.Session.Path)
	}
	for seq := range uint64(3) {
		rec.SendWhole(0, seq, 200)
	}
	rec.SendDescription()
	r.WaitPackets(3)
	rec.Close()
	r.WaitSettled()
	if got := relaytest.Stored(t, filepath.Join(r.Output, want, "ch_0")); len(got) != 3 {
		t.Errorf("%d packets below %s, want 3; stored: %v", len(got), want, relaytest.StoredPackets(t, r.Output, "ch_0"))
	}
	b, err := os.ReadFile(filepath.Join(r.Output, want, "index", "ch_0.idx"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ctf.ParseIndexHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	header := ctf.IndexHeader{Major: 1, Minor: 1, RecordLen: 72}
	if plan.Minor < lttng.MinorIndexInstance {
		header = ctf.IndexHeader{Major: 1, Minor: 0, RecordLen: 56}
	}
	if got != header {
		t.Errorf("index header %+v, want %+v", got, header)
	}
}

// Two session daemons may use the same names in the same second: neither may
// touch the other's files, whatever the peers' minors and the grouping.
func TestEqualNamesShareNothing(t *testing.T) {
	for name, changes := range map[string][]relaytest.Change{"by host": nil, "by session": {bySession}} {
		for _, minor := range []lttng.Minor{11, 15} {
			for _, base := range []string{"", "my/dir"} {
				t.Run(fmt.Sprintf("%s minor %d base %q", name, minor, base), func(t *testing.T) {
					checkEqualNames(t, minor, base, changes)
				})
			}
		}
	}
}

func checkEqualNames(t *testing.T, minor lttng.Minor, base string, changes []relaytest.Change) {
	t.Helper()
	r := relaytest.Start(t, changes...)
	var all []*relaytest.Recording
	for i := range 3 {
		plan := relaytest.Plan{Minor: minor, Session: lttng.CreateSession{BasePath: base}}
		plan.Session.SessiondUUID[0] = byte(i + 1)
		rec := r.Record(t, plan)
		for seq := range uint64(i + 1) {
			rec.SendWhole(0, seq, 200)
		}
		all = append(all, rec)
		if i == 1 { // the third comes after the end of the first
			r.WaitPackets(3)
			all[0].Close()
			wait.Until(t, "the first session is closed", func() bool { return len(r.Store.Sessions()) == 1 })
		}
	}
	r.WaitPackets(6)
	for _, rec := range all {
		rec.Close()
	}
	r.WaitSettled()
	for i, rec := range all {
		got := relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0"))
		if len(got) != i+1 {
			t.Errorf("session daemon %d: packets %v in %s, want %d", i+1, got, rec.Session.Path, i+1)
		}
	}
}

// A stream that is added again after its end begins its files anew.
func TestStreamAddedAgainBeginsAnew(t *testing.T) {
	r := relaytest.Start(t)
	rec := r.Record(t, relaytest.Plan{})
	rec.SendWhole(0, 0, 200)
	r.WaitPackets(1)
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Streams[0], 0))
	relaytest.MustOK(t, "CLOSE_STREAM", rec.CloseStream(rec.Metadata, lttng.NoSeq))
	rec.AddStreams(relaytest.Plan{})
	rec.SendData(append(lttng.DataHeader{Stream: rec.Streams[1], DataSize: 300}.Append(nil), relaytest.Packet(0, 7, 300)...))
	relaytest.MustOK(t, "SEND_INDEX", rec.SendIndex(relaytest.Index(rec.Streams[1], 0, 0, 7, 300)))
	r.WaitPackets(2)
	rec.Close()
	r.WaitSettled()
	got := relaytest.Stored(t, filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0"))
	if diff := cmp.Diff([]uint64{7}, got); diff != "" {
		t.Errorf("packets differ (-want +got):\n%s", diff)
	}
}

// The output directory may be removed between sessions, as test suites do.
func TestOutputDirectoryRemoved(t *testing.T) {
	r := relaytest.Start(t)
	for i := range 3 {
		rec := r.Record(t, relaytest.Plan{})
		rec.SendWhole(0, 0, 200)
		r.WaitPackets(uint64(i + 1))
		rec.Close()
		r.WaitSettled()
		file := filepath.Join(r.Output, rec.Session.Path, relaytest.StreamPath, "ch_0")
		if got := relaytest.Stored(t, file); len(got) != 1 {
			t.Errorf("round %d: %d packets in %s, want 1", i, len(got), file)
		}
		if got, want := rec.Session.Path, "h/s-20010909-014640"; got != want {
			t.Errorf("round %d: directory %q, want %q", i, got, want)
		}
		if err := os.RemoveAll(r.Output); err != nil {
			t.Fatal(err)
		}
	}
}
