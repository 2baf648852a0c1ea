// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxNotice is the longest line of a stream of notices, in bytes.
const maxNotice = 1 << 20

// Watcher reads what happens in sessions, as it happens.
type Watcher struct {
	ctx    context.Context // of the request, which the watcher is
	socket string
	body   io.Closer
	lines  *bufio.Scanner
}

// Watch follows one session, or all of the caller's with "". It returns when the
// daemon listens to the sessions: nothing that happens later is missed, but what
// a slow reader makes the daemon drop, which a notice tells. The watch ends with
// ctx or by Close.
func (c *Client) Watch(ctx context.Context, session string) (*Watcher, error) {
	answer, err := c.do(ctx, http.MethodGet, url.Values{"session": {session}}, nil, "watch")
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxNotice)
	return &Watcher{ctx: ctx, socket: c.socket, body: answer.Body, lines: lines}, nil
}

// Next waits for the next notice. It returns the context's error when that ended
// the watch, io.EOF when the daemon did.
func (w *Watcher) Next() (Notice, error) {
	for w.lines.Scan() {
		// The stream is one of server-sent events: comments keep it alive,
		// and each event is one line of data.
		data, ok := bytes.CutPrefix(w.lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var n Notice
		if err := json.Unmarshal(data, &n); err != nil {
			return Notice{}, fmt.Errorf("session daemon at %s: read notice: %w", w.socket, err)
		}
		return n, nil
	}
	err := w.lines.Err()
	switch {
	case w.ctx.Err() != nil:
		return Notice{}, w.ctx.Err()
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF):
		return Notice{}, io.EOF
	}
	return Notice{}, fmt.Errorf("session daemon at %s: watch: %w", w.socket, err)
}

// Close ends the watch.
func (w *Watcher) Close() error { return w.body.Close() }
