// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Memory is given back a second after the start, two seconds later, and so on.
func TestThrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { // waited for below
			defer close(ended)
			Thrift(ctx, log)
		}()
		<-time.After(8 * time.Second) // after 1, 3 and 7
		cancel()
		<-ended
		if n := strings.Count(text.String(), "memory given back"); n != 3 {
			t.Errorf("given back %d times, want 3:\n%s", n, &text)
		}
	})
}
