// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/weir-io/weir/changelog"
)

// OpenOptions say how a feed is opened.
type OpenOptions struct {
	Steal bool // take it from another consumer
	// Look opens it beside its consumer, who is not concerned: what the agent holds for the
	// feed can be read, from the index From on, and nothing cancelled. Not by HTTP.
	Look bool
	From uint64
	// Format is the form of what Raw and Pipe give; Read wants FormatNative.
	Format Format
}

// Consumer reads a feed. One goroutine uses it.
type Consumer struct {
	conn    *conn
	web     *webConsumer // instead of conn
	info    Info
	records []changelog.Record
}

// Open takes a feed for reading. It is the consumer's until Close, or until the process
// ends; then the records that were not cancelled are delivered again, to whoever opens
// it next.
func (c *Client) Open(ctx context.Context, feed string, o OpenOptions) (*Consumer, error) {
	if o.Look && c.web != nil {
		return nil, fmt.Errorf("feeds by HTTP: look: %w", errors.ErrUnsupported)
	}
	return c.attach(ctx, OpOpen, Ref{Feed: feed, Steal: o.Steal, Look: o.Look, From: o.From}, o.Format)
}

// Tail opens a new transient feed, which keeps nothing beyond the connection. It needs
// no privilege, and shows what the user could see.
func (c *Client) Tail(ctx context.Context, o CreateOptions, f Format) (*Consumer, error) {
	return c.attach(ctx, OpTail, o, f)
}

func (c *Client) attach(ctx context.Context, op Op, request any, f Format) (*Consumer, error) {
	if c.web != nil {
		return c.web.attach(ctx, request, f)
	}
	conn, err := dial(ctx, c.socket, f)
	if err != nil {
		return nil, err
	}
	n := &Consumer{conn: conn}
	payload, err := json.Marshal(request)
	if err == nil {
		payload, err = conn.call(ctx, op, 0, payload)
	}
	if err == nil {
		err = json.Unmarshal(payload, &n.info)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return n, nil
}

// Info is what was known of the feed when it was opened.
func (n *Consumer) Info() Info { return n.info }

// Raw reads a batch as it was asked for with Format and hands each record to record,
// which must not keep it.
func (n *Consumer) Raw(ctx context.Context, o ReadOptions, record func([]byte) error) (Batch, error) {
	if n.web != nil {
		return n.web.raw(ctx, o, record)
	}
	var flags uint8
	if o.Keep {
		flags |= FlagKeep
	}
	b, err := n.conn.call(ctx, OpRead, flags, AppendRead(nil, &o))
	if err != nil {
		return Batch{}, err
	}
	return ParseBatch(b, record)
}

// Read reads a batch. It cancels the one before, unless the options or the feed's mode
// say otherwise.
func (n *Consumer) Read(ctx context.Context, o ReadOptions) (*Batch, error) {
	n.records = n.records[:0]
	b, err := n.Raw(ctx, o, func(raw []byte) error {
		n.records = append(n.records, changelog.Record{})
		return changelog.DecodeNative(raw, &n.records[len(n.records)-1])
	})
	if err != nil {
		return nil, err
	}
	b.Records = n.records
	return &b, nil
}

// Records gives record after record and waits for more. A batch is cancelled when the
// loop asks for the record behind it; what the loop ends within is not. A record is
// good until the next one.
func (n *Consumer) Records(ctx context.Context, o ReadOptions) iter.Seq2[*changelog.Record, error] {
	return func(yield func(*changelog.Record, error) bool) {
		for {
			b, err := n.Read(ctx, o)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range b.Records {
				if !yield(&b.Records[i], nil) {
					return
				}
			}
			if len(b.Records) == 0 && o.Wait >= 0 {
				return
			}
		}
	}
}

// Cancel says that the records through an index are not needed any more; 0 stands for
// all. When it returns, that is on the agent's disk.
func (n *Consumer) Cancel(ctx context.Context, through uint64) (cancelled uint64, err error) {
	if n.web != nil {
		return n.web.cancelThrough(ctx, through)
	}
	b, err := n.conn.call(ctx, OpCancel, 0, binary.LittleEndian.AppendUint64(nil, through))
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, &FrameError{OpCancel | OpAnswer, 0, fmt.Sprintf("%d bytes, want 8", len(b))}
	}
	return binary.LittleEndian.Uint64(b), nil
}

// Pipe has the agent write the records to a pipe, back to back in the form that the
// feed was opened with, and returns its read end. Each batch is cancelled when the
// reader has gone on to the next. The consumer does nothing else from then on; closing
// it ends the pipe.
func (n *Consumer) Pipe(ctx context.Context) (*os.File, error) {
	if n.web != nil {
		return nil, fmt.Errorf("feeds by HTTP: pipe: %w", errors.ErrUnsupported)
	}
	if _, err := n.conn.call(ctx, OpPipe, 0, nil); err != nil {
		return nil, err
	}
	if len(n.conn.files) == 0 {
		return nil, &FrameError{OpPipe | OpAnswer, 0, "no descriptor came with it"}
	}
	f := n.conn.files[0]
	n.conn.files = n.conn.files[1:]
	return f, nil
}

// Close gives the feed back; what was read last is not cancelled.
func (n *Consumer) Close() error {
	if n.web != nil {
		return n.web.close()
	}
	return n.conn.Close()
}

// Commit cancels what was read last and gives the feed back.
func (n *Consumer) Commit(ctx context.Context) error {
	if n.web != nil {
		return n.web.commit(ctx)
	}
	_, err := n.conn.call(ctx, OpClose, 0, []byte{1})
	return errors.Join(err, n.conn.Close())
}
