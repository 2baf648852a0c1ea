// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"fmt"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
)

// A message a chunk, against one a record, on a server that syncs.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []uint64{1, 100, 1000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			s := newSource(1, 1, every(time.Microsecond))
			p := publisher(b, newServer(b).ClientURL(), uuidOf(1), s, 1<<40, 0)
			defer p.Close()
			next := uint64(1)
			for b.Loop() {
				b.StopTimer()
				batch := &client.Batch{Records: newSource(next, n, every(time.Microsecond)).records, Through: next + n - 1}
				next += n
				b.StartTimer()
				must(b, p.Publish(b.Context(), batch))
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// Chunks of 8 hosts, merged.
func BenchmarkSubscribe(b *testing.B) {
	url := newServer(b).ClientURL()
	const hosts, n = 8, 50_000
	for i := range hosts {
		s := newSource(1, n, every(time.Duration(i+1)*time.Microsecond))
		p := s.publisher(b, url, uuidOf(i))
		must(b, p.Run(b.Context(), true))
		p.Close()
	}
	for b.Loop() {
		sub := subscriber(b, url, "")
		for got := 0; got < hosts*n; {
			all, err := sub.Batch(b.Context(), false)
			must(b, err)
			got += len(all)
		}
		sub.Close()
	}
	b.ReportMetric(float64(hosts*n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
