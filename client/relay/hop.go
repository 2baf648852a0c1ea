// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/weir-io/weir/lttng"
)

// HopError is the answer of a hop that does not pass on.
type HopError struct {
	Code   lttng.HopCode
	Reason string // that the hop gives
}

// Error gives the message on one line.
func (e *HopError) Error() string { return fmt.Sprintf("answered %d %s", e.Code, e.Reason) }

// passHops asks the hop at the other end of c for the rest of the chain.
func passHops(ctx context.Context, c net.Conn, chain []lttng.Hop) error {
	line := lttng.HopRequest{Chain: chain}.Append(nil)
	if len(line) > lttng.MaxHopRequest {
		return fmt.Errorf("chain: got %d bytes, want at most %d", len(line), lttng.MaxHopRequest)
	}
	release := interrupt(ctx, c)
	err := askHop(c, line)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func askHop(c net.Conn, line []byte) error {
	if _, err := c.Write(line); err != nil {
		return err
	}
	answer, err := readLine(c)
	if err != nil {
		return err
	}
	r, err := lttng.ParseHopReply(answer)
	if err == nil && r.Code != lttng.HopOK {
		err = &HopError{r.Code, r.Reason}
	}
	return err
}

// readLine reads byte by byte: what follows the line belongs to the relay.
func readLine(c net.Conn) ([]byte, error) {
	var line []byte
	var b [1]byte
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return nil, fmt.Errorf("answer after %q: %w", line, err)
		}
		if b[0] == '\n' {
			return line, nil
		}
		if line = append(line, b[0]); len(line) >= lttng.MaxHopReply {
			return nil, fmt.Errorf("answer: got more than %d bytes in a line", lttng.MaxHopReply)
		}
	}
}

// interrupt lets reads and writes fail once the context ends. release says false
// if it has.
func interrupt(ctx context.Context, c net.Conn) (release func() bool) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = c.SetDeadline(time.Unix(1, 0)) // an error shows in the read that follows
	})
	return func() bool {
		if !stop() {
			<-done
			return false
		}
		return true
	}
}
