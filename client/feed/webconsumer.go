// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/changelog"
)

const (
	// keepAlive is how often a consumer shows that it lives: its lease ends 60 s
	// after its last request.
	keepAlive = 20 * time.Second
	// longPoll is how long one request waits for records.
	longPoll = 30 * time.Second
	// closeTimeout bounds the request that gives a feed back.
	closeTimeout = 10 * time.Second
)

// webConsumer reads a feed by HTTP. One goroutine uses it.
type webConsumer struct {
	w       *web
	id      string
	token   string
	format  Format
	through uint64 // of the last batch that came whole; at first, what was cancelled before
	read    bool   // there was one
	batch   uint64 // its number
	buf     []byte
	record  changelog.Record

	cancel context.CancelFunc
	ended  chan struct{} // closed by stayAlive
}

// attach becomes the consumer of a feed, or of a new transient one.
func (w *web) attach(ctx context.Context, request any, f Format) (*Consumer, error) {
	q := webRequest{method: "POST"}
	switch r := request.(type) {
	case Ref:
		q.path = fmt.Sprintf("%s/consumer?steal=%t", feedPath(r.Feed), r.Steal)
	default:
		q.path, q.body = "/feed-tail", r
	}
	answer, err := w.send(ctx, q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	n := &Consumer{}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument))
	if err == nil {
		err = json.Unmarshal(b, &n.info)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", q.method, q.path, err)
	}
	n.web = &webConsumer{w: w, id: n.info.ID, token: answer.Header.Get("Weir-Consumer"), format: f, through: n.info.Cancelled, ended: make(chan struct{})}
	var alive context.Context
	alive, n.web.cancel = context.WithCancel(context.Background())
	go n.web.stayAlive(alive) // ends by close, which waits
	return n, nil
}

// stayAlive renews the lease until ctx ends or the lease has.
func (n *webConsumer) stayAlive(ctx context.Context) {
	defer close(n.ended)
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var answered *Error
		if err := n.w.do(ctx, webRequest{method: "GET", path: feedPath(n.id), token: n.token}, nil); errors.As(err, &answered) {
			return // the next request tells
		}
	}
}

// raw reads a batch and hands on each record in the form that was asked for.
func (n *webConsumer) raw(ctx context.Context, o ReadOptions, record func([]byte) error) (Batch, error) {
	deadline := time.Now().Add(o.Wait)
	for {
		wait := longPoll
		if o.Wait >= 0 {
			wait = min(wait, max(time.Until(deadline), 0))
		}
		b, count, err := n.request(ctx, &o, wait, record)
		if err != nil || count > 0 || b.Aborted || o.Wait >= 0 && wait < longPoll {
			return b, err
		}
	}
}

// request makes one request for records.
func (n *webConsumer) request(ctx context.Context, o *ReadOptions, wait time.Duration, record func([]byte) error) (b Batch, count int, err error) {
	query := url.Values{"format": {FormatNative.String()}, "wait": {wait.String()}, "linger": {o.Linger.String()}, "cancel": {"previous"}}
	if o.MaxRecords != 0 {
		query.Set("max", strconv.Itoa(o.MaxRecords))
	}
	if o.MaxBytes != 0 {
		query.Set("max_bytes", strconv.Itoa(o.MaxBytes))
	}
	if o.Keep {
		query.Set("cancel", "none")
	}
	// With it the request may be repeated, as by package net/http when a connection
	// breaks: what was lost on its way is given again.
	query.Set("after", strconv.FormatUint(n.through, 10))
	query.Set("batch", strconv.FormatUint(n.batch, 10))
	q := webRequest{method: "GET", path: feedPath(n.id) + "/records?" + query.Encode(), token: n.token}
	answer, err := n.w.send(ctx, q)
	if err != nil {
		return b, 0, gone(ctx, err)
	}
	defer answer.Body.Close()
	n.buf, err = readAll(answer.Body, n.buf[:0])
	if err != nil {
		return b, 0, gone(ctx, fmt.Errorf("records of %s: %w", n.id, err))
	}
	number := func(header string) (v uint64) {
		if err == nil {
			if v, err = strconv.ParseUint(answer.Header.Get(header), 10, 64); err != nil {
				err = fmt.Errorf("records of %s: header %s: %w", n.id, header, err)
			}
		}
		return v
	}
	b.Through, count = number("Weir-Through"), int(number("Weir-Count"))
	batch := number("Weir-Batch")
	if err != nil {
		return b, 0, err
	}
	flags := answer.Header.Get("Weir-Flags")
	b.More, b.Gap, b.Aborted = strings.Contains(flags, "more"), strings.Contains(flags, "gap"), strings.Contains(flags, "aborted")
	if err := n.split(count, record); err != nil {
		return b, 0, err
	}
	n.through, n.read, n.batch = b.Through, true, batch
	return b, count, nil
}

// gone makes ErrGone of an error that no agent has answered.
func gone(ctx context.Context, err error) error {
	var answered *Error
	if ctx.Err() != nil || errors.As(err, &answered) || errors.Is(err, ErrGone) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// readAll appends what is read to a buffer, within the bounds of a batch.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case len(b) > MaxFrame:
			return b, fmt.Errorf("more than %d bytes", MaxFrame)
		}
	}
}

// split hands on the records of a batch, which have their lengths before them.
func (n *webConsumer) split(count int, record func([]byte) error) error {
	at := 0
	for i := range count {
		if len(n.buf)-at < 4 {
			return fmt.Errorf("records of %s: offset %d: %d bytes, want 4 of the length of record %d of %d", n.id, at, len(n.buf)-at, i+1, count)
		}
		size := binary.LittleEndian.Uint32(n.buf[at:])
		at += 4
		if uint64(size) > uint64(len(n.buf)-at) {
			return fmt.Errorf("records of %s: offset %d: record of %d bytes in %d", n.id, at, size, len(n.buf)-at)
		}
		raw := n.buf[at : at+int(size)]
		at += int(size)
		if n.format != FormatNative {
			var err error
			if raw, err = n.convert(raw); err != nil {
				return err
			}
		}
		if err := record(raw); err != nil {
			return err
		}
	}
	if at != len(n.buf) {
		return fmt.Errorf("records of %s: offset %d: %d bytes behind %d records, want none", n.id, at, len(n.buf)-at, count)
	}
	return nil
}

// convert makes the form that was asked for of a record in the native one, which alone
// can be taken apart whatever is in a name.
func (n *webConsumer) convert(raw []byte) ([]byte, error) {
	r := &n.record
	if err := changelog.DecodeNative(raw, r); err != nil {
		return nil, err
	}
	r.Has &^= changelog.HasReint
	switch n.format {
	case FormatLustre:
		return changelog.AppendLustre(nil, r), nil
	case FormatJSON:
		return append(changelog.AppendJSON(nil, r), '\n'), nil
	}
	return append(changelog.AppendText(nil, r), '\n'), nil
}

// cancelThrough cancels records.
func (n *webConsumer) cancelThrough(ctx context.Context, through uint64) (uint64, error) {
	var doc struct {
		Cancelled uint64 `json:",string"`
	}
	body := map[string]string{"through": strconv.FormatUint(through, 10)}
	if err := n.w.do(ctx, webRequest{method: "POST", path: feedPath(n.id) + "/cancel", token: n.token, body: body}, &doc); err != nil {
		return 0, gone(ctx, err)
	}
	return doc.Cancelled, nil
}

// close gives the feed back.
func (n *webConsumer) close() error {
	n.cancel()
	<-n.ended
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return n.w.do(ctx, webRequest{method: "DELETE", path: feedPath(n.id) + "/consumer", token: n.token}, nil)
}

// commit cancels what was read last and gives the feed back.
func (n *webConsumer) commit(ctx context.Context) error {
	var err error
	if n.read {
		_, err = n.cancelThrough(ctx, n.through)
	}
	return errors.Join(err, n.close())
}
