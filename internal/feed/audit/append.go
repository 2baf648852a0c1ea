// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-io/weir/changelog"
)

// noteOf is a mark that only this feed sees, and that has no index of its own.
func noteOf(r *changelog.Record, through uint64) *Note {
	m := r.Mark
	n := &Note{Note: m.Kind.String(), Reason: m.Reason, First: m.First, Last: m.Last, Through: through}
	if m.Kind == changelog.MarkGap {
		n.First, n.Last = m.From, m.To
	}
	return n
}

// pending are lines that are not written yet.
type pending struct {
	chain   chain
	records uint64
}

// next is where the log will be when all is written.
func (l *Log) next() uint64 { return l.ahead.chain.through }

// add adds a record or a note to what is to be written.
func (l *Log) add(r *changelog.Record, n *Note) error {
	full := l.size+int64(len(l.buf)) >= l.opts.Size
	old := l.opts.Every > 0 && time.Since(l.chain.header.Time) >= l.opts.Every
	if full || old {
		if err := l.flush(); err != nil {
			return err
		}
		if err := l.rotate(); err != nil {
			return err
		}
	}
	a := &l.ahead
	if n != nil {
		n.Time = time.Now().UTC()
		var err error
		if l.body, err = appendObject(l.body[:0], n); err != nil {
			return err
		}
		a.chain.through = n.Through
	} else {
		l.body = appendRecord(l.body[:0], r)
		a.chain.through = r.Index
		a.records++
	}
	l.buf, a.chain.hash = appendLine(l.buf, l.body, a.chain.hash)
	return nil
}

// note writes a note by itself.
func (l *Log) note(n *Note) error {
	if err := l.add(nil, n); err != nil {
		return l.undo(err)
	}
	if err := l.flush(); err != nil {
		return l.undo(err)
	}
	return nil
}

// flush writes what was added, and syncs it.
func (l *Log) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	n, err := l.file.Write(l.buf)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("%s: offset %d: %d of %d bytes written: %w", l.file.Name(), l.size, n, len(l.buf), err)
	}
	l.size += int64(len(l.buf))
	l.buf = l.buf[:0]
	l.chain = l.ahead.chain
	l.done.Records += l.ahead.records
	l.ahead.records = 0
	return nil
}

// undo goes back to the whole lines that were there before.
func (l *Log) undo(why error) error {
	l.buf = l.buf[:0]
	l.ahead = pending{chain: l.chain}
	if l.file == nil {
		return why
	}
	_, err := l.file.Seek(l.size, 0)
	return errors.Join(why, l.file.Truncate(l.size), err)
}

// rotate begins the next file, and removes those that are not kept. All that was added
// is written.
func (l *Log) rotate() error {
	h := header{
		Audit: formatVersion, Feed: l.opts.Info.ID, Source: l.opts.Info.Source, Host: l.opts.Host,
		File: l.chain.header.File + 1, Time: time.Now().UTC(), Through: l.chain.through, After: l.chain.hash.String(),
	}
	body, err := appendObject(nil, &h)
	if err != nil {
		return err
	}
	text, hash := appendLine(nil, body, l.chain.hash)
	path := pathOf(l.opts.Dir, h.File)
	// What a failed attempt has left has no header that was synced, and no records.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = errors.Join(f.Sync(), syncDir(l.opts.Dir))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: header: %w", path, err), f.Close())
	}
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	l.file, l.size = f, int64(len(text))
	l.chain.header, l.chain.hash = h, hash
	l.ahead = pending{chain: l.chain}
	return l.thin()
}

// thin removes the oldest files.
func (l *Log) thin() error {
	if l.opts.Keep == 0 {
		return nil
	}
	numbers, err := fileNumbers(l.opts.Dir)
	if err != nil {
		return err
	}
	for len(numbers) > l.opts.Keep {
		if err := os.Remove(pathOf(l.opts.Dir, numbers[0])); err != nil {
			return err
		}
		numbers = numbers[1:]
	}
	return nil
}
