// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Client asks an agent about its feeds. Its methods may be called from several
// goroutines.
type Client struct {
	// Static. One of both is there.
	socket string
	web    *web

	mu   sync.Mutex // held for a request and its answer
	conn *conn      // guarded by mu; nil: to be dialled
}

// SystemSocket is where the agent of a host listens.
const SystemSocket = "/run/weir/feed.sock"

// OwnSocket is where an agent that this user starts listens.
func OwnSocket() string {
	if os.Geteuid() == 0 {
		return SystemSocket
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "weir", "feed.sock")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("weir-%d", os.Geteuid()), "feed.sock")
}

// Dial connects to the agent that listens on a Unix socket; "" is the environment's
// WEIR_FEED_SOCKET or else the host's. An address like http://127.0.0.1:9347 is that of
// an agent, or of a hub beside one, that speaks HTTP; http+unix:PATH is that of its
// Unix socket, and http://127.0.0.1:9347/api/v1/hosts/NAME that of another host's agent
// through a hub, which wants the token in WEIR_FEED_TOKEN. By HTTP there are no pipes.
func Dial(ctx context.Context, socket string) (*Client, error) {
	if socket == "" {
		socket = os.Getenv("WEIR_FEED_SOCKET")
	}
	if socket == "" {
		socket = SystemSocket
	}
	if isURL(socket) {
		w, err := dialWeb(ctx, socket)
		if err != nil {
			return nil, err
		}
		return &Client{web: w}, nil
	}
	socket = strings.TrimPrefix(socket, "unix:")
	c := &Client{socket: socket}
	var err error
	if c.conn, err = dial(ctx, socket, FormatNative); err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the connection. Consumers have their own.
func (c *Client) Close() error {
	if c.web != nil {
		c.web.close()
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// Hello is what the agent says of itself; nothing by HTTP.
func (c *Client) Hello() Hello {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return Hello{}
	}
	return c.conn.hello
}

// call makes a request, on a new connection if the last one failed.
func (c *Client) call(ctx context.Context, op Op, request, answer any) error {
	if c.web != nil {
		return c.web.call(ctx, op, request, answer)
	}
	payload, err := marshal(request)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		if c.conn, err = dial(ctx, c.socket, FormatNative); err != nil {
			return err
		}
	}
	b, err := c.conn.call(ctx, op, 0, payload)
	if err != nil {
		if c.conn.broken {
			c.conn.Close()
			c.conn = nil
		}
		return err
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("feed protocol: answer to op %d: %w", op, err)
	}
	return nil
}

func marshal(request any) ([]byte, error) {
	if request == nil {
		return nil, nil
	}
	return json.Marshal(request)
}

// List returns the feeds that the user may see.
func (c *Client) List(ctx context.Context) (feeds []Info, err error) {
	err = c.call(ctx, OpList, nil, &feeds)
	return feeds, err
}

// Create registers a feed. It returns once the file system is watched and its index is
// whole, which takes a second for some hundred thousand files.
func (c *Client) Create(ctx context.Context, o CreateOptions) (i Info, err error) {
	err = c.call(ctx, OpCreate, o, &i)
	return i, err
}

// Destroy removes a feed.
func (c *Client) Destroy(ctx context.Context, feed string) error {
	return c.call(ctx, OpDestroy, Ref{Feed: feed}, nil)
}

// Info returns what is known of a feed.
func (c *Client) Info(ctx context.Context, feed string) (i Info, err error) {
	err = c.call(ctx, OpInfo, Ref{Feed: feed}, &i)
	return i, err
}

// Reset has a feed begin anew.
func (c *Client) Reset(ctx context.Context, r ResetRequest) (i Info, err error) {
	err = c.call(ctx, OpReset, r, &i)
	return i, err
}

// Set changes limits, filter or owner of a feed; other options are ignored.
func (c *Client) Set(ctx context.Context, feed string, o CreateOptions) (i Info, err error) {
	err = c.call(ctx, OpSet, SetRequest{feed, o}, &i)
	return i, err
}

// Resolve returns all names of an object, from the root of its source.
func (c *Client) Resolve(ctx context.Context, source, fid string) (paths []string, err error) {
	var answer ResolveAnswer
	err = c.call(ctx, OpResolve, ResolveRequest{source, fid}, &answer)
	for _, p := range answer.Paths {
		paths = append(paths, string(p))
	}
	return paths, err
}

// Sources tells of the file systems that are watched.
func (c *Client) Sources(ctx context.Context) (s []SourceInfo, err error) {
	err = c.call(ctx, OpSources, nil, &s)
	return s, err
}

// Rescan has a source compared with its disk, and returns when that is done, with what the
// source is like then.
func (c *Client) Rescan(ctx context.Context, source string) (s SourceInfo, err error) {
	err = c.call(ctx, OpRescan, Ref{Feed: source}, &s)
	return s, err
}

// FIFO has the agent write a feed's records to a named pipe that it makes, for whoever
// reads that; each batch is cancelled when the reader has gone on to the next.
func (c *Client) FIFO(ctx context.Context, r FIFORequest) error {
	return c.call(ctx, OpFIFO, r, nil)
}
