// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/weir-io/weir/lttng"
)

// Client is a connection to a relay.
type Client struct {
	conn    *conn
	relay   lttng.Minor // as the relay told
	created bool        // CREATE_SESSION was sent
}

// Dial connects to a relay and agrees on a version. The context bounds only
// that.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	nc, err := cfg.Dial(limited, cfg.Network, cfg.Address)
	if err != nil {
		return nil, &ConnError{Op: "dial", Address: cfg.Address, Err: err}
	}
	c := &Client{conn: newConn(cfg, nc)}
	if err := c.connect(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection, and with it every session that is attached
// through it. It may be called while another goroutine waits for a reply.
func (c *Client) Close() error { return c.conn.net.Close() }

// Minor returns the version that both ends speak.
func (c *Client) Minor() lttng.Minor { return c.conn.minor }

// RelayMinor returns the version that the relay says it has.
func (c *Client) RelayMinor() lttng.Minor { return c.relay }

func (c *Client) connect(ctx context.Context) error {
	m := lttng.ViewerConnectMsg{
		ViewerSessionID: ^uint64(0), // unused
		Major:           lttng.MajorVersion,
		Minor:           uint32(c.conn.cfg.Minor),
		Type:            lttng.ViewerTypeCommand,
	}
	var r lttng.ViewerConnectMsg
	err := c.conn.ask(ctx, lttng.ViewerConnect, m.Append, func() (err error) {
		r, err = read(c.conn, lttng.ParseViewerConnectMsg)
		return err
	})
	if err != nil {
		return err
	}
	c.relay = lttng.Minor(r.Minor)
	if r.Major != lttng.MajorVersion || c.relay < lttng.MinorIndexes {
		return fmt.Errorf("live: relay %s: %w: %d.%d", c.conn.cfg.Address, ErrVersion, r.Major, r.Minor)
	}
	c.conn.minor = min(c.relay, c.conn.cfg.Minor)
	return nil
}

// SessionInfo is an entry of a relay's list.
type SessionInfo struct {
	ID        lttng.SessionID
	Host      string        // that is traced
	Name      string        // given to the session there
	LiveTimer time.Duration // 0 = not live: it cannot be attached to
	Clients   int           // viewers attached
	Streams   int           // published, metadata included
	Format    uint32        // lttng.ViewerFormatCTF1 or lttng.ViewerFormatCTF2
}

// maxListing bounds the session list, in bytes.
const maxListing = 32 << 20

// Sessions returns what the relay lists, in its order. Kernel and applications
// of one tracing session are two entries of one name.
func (c *Client) Sessions(ctx context.Context) ([]SessionInfo, error) {
	var list []SessionInfo
	err := c.conn.ask(ctx, lttng.ViewerListSessions, nil, func() error {
		count, err := read(c.conn, parseCount)
		if err != nil {
			return err
		}
		list, err = c.readSessions(ctx, count)
		return err
	})
	return list, err
}

func (c *Client) readSessions(ctx context.Context, count uint32) ([]SessionInfo, error) {
	const op = "LIST_SESSIONS reply"
	var list []SessionInfo
	size := 4
	for range count {
		s, err := read(c.conn, func(b []byte) (lttng.ViewerSession, int, error) {
			s, n, err := lttng.ParseViewerSession(b, c.conn.minor)
			size += n
			return s, n, err
		})
		if err != nil {
			return nil, err
		}
		if size > maxListing {
			return nil, tooLong(op, "sessions", size, uint64(count), uint64(len(list)))
		}
		list = append(list, SessionInfo{
			ID: s.ID, Host: s.Hostname, Name: s.Name, Format: s.TraceFormat,
			LiveTimer: time.Duration(s.LiveTimer) * time.Microsecond,
			Clients:   int(s.Clients), Streams: int(s.Streams),
		})
		c.conn.progress(ctx)
	}
	return list, nil
}

// create makes the state that the relay keeps for a viewer.
func (c *Client) create(ctx context.Context) error {
	if c.created {
		return nil
	}
	var st lttng.CreateStatus
	err := c.conn.ask(ctx, lttng.ViewerCreateSession, nil, func() (err error) {
		st, err = read(c.conn, lttng.ParseStatus[lttng.CreateStatus])
		return err
	})
	if err != nil {
		return err
	}
	if st != lttng.CreateOK {
		return &StatusError{Op: lttng.ViewerCreateSession, Status: st}
	}
	c.created = true
	return nil
}

// listHead precedes a list of streams.
type listHead struct{ status, count uint32 }

// parseListHead reads the status and the count of a list of streams, whose
// entries are read one by one so that their count can be refused.
func parseListHead(b []byte) (listHead, int, error) {
	if len(b) < 8 {
		return listHead{}, 0, &lttng.ProtocolError{Op: "list of streams", Got: uint64(len(b)), Want: 8, Err: lttng.ErrShort}
	}
	return listHead{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}, 8, nil
}

// parseCount reads the count before a list of sessions.
func parseCount(b []byte) (uint32, int, error) {
	if len(b) < 4 {
		return 0, 0, &lttng.ProtocolError{Op: "LIST_SESSIONS reply", Got: uint64(len(b)), Want: 4, Err: lttng.ErrShort}
	}
	return binary.BigEndian.Uint32(b), 4, nil
}
