// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-io/weir/changelog"
)

// benchRecord appends 150 bytes that compress about as records do.
func benchRecord(p []byte, index uint64) []byte {
	p = binary.LittleEndian.AppendUint64(p, index)
	p = binary.LittleEndian.AppendUint64(p, index*0x9E3779B97F4A7C15)
	for len(p)%150 != 0 {
		p = append(p, byte(len(p)%7))
	}
	return p
}

// cpuTime is what the process has run.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentBytes is the memory of the process.
func residentBytes(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// reportCPU adds the rate and what each record has cost.
func reportCPU(b *testing.B, records int, before time.Duration) {
	b.Helper()
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "rec/s")
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(records), "cpu-ns/rec")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			_, j := openTest(b, b.TempDir(), Options{})
			var batch Batch
			next, before := uint64(1), cpuTime(b)
			for b.Loop() {
				batch.Reset(next)
				for range size {
					batch.Append(func(p []byte) []byte { return benchRecord(p, batch.Next()) })
				}
				next = batch.Next()
				if err := j.Apply(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, int(next-1), before)
		})
	}
}

// BenchmarkAppendWithIndex is what capture does for each new file: two look-ups that
// find nothing, one of its directory, a record, an object and a name.
func BenchmarkAppendWithIndex(b *testing.B) {
	const size = 1000
	d, j := openTest(b, b.TempDir(), Options{})
	var batch Batch
	next, before := uint64(1), cpuTime(b)
	n := 0
	for b.Loop() {
		batch.Reset(next)
		for range size {
			storm(b, j, &batch, n)
			n++
		}
		next = batch.Next()
		if err := j.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, n, before)
	b.ReportMetric(float64(d.Bytes())/float64(n), "disk-B/rec")
	runtime.GC()
	b.ReportMetric(residentBytes(b), "rss-MB")
}

// storm puts what the n-th new file comes to.
func storm(b *testing.B, j Journal, batch *Batch, n int) {
	fid := changelog.FID{Seq: 1000 + uint64(n), Ver: uint32(n * 2654435761)}
	parent := changelog.FID{Seq: uint64(10 + n/500)}
	name := strconv.AppendInt([]byte("file-"), int64(n*7919%1000003), 16)
	var o Object
	if _, err := j.Object(fid, &o); err != nil {
		b.Fatal(err)
	}
	if _, _, err := j.Dirent(parent, name); err != nil {
		b.Fatal(err)
	}
	o = Object{
		Type: syscall.S_IFREG, Mode: 0o644, UID: 1000, GID: 1000, Links: 1, Size: uint64(n) % 9999, Blocks: 8,
		Atime: 1700000000e9 + int64(n)*1e5, Last: batch.Next(),
	}
	o.Mtime, o.Ctime = o.Atime+50, o.Atime+90
	batch.Append(func(p []byte) []byte { return benchRecord(p, batch.Next()) })
	batch.PutObject(fid, &o)
	batch.PutDirent(parent, name, fid)
}

func BenchmarkLookUp(b *testing.B) {
	const files = 1_000_000
	_, j := openTest(b, b.TempDir(), Options{})
	var batch Batch
	for n := 0; n < files; {
		batch.Reset(uint64(n + 1))
		for range 1000 {
			storm(b, j, &batch, n)
			n++
		}
		if err := j.Apply(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	var o Object
	for _, tt := range []struct {
		name string
		fid  func() changelog.FID
	}{
		{"hot", func() changelog.FID {
			n := files - 1 - r.IntN(1000)
			return changelog.FID{Seq: 1000 + uint64(n), Ver: uint32(n * 2654435761)}
		}},
		{"cold", func() changelog.FID {
			n := r.IntN(files)
			return changelog.FID{Seq: 1000 + uint64(n), Ver: uint32(n * 2654435761)}
		}},
		{"absent", func() changelog.FID { return changelog.FID{Seq: 1000 + uint64(r.IntN(files)), OID: 1} }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				if found, err := j.Object(tt.fid(), &o); err != nil || found != (tt.name != "absent") {
					b.Fatal(found, err)
				}
			}
		})
	}
	b.Run("rss", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
		}
		b.ReportMetric(residentBytes(b), "rss-MB")
	})
}

func BenchmarkRead(b *testing.B) {
	_, j := openTest(b, b.TempDir(), Options{})
	const records = 1_000_000
	fill(b, j, records)
	c := Chunk{MaxRecords: 1000, MaxBytes: 1 << 20}
	before, n := cpuTime(b), 0
	for b.Loop() {
		for from := uint64(1); from <= records; from = c.Next {
			if err := j.Read(from, &c); err != nil {
				b.Fatal(err)
			}
			n += len(c.Ends)
		}
	}
	reportCPU(b, n, before)
}

// fill appends n records behind those that there are.
func fill(b *testing.B, j Journal, n int) {
	b.Helper()
	var batch Batch
	_, last := j.Bounds()
	for end := last + uint64(n); last < end; last = batch.Next() - 1 {
		batch.Reset(last + 1)
		for range min(1000, end-last) {
			batch.Append(func(p []byte) []byte { return benchRecord(p, batch.Next()) })
		}
		if err := j.Apply(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTrim(b *testing.B) {
	_, j := openTest(b, b.TempDir(), Options{})
	for b.Loop() {
		b.StopTimer()
		fill(b, j, 10_000)
		_, last := j.Bounds()
		b.StartTimer()
		if err := j.Trim(b.Context(), last); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFeeds appends while so many feeds cancel, each after every tenth batch.
func BenchmarkFeeds(b *testing.B) {
	for _, feeds := range []int{1, 250} {
		b.Run(strconv.Itoa(feeds), func(b *testing.B) {
			d, j := openTest(b, b.TempDir(), Options{})
			var batch Batch
			var wg sync.WaitGroup
			next, before := uint64(1), cpuTime(b)
			for n := 0; b.Loop(); n++ {
				batch.Reset(next)
				for range 1000 {
					batch.Append(func(p []byte) []byte { return benchRecord(p, batch.Next()) })
				}
				next = batch.Next()
				if err := j.Apply(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
				if n%10 != 0 {
					continue
				}
				wg.Wait()
				for id := range feeds {
					wg.Go(func() {
						if err := d.PutFeed(b.Context(), Feed{ID: uint32(id + 1), Source: sourceA, Cancelled: next - 1}); err != nil {
							b.Error(err)
						}
					})
				}
			}
			wg.Wait()
			reportCPU(b, int(next-1), before)
		})
	}
}
