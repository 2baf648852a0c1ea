// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"io"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/xmlsysd"
)

// BenchmarkMessage is a message over loopback, both ends.
func BenchmarkMessage(b *testing.B) {
	for _, set := range []string{"legacy", "default"} {
		b.Run(set, func(b *testing.B) {
			h := start(b, Options{Engine: newEngine(b, hoststat.Options{MinInterval: -1, Budget: -1})})
			c := h.dial(b)
			if err := c.SetDeadline(time.Time{}); err != nil {
				b.Fatal(err)
			}
			reader := xmlsysd.NewReader(c.in, 0)
			c.say("init\noff all\non " + set + "\n")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(c.Conn, "send\n"); err != nil {
					b.Fatal(err)
				}
				if _, err := reader.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
