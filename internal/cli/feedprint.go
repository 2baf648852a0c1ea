// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/binary"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/client/feed"
)

// feedPrinter prints the records of a feed. It asks for the native form, which alone tells
// records that were printed before from those that were not, and makes the others of it.
type feedPrinter struct {
	call     *feedCall
	consumer *feed.Consumer
	format   feed.Format
	reint    bool
	// reopen opens the feed again where the agent is another one; nil: it is not.
	reopen feedOpener

	out     *bufio.Writer
	failed  error // of the output
	record  changelog.Record
	line    []byte
	printed int
	through uint64 // all up to here is printed
	skip    uint64 // what is up to here was printed before the feed was opened again
}

// readAll prints batch after batch, and commits at the end.
func (p *feedPrinter) readAll(r *feedReader, keep, commit bool) error {
	p.out = bufio.NewWriterSize(p.call.cmd.OutOrStdout(), 64<<10)
	o := feed.ReadOptions{Keep: keep, Wait: r.wait}
	if r.follow {
		o.Wait = -1
	}
	for r.max == 0 || p.printed < r.max {
		if r.max > 0 {
			o.MaxRecords = min(r.max-p.printed, 1000)
		}
		b, err := p.consumer.Raw(p.call.ctx, o, p.print)
		if err := p.out.Flush(); err != nil {
			p.failed = err
		}
		switch {
		case p.failed != nil:
			return p.failed
		case p.call.ctx.Err() != nil:
			return nil // what was printed stays: the connection is of no use any more
		case err != nil && p.reopen != nil && agentGone(err):
			p.consumer.Close()
			n, err := p.call.openAgain(err, p.reopen)
			if n == nil {
				return err
			}
			p.consumer, p.skip = n, p.through
			continue
		case err != nil:
			return err
		}
		p.through = max(p.through, b.Through)
		if !r.follow && !b.More && !b.Aborted { // the next read says what was given up
			break
		}
	}
	if !commit || p.call.ctx.Err() != nil {
		return nil
	}
	return p.consumer.Commit(context.WithoutCancel(p.call.ctx))
}

// print prints one record.
func (p *feedPrinter) print(raw []byte) error {
	rec := &p.record
	if err := changelog.DecodeNative(raw, rec); err != nil {
		return err
	}
	if rec.Index <= p.skip && !rec.Mark.Own() {
		return nil
	}
	p.line = p.line[:0]
	if p.format == feed.FormatNative {
		p.line = append(binary.LittleEndian.AppendUint32(p.line, uint32(len(raw))), raw...)
	} else {
		if !p.reint {
			rec.Has &^= changelog.HasReint
		}
		p.line = appendRecord(p.line, p.format, rec)
	}
	p.printed++
	_, p.failed = p.out.Write(p.line)
	return p.failed
}
