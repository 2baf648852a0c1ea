// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"
)

// Port is where daemons listen if nothing else is agreed.
const Port = 7887

// Dialer says how to reach a daemon. The zero value does it by TCP without TLS.
type Dialer struct {
	TLS        *tls.Config   // not nil: TLS
	Timeout    time.Duration // of connecting; 0: 3 s
	MaxMessage int           // bytes of the body of a message; 0: MaxMessage
}

// Client is a session with a daemon: weir's or the original one, which knows no
// selectors but names and does not answer what it does not know.
//
// Commands may be sent ahead of the messages that they ask for. One goroutine may
// send while another receives; neither may have two at once.
type Client struct {
	conn   net.Conn
	reader *Reader
	out    []byte // owned by Send
}

// Dial connects to a daemon. An address with a slash is the path of a Unix
// socket; one without a port has the default one.
func (d *Dialer) Dial(ctx context.Context, address string) (*Client, error) {
	timeout := d.Timeout
	if timeout == 0 {
		timeout = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network := "tcp"
	if strings.Contains(address, "/") {
		network = "unix"
	} else if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(Port))
	}
	var conn net.Conn
	var err error
	if d.TLS != nil {
		conn, err = (&tls.Dialer{Config: d.TLS}).DialContext(ctx, network, address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	return newClient(conn, d.MaxMessage), nil
}

// NewClient returns a client on a connection, which it owns from then on.
func NewClient(conn net.Conn) *Client { return newClient(conn, 0) }

func newClient(conn net.Conn, limit int) *Client {
	return &Client{conn: conn, reader: NewReader(conn, limit)}
}

// Close ends the session without a word.
func (c *Client) Close() error { return c.conn.Close() }

// Start begins a session anew with a selection, in one write: the messages that
// are asked for afterwards have what these selectors select, and nothing else.
func (c *Client) Start(ctx context.Context, selectors ...string) error {
	lines := []string{"init", "off all"}
	return c.Send(ctx, append(lines, onLines(selectors)...)...)
}

// onLines puts selectors in as few lines as they go in.
func onLines(selectors []string) []string {
	var lines []string
	line := "on"
	for _, s := range selectors {
		if len(line)+1+len(s) >= MaxLine && line != "on" {
			lines, line = append(lines, line), "on"
		}
		line += " " + s
	}
	if line != "on" {
		lines = append(lines, line)
	}
	return lines
}

// Send sends commands, each a line, in one write. It refuses with a
// [*CommandError] what cannot be a line. Other than ctx's end, an error means
// that the session is over; so does ctx's when a part was sent.
func (c *Client) Send(ctx context.Context, lines ...string) error {
	c.out = c.out[:0]
	for _, line := range lines {
		if len(line) >= MaxLine {
			return refuse(CodeLine, line, "a line is too long")
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return refuse(CodeArg, line, "a control byte in a line")
		}
		c.out = append(append(c.out, line...), '\n')
	}
	stop := until(ctx, c.conn.SetWriteDeadline)
	_, err := c.conn.Write(c.out)
	return stop(err)
}

// Receive returns the body of the next message, valid until the call after. Its
// error is io.EOF when the daemon has ended the session between two messages,
// a [*ProtocolError] when what it sent is no message, ctx's if that ended. After
// an error the session is of no use.
func (c *Client) Receive(ctx context.Context) ([]byte, error) {
	stop := until(ctx, c.conn.SetReadDeadline)
	body, err := c.reader.Next()
	if err = stop(err); err != nil {
		return nil, err
	}
	return body, nil
}

// Sample asks for a message and returns its body, as Receive does.
func (c *Client) Sample(ctx context.Context) ([]byte, error) {
	if err := c.Send(ctx, "send"); err != nil {
		return nil, err
	}
	return c.Receive(ctx)
}

// until makes a deadline of a connection end when ctx does. The function that it
// returns puts an end to that, and makes the error of a missed deadline ctx's.
func until(ctx context.Context, set func(time.Time) error) func(error) error {
	deadline, _ := ctx.Deadline()
	err := set(deadline)
	// The goroutine of AfterFunc sets a deadline and ends; stop waits for it when
	// it has begun, so that it cannot touch the next call's.
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = set(time.Unix(1, 0)) // a connection that cannot fails of itself
		close(done)
	})
	return func(result error) error {
		if !cancel() {
			<-done
		}
		if result == nil {
			return err
		}
		if timeout, ok := errors.AsType[net.Error](result); ok && timeout.Timeout() && (ctx.Err() != nil || !deadline.IsZero()) {
			return context.Cause(withDeadline(ctx))
		}
		return result
	}
}

// withDeadline returns ctx once it has ended: a connection may notice a deadline
// before ctx does.
func withDeadline(ctx context.Context) context.Context {
	if _, ok := ctx.Deadline(); ok {
		<-ctx.Done()
	}
	return ctx
}
