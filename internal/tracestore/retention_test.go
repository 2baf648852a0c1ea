// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracestore

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/lttng"
)

// archiveAt is the directory of a chunk of one minute that ended at a time.
func archiveAt(dir string, ended time.Time, id lttng.ChunkID) string {
	end := uint64(ended.Unix())
	return dir + "/archives/" + archiveName(end-60, end, id, time.UTC)
}

// aged makes a session of three archived chunks of 30 bytes that ended three,
// two and one hours ago, and a snapshot of another that ended 90 minutes ago.
func (f *catalogFixture) aged() (dirs []string) {
	f.t.Helper()
	for i := range 3 {
		dirs = append(dirs, archiveAt("vm/s-20261120-080000", f.now.Add(time.Duration(i-3)*time.Hour), lttng.ChunkID(i)))
	}
	f.trace(10, dirs...)
	snapshot := "vm/t-20261120-100000/snapshot-1-20261120-103000-0"
	f.trace(10, snapshot)
	f.touch(snapshot, f.now.Add(-90*time.Minute))
	return append(dirs, snapshot)
}

// touch sets the time of all files below a directory.
func (f *catalogFixture) touch(dir string, at time.Time) {
	f.t.Helper()
	for _, name := range f.tree() {
		if within(name, dir) {
			if err := os.Chtimes(filepath.Join(f.out, name), at, at); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

func (f *catalogFixture) retention(limits RetentionLimits, free *int64) (*Retention, *bytes.Buffer) {
	var log bytes.Buffer
	return NewRetention(f.catalog, RetentionOptions{
		Limits: limits, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Space: func() (Space, error) {
			if free == nil {
				return Space{}, errors.New("no such figure")
			}
			return Space{Free: *free, Total: 1000}, nil
		},
	}), &log
}

func TestRetentionPlan(t *testing.T) {
	free := int64(100)
	tests := []struct {
		name   string
		limits RetentionLimits
		want   []int // of aged's directories
		reason RemovalReason
		whole  []int
	}{
		{name: "no limits"},
		{name: "age", limits: RetentionLimits{MaxAge: 100 * time.Minute}, want: []int{0, 1}},
		{name: "age of all", limits: RetentionLimits{MaxAge: time.Minute}, want: []int{0, 1, 3, 2}, whole: []int{3, 2}},
		{name: "bytes", limits: RetentionLimits{MaxBytes: 60}, want: []int{0, 1}, reason: ReasonBytes},
		{name: "one byte too many", limits: RetentionLimits{MaxBytes: 119}, want: []int{0}, reason: ReasonBytes},
		{name: "bytes that suffice", limits: RetentionLimits{MaxBytes: 120}},
		{name: "free", limits: RetentionLimits{MinFree: 170}, want: []int{0, 1, 3}, reason: ReasonFree, whole: []int{3}},
		{name: "free that suffices", limits: RetentionLimits{MinFree: 100}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newCatalogFixture(t, ByHost)
			dirs := f.aged()
			before := f.tree()
			r, _ := f.retention(tt.limits, &free)
			plan, err := r.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got, want, whole, wantWhole []string
			for _, m := range plan {
				got = append(got, m.Chunk.Dir+" "+m.Reason.String())
				if m.Whole {
					whole = append(whole, m.Chunk.Dir)
				}
			}
			for _, i := range tt.want {
				want = append(want, dirs[i]+" "+tt.reason.String())
			}
			for _, i := range tt.whole {
				wantWhole = append(wantWhole, dirs[i])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantWhole, whole); diff != "" {
				t.Errorf("last chunks of their sessions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, f.tree()); diff != "" {
				t.Errorf("the plan changed files (-before +after):\n%s", diff)
			}
		})
	}
}

func TestRetentionRemoves(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	dirs := f.aged()
	r, log := f.retention(RetentionLimits{MaxBytes: 30}, nil)
	done, err := r.RunOnce(t.Context())
	if err != nil || len(done) != 3 {
		t.Fatalf("RunOnce removed %d, %v, want 3", len(done), err)
	}
	for i, dir := range dirs {
		if kept := f.has(dir); kept != (i == 2) {
			t.Errorf("%s is kept: %v", dir, kept)
		}
	}
	if f.has("vm/t-20261120-100000") {
		t.Error("a session without chunks was left")
	}
	want := RetentionStats{Chunks: 3, Sessions: 1, Bytes: 90, Runs: 1}
	if got := r.Stats(); got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	if n := strings.Count(log.String(), "stored chunk removed"); n != 3 || !strings.Contains(log.String(), "reason=max_bytes") {
		t.Errorf("logged %d removals, want 3:\n%s", n, log)
	}
	if done, err = r.RunOnce(t.Context()); err != nil || len(done) != 0 {
		t.Errorf("second RunOnce removed %d, %v, want nothing", len(done), err)
	}
}

// Removing stops as soon as the file system has room, whoever made it.
func TestRetentionLooksAgain(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	dirs := f.aged()
	asked := 0
	r := NewRetention(f.catalog, RetentionOptions{
		Limits: RetentionLimits{MinFree: 200}, Log: f.store.log,
		Space: func() (Space, error) {
			asked++ // for the plan, and before each removal
			if asked > 2 {
				return Space{Free: 200}, nil
			}
			return Space{}, nil
		},
	})
	done, err := r.RunOnce(t.Context())
	if err != nil || len(done) != 1 {
		t.Fatalf("RunOnce removed %d, %v, want 1", len(done), err)
	}
	if f.has(dirs[0]) || !f.has(dirs[1]) {
		t.Errorf("left: %q, want all but the oldest", f.tree())
	}
}

func TestRetentionSparesOpenSessions(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	ss := f.open("s", nil)
	f.begin(ss, 0, "")
	sts := f.streams(ss)
	f.now = f.now.Add(time.Minute)
	f.rotate(ss, sts, 1)
	f.packet(sts[1], 1)
	legacy := f.open("u", func(m *lttng.CreateSession) { m.Hostname = "other" })
	f.begin(legacy, 0, "")
	f.streams(legacy)
	kept := f.find(ss.Dir())
	f.now = f.now.Add(1000 * time.Hour)
	r, _ := f.retention(RetentionLimits{MaxAge: time.Second, MaxBytes: 1}, nil)
	if plan, err := r.Plan(t.Context()); err != nil || len(plan) != 1 {
		t.Errorf("Plan names %d chunks, %v, want the archived one", len(plan), err)
	}
	done, err := r.RunOnce(t.Context())
	if err != nil || len(done) != 1 || done[0].Chunk.State != ChunkArchived || done[0].Whole {
		t.Fatalf("RunOnce = %+v, %v, want the archived chunk alone", done, err)
	}
	s := f.find(ss.Dir())
	if len(s.Chunks) != 1 || s.Bytes != kept.Bytes-done[0].Chunk.Bytes || s.Bytes == 0 {
		t.Errorf("left of the open session:\n%s", f.describe())
	}
	f.packet(sts[1], 2)
	f.rotate(ss, sts, 2)
	ss.Close()
	legacy.Close()
	if _, err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.tree(); len(got) != 0 {
		t.Errorf("left after the sessions closed: %q", got)
	}
}

func TestRetentionOfEmptySession(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	if err := os.MkdirAll(filepath.Join(f.out, "vm/s-20261120-080000"), 0o770); err != nil {
		t.Fatal(err)
	}
	r, _ := f.retention(RetentionLimits{MaxAge: time.Hour}, nil)
	if done, err := r.RunOnce(t.Context()); err != nil || len(done) != 1 || !done[0].Whole {
		t.Errorf("RunOnce = %+v, %v, want the empty session", done, err)
	}
	if f.has("vm") {
		t.Error("the empty session stayed")
	}
}

func TestRetentionFinishesRemovals(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	f.trace(10, "vm/.weir-removed-0", "other/s-20261120-080000/archives/.weir-removed-3")
	r, _ := f.retention(RetentionLimits{MaxAge: time.Hour}, nil)
	if _, err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.has("vm") || f.has("other/s-20261120-080000/archives/.weir-removed-3") {
		t.Errorf("left: %q", f.tree())
	}
}

// What cannot be removed is told once and does not stop the rest.
func TestRetentionReportsFailures(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	dirs := f.aged()
	taken := filepath.Join(f.out, filepath.Dir(dirs[0]))
	for i := range maxSuffix {
		if err := os.Mkdir(filepath.Join(taken, trashPrefix+strconv.Itoa(i)), 0o770); err != nil {
			t.Fatal(err)
		}
	}
	r, log := f.retention(RetentionLimits{MaxAge: time.Minute}, nil)
	inv := f.list()
	plan, err := r.plan(inv)
	if err != nil || len(plan) != 4 {
		t.Fatalf("plan = %d, %v, want 4", len(plan), err)
	}
	for range 2 {
		done, err := r.carryOut(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		if len(done) > 1 {
			t.Errorf("removed %d, want the snapshot at most", len(done))
		}
	}
	if f.has(dirs[3]) || !f.has(dirs[0]) {
		t.Errorf("left: %q", f.tree())
	}
	if got := r.Stats().Failures; got != 6 {
		t.Errorf("failures = %d, want 6", got)
	}
	if n := strings.Count(log.String(), "stored chunk not removed"); n != 3 {
		t.Errorf("logged %d failures, want 3:\n%s", n, log)
	}
}

func TestRetentionRuns(t *testing.T) {
	f := newCatalogFixture(t, ByHost)
	f.aged()
	synctest.Test(t, func(t *testing.T) {
		r, _ := f.retention(RetentionLimits{MaxAge: time.Minute}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }() // ends with ctx
		synctest.Wait()
		if got := r.Stats(); got.Runs != 1 || got.Chunks != 4 {
			t.Errorf("after the start: %+v, want one run that removed 4", got)
		}
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if got := r.Stats().Runs; got != 4 {
			t.Errorf("runs after three intervals = %d, want 4", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}
