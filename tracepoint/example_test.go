// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracepoint_test

import (
	"context"
	"fmt"

	"github.com/weir-io/weir/tracepoint"
)

var (
	shop    = tracepoint.NewProvider("shop")
	ordered = tracepoint.New2(shop, "ordered", tracepoint.Info, tracepoint.Int64("id"), tracepoint.String("item"))
	spans   = tracepoint.NewSpans(shop)
)

func order(ctx context.Context, id int64, item string) {
	_, span := spans.Start(ctx, "order")
	defer span.End()
	ordered.Write(id, item)
}

// A service with an event and spans. It runs the same whether or not it is traced.
func Example() {
	order(context.Background(), 1, "a loaf of bread")
	fmt.Println(ordered.Name())
	// Output: shop:ordered
}
