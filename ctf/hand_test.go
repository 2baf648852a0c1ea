package ctf

import (
	"io"
	"os"
	"testing"
)

func BenchmarkHand(b *testing.B) {
	root := os.Getenv("CTF_HAND")
	if root == "" {
		b.Skip()
	}
	set, err := Open(Options{}, root)
	if err != nil {
		b.Fatal(err)
	}
	for _, merge := range []bool{false, true} {
		b.Run(map[bool]string{false: "stream", true: "merged"}[merge], func(b *testing.B) {
			n := 0
			for b.Loop() {
				if !merge {
					c := NewCursor(set.Traces[0].Streams[0], 256<<10)
					for {
						k, err := c.Next()
						if err == io.EOF {
							break
						}
						if err != nil {
							b.Fatal(err)
						}
						if k == EventRecord {
							n++
						}
					}
				} else {
					m := set.Merger()
					for {
						_, k, err := m.Next()
						if err == io.EOF {
							break
						}
						if k == EventRecord {
							n++
						}
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
		})
	}
}
