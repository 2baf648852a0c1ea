// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/weir-io/weir/lttng"
)

// control is the control connection of one relay session.
type control struct {
	sock  *socket
	minor lttng.Minor // of both ends
	buf   []byte      // request under construction, then the reply
}

// dialControl connects and agrees on a version.
func dialControl(ctx context.Context, address netip.AddrPort) (*control, error) {
	sock, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	c := &control{sock: sock}
	own := lttng.Version{Major: lttng.MajorVersion, Minor: lttng.MinorVersion}
	reply, err := c.call(lttng.CmdVersion, own.Append, len(own.Append(nil)))
	if err == nil {
		var v lttng.Version
		if v, _, err = lttng.ParseVersionReply(reply); err == nil && v.Major != own.Major {
			err = fmt.Errorf("VERSION: got major %d, want %d", v.Major, own.Major)
		}
		c.minor = lttng.Minor(min(v.Minor, own.Minor))
	}
	if err == nil && c.minor < lttng.MinorChunks {
		err = fmt.Errorf("VERSION: got minor %d, want at least %d", c.minor, lttng.MinorChunks)
	}
	if err != nil {
		sock.close()
		return nil, err
	}
	return c, nil
}

// call sends a request and receives replyLen bytes, which hold until the next
// call.
func (c *control) call(cmd lttng.Command, payload func([]byte) []byte, replyLen int) ([]byte, error) {
	c.buf = lttng.AppendRequest(c.buf[:0], cmd, payload)
	if err := c.sock.write(c.buf); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return c.receive(cmd, replyLen)
}

func (c *control) receive(cmd lttng.Command, n int) ([]byte, error) {
	c.buf = append(c.buf[:0], make([]byte, n)...)
	if err := c.sock.readFull(c.buf); err != nil {
		return nil, fmt.Errorf("%s reply: %w", cmd, err)
	}
	return c.buf, nil
}

// command is a call whose reply is a code, which must be OK.
func (c *control) command(cmd lttng.Command, payload func([]byte) []byte) error {
	reply, err := c.call(cmd, payload, codeBytes)
	if err != nil {
		return err
	}
	code, _, err := lttng.ParseCode(reply)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	return checkCode(cmd, code)
}

const codeBytes = 4 // of a reply that is a code alone

func checkCode(cmd lttng.Command, code lttng.ReplyCode) error {
	if code != lttng.ReplyOK {
		return fmt.Errorf("%s: got code %s, want %s", cmd, code, lttng.ReplyOK)
	}
	return nil
}

// createSession opens the connection's relay session. Its reply ends in a path
// of a length of its own.
func (c *control) createSession(m lttng.CreateSession) (lttng.SessionReply, error) {
	const cmd, headBytes, lenAt = lttng.CmdCreateSession, 16, 12
	b, err := c.call(cmd, func(b []byte) []byte { return m.Append(b, c.minor) }, headBytes)
	if err != nil {
		return lttng.SessionReply{}, err
	}
	head := append([]byte(nil), b...)
	n := binary.BigEndian.Uint32(head[lenAt:])
	if n > lttng.MaxReplyPath+1 {
		return lttng.SessionReply{}, fmt.Errorf("%s reply: path: got %d bytes, want at most %d", cmd, n, lttng.MaxReplyPath+1)
	}
	path, err := c.receive(cmd, int(n))
	if err != nil {
		return lttng.SessionReply{}, err
	}
	reply, _, err := lttng.ParseSessionReply(append(head, path...), c.minor)
	if err != nil {
		return reply, err
	}
	return reply, checkCode(cmd, reply.Code)
}

// addStream announces a stream and returns the relay's handle of it.
func (c *control) addStream(m lttng.AddStream) (lttng.StreamID, error) {
	const replyBytes = 12
	b, err := c.call(lttng.CmdAddStream, func(b []byte) []byte { return m.Append(b, c.minor) }, replyBytes)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", m.Channel, err)
	}
	reply, _, err := lttng.ParseStreamReply(b)
	if err == nil {
		err = checkCode(lttng.CmdAddStream, reply.Code)
	}
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", m.Channel, err)
	}
	return reply.Stream, nil
}

// sendMetadata sends one metadata packet. Nothing is answered.
func (c *control) sendMetadata(stream lttng.StreamID, p metadataPacket) error {
	m := lttng.Metadata{Stream: stream, Padding: p.padding, Content: p.content}
	c.buf = lttng.AppendRequest(c.buf[:0], lttng.CmdSendMetadata, m.Append)
	if err := c.sock.write(c.buf); err != nil {
		return fmt.Errorf("%s: %w", lttng.CmdSendMetadata, err)
	}
	return nil
}

// pending asks whether packets of a stream are still missing. One question is
// under way at a time, as with the original producers: a relay that leaves
// Nagle's algorithm on would answer a batch one delayed acknowledgement late.
func (c *control) pending(q lttng.DataPending) (bool, error) {
	const cmd = lttng.CmdDataPending
	reply, err := c.call(cmd, q.Append, codeBytes)
	if err != nil {
		return false, err
	}
	code, _, err := lttng.ParseCode(reply)
	if err != nil {
		return false, fmt.Errorf("%s: %w", cmd, err)
	}
	if code != lttng.ReplyPending && code != lttng.ReplyNotPending {
		return false, fmt.Errorf("%s: got code %s", cmd, code)
	}
	return code == lttng.ReplyPending, nil
}
