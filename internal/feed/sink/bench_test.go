// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"fmt"
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	client "github.com/weir-io/weir/client/feed"
)

// benchBatch makes a batch of a workload, from an index on.
type benchBatch func(first uint64, n int) []changelog.Record

// creations make a new file with each record: two rows are new. It is the worst case.
func creations(first uint64, n int) []changelog.Record {
	var all []changelog.Record
	for i := range n {
		all = append(all, benchRecord(changelog.Create, first+uint64(i), first+uint64(i)))
	}
	return all
}

// lives make, fill, close, rename and, every other time, remove a file.
func lives(first uint64, n int) []changelog.Record {
	var all []changelog.Record
	for len(all) < n {
		index := first + uint64(len(all))
		file := index / 5
		r := benchRecord([]changelog.Type{changelog.Create, changelog.Mtime, changelog.Close, changelog.Rename, changelog.Unlink}[index%5], index, file)
		switch r.Type {
		case changelog.Rename:
			r.Source, r.SourceParent, r.SourceName, r.SourcePath, r.Target = r.Target, r.Parent, r.Name, r.Path, changelog.FID{}
			r.Name = append([]byte("to-"), r.SourceName...)
		case changelog.Unlink:
			if r.Name = append([]byte("to-"), r.Name...); file%2 == 0 {
				r.Type = changelog.Setattr
			} else {
				r.Flags |= changelog.FlagLast
			}
		}
		all = append(all, r)
	}
	return all
}

func benchRecord(t changelog.Type, index, file uint64) changelog.Record {
	n := fmt.Appendf(nil, "file-%08d.data", file)
	return changelog.Record{
		Index: index, Time: 1e18 + int64(index)*1000, Type: t, Has: changelog.HasAttr | changelog.HasUser | changelog.HasProc,
		Target: changelog.FID{Seq: 1000 + file, Ver: 7}, Parent: changelog.FID{Seq: 2 + file/500, Ver: 1},
		Name: n, Path: append([]byte("srv/data/"), n...), UID: 1000, GID: 1000,
		Proc: changelog.Proc{PID: 4711, By: changelog.ByPidfd, Comm: [16]byte{'c', 'p'}},
		Attr: changelog.Attr{Mode: unix.S_IFREG | 0o644, Links: 1, UID: 1000, GID: 1000, Size: index, Blocks: 8, Mtime: 1e18, Ctime: 1e18},
	}
}

func benchmarkSink(b *testing.B, to, tables string, audit bool, batch int, make benchBatch) {
	s, err := Open(b.Context(), Options{
		Info: client.Info{ID: "cl1", Source: "u", Last: 1 << 40}, To: to, Tables: tables, Audit: audit, Batch: batch, Log: slog.New(slog.DiscardHandler),
	})
	must(b, err)
	defer s.Close()
	next := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		records := make(next, batch)
		next += uint64(batch)
		b.StartTimer()
		must(b, s.Apply(b.Context(), &client.Batch{Records: records, Through: next - 1}))
	}
	b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// The rate of durable transactions, records to tables; the source is not looked at.
func BenchmarkSink(b *testing.B) {
	for _, w := range []struct {
		name string
		make benchBatch
	}{{"creations", creations}, {"lives", lives}} {
		for _, audit := range []bool{false, true} {
			for _, batch := range []int{1000, 5000} {
				b.Run(fmt.Sprintf("sqlite/%s/audit=%v/batch=%d", w.name, audit, batch), func(b *testing.B) {
					benchmarkSink(b, "sqlite:"+b.TempDir()+"/bench.db", "", audit, batch, w.make)
				})
			}
		}
	}
}

func BenchmarkPostgres(b *testing.B) {
	to := newCluster(b).url()
	for i, audit := range []bool{false, true} {
		b.Run(fmt.Sprintf("lives/audit=%v/batch=5000", audit), func(b *testing.B) {
			benchmarkSink(b, to, fmt.Sprintf("b%d_%d_", i, b.N), audit, 5000, lives)
		})
	}
}
