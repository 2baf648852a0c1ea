// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"

	"github.com/weir-io/weir/ctf"
)

// relayWriter puts a stream's packets into the spool.
type relayWriter struct {
	o *relayOutput
	s *stream
}

func (w *relayWriter) write(packet []byte, info ctf.PacketInfo) error {
	return w.o.spool.put(item{stream: w.s, info: info}, packet)
}

// writeWaiting is write that waits for room until ctx ends.
func (w *relayWriter) writeWaiting(ctx context.Context, packet []byte, info ctf.PacketInfo) error {
	for {
		changed := w.o.spool.watch()
		err := w.write(packet, info)
		if !errors.Is(err, errSpoolFull) {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// beacon is for viewers: without a relay there are none, and another one gets those
// to come.
func (w *relayWriter) beacon(until uint64) error {
	if w.o.isLost() {
		return nil
	}
	return w.o.spool.beat(w.s, until)
}
