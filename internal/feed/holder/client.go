// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/handover"
)

// Client asks a holder. As long as it is open, the holder knows that an agent is
// there. Its methods may be called from several goroutines.
type Client struct {
	mu   sync.Mutex // held for an order and its answer
	conn *handover.Conn
	last uint64
}

// ErrNone is the error of Dial where no holder runs, and ErrGone that of orders to one that
// does not answer any more.
var (
	ErrNone = errors.New("holder: none is running")
	ErrGone = errors.New("holder: it is gone")
)

// Dial connects to a holder that runs.
func Dial(socket string) (*Client, error) {
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("holder: %w", err)
	}
	f, err := c.File()
	c.Close()
	if err != nil {
		return nil, fmt.Errorf("holder: %w", err)
	}
	conn, err := handover.New(f)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn}, nil
}

// Start connects to the holder at a socket, and starts one if none runs: command is
// run in a session of its own, so that it outlives this process and its terminal,
// with the listening socket as descriptor 3.
func Start(ctx context.Context, socket string, command ...string) (*Client, error) {
	c, err := Dial(socket)
	if !errors.Is(err, ErrNone) {
		return c, err
	}
	if err := launch(ctx, socket, command); err != nil {
		return nil, err
	}
	return Dial(socket)
}

// Descriptor is that of the listening socket in the process of a holder.
const Descriptor = 3

// launch starts a holder that listens already when this returns.
func launch(_ context.Context, socket string, command []string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return fmt.Errorf("holder: %w", err)
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(socket, 0o600); err != nil {
		return err
	}
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Args[0] = "weir"
	cmd.ExtraFiles = []*os.File{f}
	cmd.Dir = "/"
	cmd.Env = []string{"GOTRACEBACK=single", "GOMAXPROCS=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("holder: %w", err)
	}
	go func() { _ = cmd.Wait() }() // ends with the holder, which may outlive this process
	return nil
}

// answerTimeout is how long a holder may take: it does nothing that takes time.
const answerTimeout = 10 * time.Second

// call gives an order and returns the files of its answer.
func (c *Client) call(op handover.Op, key string, files ...*os.File) ([]*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := json.Marshal(request{key})
	if err != nil {
		return nil, err
	}
	c.last++
	if err := c.conn.Send(handover.Message{ID: c.last, Op: op, Body: body}, files...); err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", ErrGone, op, key, err)
	}
	timer := time.AfterFunc(answerTimeout, func() { c.conn.Close() })
	defer timer.Stop()
	m, got, err := c.conn.Receive()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s %s: %w", ErrGone, op, key, err)
	case m.Error != "":
		handover.CloseAll(got)
		return nil, errors.New(m.Error)
	case m.ID != c.last:
		handover.CloseAll(got)
		return nil, fmt.Errorf("holder: %s %s: got answer %d, want %d", op, key, m.ID, c.last)
	}
	return got, nil
}

// Take returns what is held under a key, which stays held; nil if nothing is.
func (c *Client) Take(key string) ([]*os.File, error) { return c.call(opTake, key) }

// Hold keeps files under a key, in the place of what was held. They stay open here.
func (c *Client) Hold(key string, files ...*os.File) error {
	got, err := c.call(opHold, key, files...)
	handover.CloseAll(got)
	return err
}

// Drop closes what is held under a key.
func (c *Client) Drop(key string) error {
	got, err := c.call(opDrop, key)
	handover.CloseAll(got)
	return err
}

// Close tells the holder that the agent is gone.
func (c *Client) Close() error { return c.conn.Close() }
