// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fssource

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/source"
)

func TestEvents(t *testing.T) {
	r := newRecorder(t, nil)
	r.ok(r.rule("*", "/srv"))
	r.start()
	proc := changelog.Proc{PID: 4711, By: changelog.ByPidfd, Comm: [16]byte{'c', 'p'}}
	r.feeds.change(changelog.Record{
		Type: changelog.Create, Target: changelog.FID{Seq: 16, Ver: 1}, Parent: changelog.FID{Seq: 2}, Name: []byte("a"), Path: []byte("d/a"),
		Has: changelog.HasUser | changelog.HasProc | changelog.HasAttr, UID: 1000, GID: changelog.Unknown, Proc: proc, Merged: 3,
		Attr: changelog.Attr{Valid: 1, Mode: 0o100644, Links: 1, UID: 1000, GID: 100, Size: 3, Blocks: 8, Atime: 1, Mtime: -2, Ctime: 3},
	})
	r.feeds.change(changelog.Record{
		Type: changelog.Rename, Flags: changelog.FlagSynth | changelog.FlagGone, Source: changelog.FID{Seq: 16, Ver: 1},
		SourceParent: changelog.FID{Seq: 2}, SourceName: []byte("a"), SourcePath: []byte("d/a"), Name: []byte("b\xff"), Path: []byte(""),
	})
	r.feeds.change(changelog.Record{Type: changelog.Softlink, Link: []byte("to")})
	r.feeds.change(changelog.Record{Type: changelog.Mknod, Has: changelog.HasAttr, Attr: changelog.Attr{RdevMajor: 8, RdevMinor: 1}})
	r.feeds.change(changelog.Record{Type: changelog.Setxattr, Xattr: []byte("user.x")})
	r.feeds.change(changelog.Record{Type: changelog.Mark, Mark: &changelog.Marker{Kind: changelog.MarkScanEnd, Entries: 5, Differences: 2}})
	r.feeds.change(changelog.Record{Type: changelog.Open, Open: changelog.OpenWrite}) // not asked for by *
	r.feeds.change(changelog.Record{Type: changelog.HSM})                             // no event
	const (
		nobody = "uid=-1 gid=-1 pid=-1 comm=? by=none"
		none   = "changed=0 mode=0 nlink=0 owner=-1 group=-1 size=0 blocks=0 atime=0 mtime=0 ctime=0"
		zero   = "[0x0:0x0:0x0]"
		object = "target=" + zero + " parent=" + zero + " name=. path=? merged=1 "
	)
	want := []string{
		"fs:CREAT index=1 source=/srv flags=0 target=[0x10:0x0:0x1] parent=[0x2:0x0:0x0] name=a path=/d/a merged=3 " +
			"uid=1000 gid=-1 pid=4711 comm=cp by=pidfd " +
			"changed=1 mode=100644 nlink=1 owner=1000 group=100 size=3 blocks=8 atime=1 mtime=-2 ctime=3",
		"fs:RENME index=2 source=/srv flags=900 target=" + zero + " parent=" + zero + " name=b\xff path=/ merged=1 " +
			"moved=[0x10:0x0:0x1] old_parent=[0x2:0x0:0x0] old_name=a old_path=/d/a " + nobody + " " + none,
		"fs:SLINK index=3 source=/srv flags=0 " + object + nobody + " link=to " + none,
		"fs:MKNOD index=4 source=/srv flags=0 " + object + nobody + " major=8 minor=1 " + strings.Replace(none, "owner=-1 group=-1", "owner=0 group=0", 1),
		"fs:XATTR index=5 source=/srv flags=0 " + object + nobody + " xattr=user.x " + none,
		"fs:MARK index=6 source=/srv flags=0 kind=scan_end reason=? from=0 to=0 lost=0 entries=5 differences=2 errno=0",
	}
	got, discarded := r.stop()
	if !slices.Equal(got, want) || discarded != 0 {
		t.Errorf("events\n%s\nand %d lost; want\n%s", strings.Join(got, "\n"), discarded, strings.Join(want, "\n"))
	}
}

// What was changed before a stop is recorded, what is changed while it lasts is not.
func TestStopAndStart(t *testing.T) {
	r := newRecorder(t, nil)
	r.ok(r.rule("MKDIR", "/srv"))
	r.start()
	for range 3 {
		r.feeds.change(changelog.Record{Type: changelog.Mkdir})
	}
	if got, _ := r.stop(); len(got) != 3 {
		t.Errorf("%d events before the stop, want 3", len(got))
	}
	r.feeds.change(changelog.Record{Type: changelog.Mkdir})
	r.start()
	r.feeds.change(changelog.Record{Type: changelog.Mkdir})
	if got, _ := r.stop(); len(got) != 4 || !strings.Contains(got[3], "index=5 ") {
		t.Errorf("events after the second start %q, want that of index 5", got)
	}
	r.ok(r.channel.Rest())
	if r.feeds.open != 0 {
		t.Error("a feed is open at rest")
	}
	r.start()
	r.feeds.change(changelog.Record{Type: changelog.Mkdir})
	if got, _ := r.stop(); len(got) != 5 || !strings.Contains(got[4], "index=6 ") {
		t.Errorf("events after the rest %q, want that of index 6", got)
	}
}

// Rules come and go while recording goes on; a feed that lacks types is replaced.
func TestRules(t *testing.T) {
	r := newRecorder(t, nil)
	if err := r.rule("SOME*", "/srv"); err == nil || !strings.Contains(err.Error(), "fs:CREAT") {
		t.Errorf("rule of no event: %v", err)
	}
	if err := r.rule("CREAT", "srv"); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("rule of a relative path: %v", err)
	}
	for _, rule := range []agent.EventRule{{Type: agent.Syscall}, {Type: agent.Tracepoint, Pattern: "*", Filter: "1"}} {
		if _, err := r.channel.AddRule(&rule); err == nil {
			t.Errorf("rule %+v is taken", rule)
		}
	}
	r.ok(r.rule("fs:C*", "")) // CREAT, CLOSE, CTIME
	r.start()
	change := func(kinds ...changelog.Type) {
		for _, k := range kinds {
			r.feeds.change(changelog.Record{Type: k})
		}
	}
	change(changelog.Create, changelog.Open, changelog.Close)
	r.ok(r.rule("OPEN", "/srv"))
	change(changelog.Create, changelog.Open)
	r.ok(r.channel.SetRule(&agent.EventRule{Type: agent.Tracepoint, Pattern: "fs:C*"}, false))
	change(changelog.Create, changelog.Open)
	got, _ := r.stop()
	var names []string
	for _, e := range got {
		names = append(names, e[:strings.Index(e, " source=")])
	}
	want := "fs:CREAT index=1, fs:CLOSE index=3, fs:CREAT index=4, fs:OPEN index=5, fs:OPEN index=7"
	if strings.Join(names, ", ") != want || len(r.feeds.opened) != 2 {
		t.Errorf("events %q by %d feeds, want %s by 2", names, len(r.feeds.opened), want)
	}
}

// Gaps are told, and counted, by what they say.
func TestGaps(t *testing.T) {
	r := newRecorder(t, nil)
	r.ok(r.rule("CREAT", "/srv"))
	r.start()
	for _, m := range []changelog.Marker{
		{Kind: changelog.MarkGap, Reason: changelog.GapSkipped, From: 3, To: 12}, // 10
		{Kind: changelog.MarkGap, Reason: changelog.GapOverflow, Lost: 7},
		{Kind: changelog.MarkGap, Reason: changelog.GapAgentDown}, // 1 at least
	} {
		r.feeds.change(changelog.Record{Type: changelog.Mark, Mark: &m})
	}
	got, discarded := r.stop()
	if len(got) != 3 || discarded != 18 || !strings.Contains(got[0], "kind=gap reason=skipped from=3 to=12") {
		t.Errorf("events %q, %d lost; want 3 marks and 18", got, discarded)
	}
}

// While the consumer takes nothing the feed waits: nothing is lost to it.
func TestConsumerTakesNothing(t *testing.T) {
	r := newRecorder(t, func(_ *source.SessionInfo, set *agent.ChannelSettings) { set.SubbufBytes, set.SubbufCount = 4096, 2 })
	r.ok(r.rule("CREAT", "/srv"))
	r.start()
	// A batch of the manager's at a time, until the buffer is full.
	sent := 0
	for r.channel.hasRoom() {
		r.feeds.change(changelog.Record{Type: changelog.Create, Path: bytes.Repeat([]byte("x"), 2000)})
		sent++
		r.settled(sent)
	}
	r.feeds.change(changelog.Record{Type: changelog.Create})
	if at := r.at(); at != sent {
		t.Errorf("%d records were read of %d, with no room for more", at, sent)
	}
	r.read()
	r.settled(sent + 1)
	if got, discarded := r.stop(); len(got) != sent+1 || discarded != 0 {
		t.Errorf("%d events of %d, %d lost", len(got), sent+1, discarded)
	}
}

func TestProcesses(t *testing.T) {
	r := newRecorder(t, nil)
	r.ok(r.rule("CREAT", "/srv"))
	r.ok(r.trace.Exclude([]int32{7}))
	r.start()
	by := func(pid uint32) {
		r.feeds.change(changelog.Record{Type: changelog.Create, Has: changelog.HasProc, Proc: changelog.Proc{PID: pid}})
	}
	by(7) // the consumer: it would go round for ever
	by(8)
	by(changelog.Unknown)
	r.settled(3)
	r.ok(r.trace.Track([]int32{9, 8}))
	by(8)
	by(10)
	by(changelog.Unknown)
	r.settled(6)
	r.ok(r.trace.Track(nil))
	by(10)
	got, _ := r.stop()
	var pids []string
	for _, e := range got {
		_, rest, _ := strings.Cut(e, "pid=")
		pid, _, _ := strings.Cut(rest, " ")
		pids = append(pids, pid)
	}
	if want := []string{"8", "-1", "8", "10"}; !slices.Equal(pids, want) {
		t.Errorf("events of processes %q, want %q", pids, want)
	}
}

func TestFeedEnds(t *testing.T) {
	r := newRecorder(t, nil)
	r.ok(r.rule("CREAT", "/srv"))
	r.start()
	r.feeds.mu.Lock()
	r.feeds.ended = errors.New("it is gone")
	r.feeds.wake()
	r.feeds.mu.Unlock()
	<-r.channel.readers[0].ended
	if w := r.trace.Warnings(); len(w) != 1 || !strings.Contains(w[0], "/srv is recorded no more: it is gone") {
		t.Errorf("warnings %q", w)
	}
	r.stop()
	r.feeds.refuse = errors.New("not yours")
	r.ok(r.channel.Rest())
	if err := r.channel.Start(); err == nil || !strings.Contains(err.Error(), "not yours") {
		t.Errorf("Start without a feed: %v", err)
	}
}

func TestCheck(t *testing.T) {
	s := New(nil, slog.New(slog.DiscardHandler))
	if err := s.Check(true); err == nil {
		t.Error("a daemon without feeds has the domain")
	}
	if _, err := s.Open(source.SessionInfo{Clock: "tai"}); err == nil {
		t.Error("a clock that there is none of is taken")
	}
}

// A packet that is not full waits for a second.
func TestPacketAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, func(i *source.SessionInfo, _ *agent.ChannelSettings) { i.Mode = agent.Snapshot })
		r.ok(r.rule("CREAT", "/srv"))
		r.start()
		r.feeds.change(changelog.Record{Type: changelog.Create})
		synctest.Wait()
		if _, _, err := r.conn.Receive(); errors.Is(err, unix.EAGAIN) {
			t.Error("in snapshot mode a batch waits in the daemon")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		<-ctx.Done() // nothing spins meanwhile
		r.stop()
	})
}
