// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/tracepoint"
	"github.com/weir-io/weir/tracepoint/runtimetrace"
)

// The service's tracepoints.
var (
	shop    = tracepoint.NewProvider("shop")
	ordered = tracepoint.New3(shop, "ordered", tracepoint.Info,
		tracepoint.Int64("id"), tracepoint.String("item"), tracepoint.Enum("size", "size", map[int]string{1: "SMALL", 2: "LARGE"}))
	spans = tracepoint.NewSpans(shop)
	stats = tracepoint.NewRuntime(shop)

	goroutines = runtimetrace.New(slog.New(slog.NewTextHandler(os.Stderr, nil)))
)

// service takes orders by HTTP.
type service struct {
	log  *slog.Logger
	last atomic.Int64
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, span := spans.Start(r.Context(), "order")
	defer span.End()
	id, item := s.last.Add(1), r.FormValue("item")
	ordered.Write(id, item, 2)
	s.store(ctx, item)
	fmt.Fprintf(w, "order %d: %s\n", id, item)
}

func (s *service) store(ctx context.Context, item string) {
	ctx, span := spans.Start(ctx, "store") // within the one of the context
	defer span.End()
	s.log.InfoContext(ctx, "stored", "item", item)
}

// A service with an event, spans, a log and statistics of its runtime. It does the same
// whether or not it is traced.
func Example() {
	// Records are events, and go to the other handler as before.
	handler := tracepoint.NewHandler(shop, slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server := httptest.NewServer(&service{log: slog.New(handler)})
	defer server.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go stats.Run(ctx, time.Second)
	go goroutines.Run(ctx)

	order, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"?item=bread", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := server.Client().Do(order)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Print(string(body), err)
	// Output:
	// order 1: bread
	// <nil>
}
