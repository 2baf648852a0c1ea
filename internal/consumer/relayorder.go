// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/lttng"
)

// order has something done to the relay, after all packets before it. The function
// that it returns waits for that.
func (o *relayOutput) order(do func(context.Context, *connection) error) (func() error, error) {
	done := make(chan error, 1)
	err := o.spool.put(item{do: func(c *connection) error {
		ctx, cancel := o.within()
		defer cancel()
		done <- do(ctx, c)
		return c.session.Err()
	}}, nil)
	return func() error {
		t := time.NewTimer(2 * relayTimeout)
		defer t.Stop()
		select {
		case err := <-done:
			return err
		case <-o.stopped:
			return errSpoolClosed
		case <-t.C:
			return errors.New("the relay has not got the order: it is lost, or far behind")
		}
	}, err
}

func (o *relayOutput) rotate(handover.Chunk, *os.File) (func() error, error) {
	return o.order(func(ctx context.Context, c *connection) error {
		return o.nextChunk(ctx, c, lttng.CloseMove)
	})
}

func (o *relayOutput) clear(handover.Chunk, *os.File) (func() error, error) {
	return o.order(func(ctx context.Context, c *connection) error {
		if !c.session.ClearAllowed() {
			return errors.New("the relay does not allow to clear")
		}
		return o.nextChunk(ctx, c, lttng.CloseDelete)
	})
}

func (o *relayOutput) nextChunk(ctx context.Context, c *connection, old lttng.CloseCommand) error {
	if err := c.session.Drain(ctx); err != nil {
		return err
	}
	_, err := c.session.Rotate(ctx, relay.Rotation{Command: old, Metadata: func(st *relay.Stream) []byte { return o.allText(c, st) }})
	return err
}
