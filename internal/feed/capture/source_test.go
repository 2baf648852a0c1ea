// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
	"github.com/weir-io/weir/internal/wait"
)

// watched is a source that runs.
type watched struct {
	*Source
	t    *testing.T
	from uint64 // index to read on from
}

// watch runs a source on a directory until the test ends. Changes that the test makes
// count: it is as if they were another's.
func watch(t *testing.T, store journal.Store, dir string) *watched {
	t.Helper()
	return watchWith(t, Options{Dir: dir, Store: store})
}

// watchWith is watch with options.
func watchWith(t *testing.T, o Options) *watched {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := Open(t.Context(), o)
	must(t, err)
	s.pid = -1
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	must(t, s.Ready(t.Context()))
	_, last := s.Journal().Bounds()
	return &watched{Source: s, t: t, from: last + 1}
}

func memory(t *testing.T) journal.Store {
	t.Helper()
	s, err := journal.OpenMemory()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// settled waits until nothing is on its way any more.
func (s *watched) settled() {
	s.t.Helper()
	wait.Until(s.t, "events to be taken over", func() bool {
		var idle bool
		err := s.ask(s.t.Context(), func(context.Context) error {
			behind, err := s.worker.behind()
			idle = !behind && s.worker.quiet.empty() && s.worker.scan == nil && !s.worker.scanDue
			return err
		})
		must(s.t, err)
		return idle
	})
}

// records returns what came since the last call.
func (s *watched) records() []changelog.Record {
	s.t.Helper()
	s.settled()
	var all []changelog.Record
	for {
		c := journal.Chunk{MaxRecords: 1000, MaxBytes: 1 << 20}
		must(s.t, s.Journal().Read(s.from, &c))
		if len(c.Ends) == 0 {
			return all
		}
		begin := 0
		for _, end := range c.Ends {
			var r changelog.Record
			must(s.t, changelog.DecodeNative(c.Data[begin:end], &r))
			if r.Index != s.from {
				s.t.Fatalf("record: got index %d, want %d", r.Index, s.from)
			}
			all = append(all, r)
			begin = end
			s.from++
		}
	}
}

// brief is a record as tests name it: "RENME a>d/b synth".
func brief(r *changelog.Record) string {
	s := r.Type.String()
	switch {
	case r.Type == changelog.Mark:
		return s + " " + r.Mark.Kind.String()
	case r.Type == changelog.Rename:
		s += fmt.Sprintf(" %s>%s", r.SourcePath, r.Path)
	default:
		s += " " + string(r.Path)
	}
	for _, f := range []struct {
		flag changelog.Flags
		name string
	}{
		{changelog.FlagLast, "last"},
		{changelog.FlagExchange, "exchange"},
		{changelog.FlagSynth, "synth"},
		{changelog.FlagMerged, "merged"},
		{changelog.FlagGone, "gone"},
	} {
		if r.Flags&f.flag != 0 {
			s += " " + f.name
		}
	}
	return s
}

func briefs(all []changelog.Record) string {
	var lines []string
	for i := range all {
		lines = append(lines, brief(&all[i]))
	}
	return strings.Join(lines, "; ")
}

// sh runs a shell command in a directory.
func sh(t *testing.T, dir, script string) {
	t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

func TestOperations(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			s := watch(t, memory(t), fs.Dir)
			for _, op := range []struct{ script, want string }{
				{"echo x > a", "CREAT a; MTIME a; CLOSE a"},
				{"mkdir d d/e", "MKDIR d; MKDIR d/e"},
				{"ln -s a s", "SLINK s"},
				{"mkfifo f", "MKNOD f"},
				{"ln a b", "HLINK b"},
				{"rm b", "UNLNK b"},
				{"chmod 600 a", "SATTR a"},
				{"chmod 700 d", "SATTR d"},
				{"setfattr -n user.x -v 1 a", "XATTR a"},
				{"touch -d 2020-01-01 a", "MTIME a; CLOSE a"},
				{"mv a d/c", "RENME a>d/c"},
				{"truncate -s 0 d/c", "TRUNC d/c; CLOSE d/c"},
				{"echo > v; sync", "CREAT v; MTIME v; CLOSE v"},
				{"mv d/c v", "RENME d/c>v last"},
				{"ln v w", "HLINK w"},
				{"rm w", "UNLNK w"},
				{"rm v", "UNLNK v last"},
				{"rmdir d/e", "RMDIR d/e last"},
				{"echo > d/one; echo > two", "CREAT d/one; MTIME d/one; CLOSE d/one; CREAT two; MTIME two; CLOSE two"},
				{"mv --exchange d/one two 2>/dev/null || python3 -c 'import ctypes; import sys; sys.exit(ctypes.CDLL(None).renameat2(-100, b\"d/one\", -100, b\"two\", 2))'", "RENME d/one>two exchange"},
			} {
				sh(t, fs.Dir, op.script)
				if got := briefs(s.records()); got != op.want {
					t.Errorf("%s: got %q, want %q", op.script, got, op.want)
				}
			}
		})
	}
}

func TestActorIsKnown(t *testing.T) {
	fs := fstest.New(t, "ext4")
	s := watch(t, memory(t), fs.Dir)
	must(t, os.WriteFile(fs.Path("a"), nil, 0o600))
	for _, r := range s.records() {
		if r.Proc.PID != uint32(os.Getpid()) || r.UID != uint32(os.Geteuid()) || r.Proc.By != changelog.ByPidfd {
			t.Errorf("%s: got process %d, user %d, found by %v, want %d, %d, %v", brief(&r),
				r.Proc.PID, r.UID, r.Proc.By, os.Getpid(), os.Geteuid(), changelog.ByPidfd)
		}
	}
}

func TestIndexOfDirectories(t *testing.T) {
	for _, kind := range fstest.Kinds {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			sh(t, fs.Dir, "mkdir d; echo > d/old; echo > old")
			s := watchWith(t, Options{Dir: fs.Dir, Store: memory(t), Dirs: true})
			for _, op := range []struct{ script, want string }{
				{"echo x > d/a", "CREAT d/a; MTIME d/a; CLOSE d/a"},
				{"mv d/a b", "RENME d/a>b"},
				{"mv d/old c", "RENME d/old>c"},
				{"chmod 600 old", "SATTR old"},
				{"rm old", "UNLNK old last"},
				{"ln c e", "HLINK e"},
				{"rm e", "UNLNK e"},
				{"mv d f; mkdir f/g", "RENME d>f; MKDIR f/g"},
				{"rmdir f/g", "RMDIR f/g last"},
			} {
				sh(t, fs.Dir, op.script)
				if got := briefs(s.records()); got != op.want {
					t.Errorf("%s: got %q, want %q", op.script, got, op.want)
				}
			}
			must(t, s.Rescan(t.Context()))
			got := briefs(s.records())
			for _, want := range []string{"MARK scan_begin; ", "CREAT b synth", "CREAT c synth", "; MARK scan_end"} {
				if !strings.Contains(got, want) {
					t.Errorf("rescan: got %q, want %q in it", got, want)
				}
			}
		})
	}
}

func TestScanFindsWhatNobodyWatched(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			store := memory(t)
			sh(t, fs.Dir, "mkdir -p a/b/c z; echo > a/b/f; echo > a/g; ln a/g h; echo > gone; mkdir -p goner/x; echo > goner/x/y")
			t.Run("before", func(t *testing.T) { watch(t, store, fs.Dir) })
			p := &replay{names: onDisk(t, fs.Dir)}
			sh(t, fs.Dir, "mv a/b z/b2; rm gone h; rm -r goner; echo > new; mkdir -p n/m; echo > n/m/o; chmod 600 a/g; mv z/b2/c z; mkdir a/b")
			s := watch(t, store, fs.Dir)
			s.from = 1
			all := s.records()
			if len(all) == 0 || all[0].Mark == nil || all[0].Mark.Kind != changelog.MarkGap || all[0].Mark.Reason != changelog.GapAgentDown {
				t.Fatalf("first record: got %q, want a gap", briefs(all[:min(1, len(all))]))
			}
			for i := range all {
				if err := p.apply(&all[i]); err != nil {
					t.Fatal(err)
				}
			}
			compareNames(t, p.names, onDisk(t, fs.Dir))
			if got := briefs(all); !strings.Contains(got, "SATTR a/g synth") {
				t.Errorf("got %q, want the change of a mode in it", got)
			}
		})
	}
}

func TestUnmountAndMount(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			fs := fstest.New(t, kind)
			s := watch(t, memory(t), fs.Dir)
			sh(t, fs.Dir, "echo > a")
			s.records()
			wait.Until(t, "the file system to be let go", func() bool {
				return exec.Command("umount", fs.Dir).Run() == nil
			})
			wait.Until(t, "the source to be absent", func() bool { return s.Status().State == StateAbsent })
			fs.Mount()
			sh(t, fs.Dir, "echo > b")
			wait.Until(t, "the source to be active", func() bool { return s.Status().State == StateActive })
			all := s.records()
			got := briefs(all)
			for i := range all {
				if m := all[i].Mark; m != nil && m.Kind == changelog.MarkGap && (m.Since != all[0].Time || m.Until <= m.Since) {
					t.Errorf("got a gap from %d to %d, want from the unmount, at %d, on", m.Since, m.Until, all[0].Time)
				}
			}
			for _, want := range []string{"MARK unmount", "MARK mount", "MARK gap", "CREAT b"} {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
		})
	}
}

func TestOverflowIsAGap(t *testing.T) {
	fs := fstest.New(t, "tmpfs")
	o := Options{Dir: fs.Dir, Store: memory(t), Limited: true}
	s := watchWith(t, o)
	p := &replay{names: onDisk(t, fs.Dir)}
	hold := make(chan struct{})
	held := make(chan struct{})
	go func() {
		_ = s.ask(context.Background(), func(context.Context) error { close(held); <-hold; return nil })
	}()
	<-held
	sh(t, fs.Dir, "i=0; while [ $i -lt 17000 ]; do : > f$i; i=$((i+1)); done")
	close(hold)
	all := s.records()
	if got := briefs(all); !strings.Contains(got, "MARK gap; MARK scan_begin") {
		t.Error("no gap, followed by a scan, among the records")
	}
	for i := range all {
		if err := p.apply(&all[i]); err != nil {
			t.Fatal(err)
		}
	}
	compareNames(t, p.names, onDisk(t, fs.Dir))
}

// Of a rename it is what was replaced that the record before is named of, if anything was.
func TestPrev(t *testing.T) {
	s := watch(t, memory(t), fstest.New(t, "tmpfs").Dir)
	first := s.from
	for _, op := range []struct {
		script string
		want   []uint64 // counted from the first record; 0 is none
	}{
		{"mkdir d", []uint64{0}},               // 1
		{"mkdir e", []uint64{0}},               // 2
		{"ln -s x s", []uint64{0}},             // 3
		{"ln s t", []uint64{3}},                // 4
		{"ln -s x u", []uint64{0}},             // 5
		{"mv u v", []uint64{5}},                // 6: nothing replaced
		{"mv -fT v t", []uint64{4}},            // 7: replaced one of two names
		{"rm s", []uint64{7}},                  // 8: whose object is told of in 7
		{"rm t", []uint64{7}},                  // 9: as is what moved
		{"mv -fT e d", []uint64{1}},            // 10
		{"rmdir d", []uint64{10}},              // 11: what was e, and not what was d
		{"mkdir a; ln -s x b", []uint64{0, 0}}, // 12, 13
	} {
		sh(t, s.Status().Dir, op.script)
		all := s.records()
		if len(all) != len(op.want) {
			t.Fatalf("%s: got %s, want %d records", op.script, briefs(all), len(op.want))
		}
		for i, r := range all {
			want := op.want[i]
			if want > 0 {
				want += first - 1
			}
			if r.Prev != want {
				t.Errorf("%s: %s: got prev %d, want %d", op.script, brief(&r), r.Prev, want)
			}
		}
	}
}
