// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/feed/fstest"
	"github.com/weir-io/weir/internal/feed/journal"
)

// BenchmarkStorm has two threads make, write, rename and remove files as fast as they
// can while a source makes records of it in a store on disk. One operation is one file:
// five calls, which give six records when none is folded. records/s is from the first
// call to the last record on disk; cpu-us/record is of source and storm together.
func BenchmarkStorm(b *testing.B) {
	for _, kind := range []string{"ext4", "tmpfs"} {
		for _, index := range []string{"full", "dirs"} {
			b.Run(kind+"/"+index, func(b *testing.B) { benchmarkStorm(b, kind, index == "dirs") })
		}
	}
}

func benchmarkStorm(b *testing.B, kind string, dirs bool) {
	fs := fstest.New(b, kind)
	store, err := journal.OpenStore(b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s, err := Open(b.Context(), Options{Dir: fs.Dir, Store: store, Log: slog.New(slog.DiscardHandler), Dirs: dirs})
	if err != nil {
		b.Fatal(err)
	}
	s.pid = -1
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := s.Ready(ctx); err != nil {
		b.Fatal(err)
	}
	_, before := s.Journal().Bounds()
	cpu := cpuTime(b)
	b.ResetTimer()
	churnFiles(fs.Dir, 2, b.N)
	for waiting := true; waiting; {
		_, changed := s.Journal().Changed()
		if err := s.ask(ctx, func(context.Context) error {
			var err error
			waiting, err = s.worker.behind()
			return err
		}); err != nil {
			b.Fatal(err)
		}
		if waiting {
			<-changed
		}
	}
	b.StopTimer()
	_, after := s.Journal().Bounds()
	b.ReportMetric(float64(after-before)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(after-before)/1e3, "cpu-us/record")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process has run, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// churnFiles makes, writes, renames and removes n files by so many threads.
func churnFiles(dir string, threads, n int) {
	var wg sync.WaitGroup
	for t := range threads {
		wg.Go(func() {
			for i := t; i < n; i += threads {
				a, z := filepath.Join(dir, fmt.Sprintf("a%d", i)), filepath.Join(dir, fmt.Sprintf("z%d", i))
				_ = os.WriteFile(a, []byte("x"), 0o600)
				_ = os.Rename(a, z)
				_ = os.Remove(z)
			}
		})
	}
	wg.Wait()
}
