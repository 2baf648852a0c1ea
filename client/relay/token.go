// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/weir-io/weir/lttng"
)

// showToken tells the other end of the data connection whose that is. Only the
// relay of the control connection knows the token.
func (s *Session) showToken(ctx context.Context, data net.Conn) error {
	r, err := ask(ctx, s, lttng.CmdToken, nil, lttng.ParseTokenReply)
	if err != nil {
		return err
	}
	if r.Code != lttng.ReplyOK {
		return &RefusedError{Op: lttng.CmdToken, Code: r.Code}
	}
	release := interrupt(ctx, data)
	err = proveToken(data, r.Token)
	if !release() {
		return context.Cause(ctx)
	}
	return errors.Join(err, data.SetDeadline(time.Time{}))
}

// proveToken sends the token and reads the answer, nothing behind it.
func proveToken(data net.Conn, token lttng.Token) error {
	if _, err := data.Write(lttng.TokenFrame{Token: token}.Append(nil)); err != nil {
		return fmt.Errorf("%w: %w", ErrSplit, err)
	}
	b := make([]byte, 4)
	if n, err := io.ReadFull(data, b); err != nil {
		return fmt.Errorf("%w: answer to the token after %d bytes: %w", ErrSplit, n, err)
	}
	if code, _, _ := lttng.ParseCode(b); code != lttng.ReplyOK {
		return fmt.Errorf("%w: answer to the token: got %v, want %v", ErrSplit, code, lttng.ReplyOK)
	}
	return nil
}
