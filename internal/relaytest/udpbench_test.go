// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaytest_test

import (
	"syscall"
	"testing"

	client "github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/lttng"
)

func BenchmarkUDP(b *testing.B) {
	for _, udp := range []bool{false, true} {
		name := "tcp"
		if udp {
			name = "udp"
		}
		b.Run(name, func(b *testing.B) {
			r := relaytest.Start(b, relaytest.UDP)
			o := client.Options{Session: "s", Hostname: "h"}
			control, data := "tcp://"+r.Control, "tcp://"+r.Data
			if udp {
				data = "udp://" + r.Data
			}
			parse := func(s string) lttng.URL {
				u, err := lttng.ParseURL(s)
				if err != nil {
					b.Fatal(err)
				}
				return u
			}
			s, err := client.Dial(b.Context(), parse(control), parse(data), o)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Abort()
			streams, err := s.AddStreams(b.Context(), client.StreamOptions{Channel: "ch_0", Path: "kernel"})
			if err != nil {
				b.Fatal(err)
			}
			packet := relaytest.Packet(0, 0, 32<<10)
			b.SetBytes(int64(len(packet)))
			before := processorTime(b)
			n := uint64(0)
			for b.Loop() {
				if err := streams[0].SendPacket(b.Context(), packet, packetInfo(n)); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if err := s.Drain(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(n*32<<10), "cpu-ns/B")
			if stats, ok := s.UDP(); ok {
				b.ReportMetric(float64(stats.Retransmitted)/float64(stats.Datagrams)*100, "%again")
			}
		})
	}
}

// processorTime is what this process has used, in ns.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
