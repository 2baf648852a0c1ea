// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// Limits of what the client reads.
const (
	maxAnswer  = 64 << 20 // bytes of a document: all events of a kernel with their fields
	maxExcerpt = 200      // bytes of an answer that is not a daemon's
)

// Client talks to a session daemon.
type Client struct {
	socket string
	http   *http.Client
}

// New makes a client of the daemon at a socket; "" is [DefaultSocket]. It
// connects when it is used. Calls last as long as their contexts let them: to
// wait for a relay, or for data, takes its time.
func New(socket string) *Client {
	if socket == "" {
		socket = DefaultSocket()
	}
	dialer := new(net.Dialer)
	return &Client{socket: socket, http: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", socket)
			},
			IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Socket returns where the client looks for the daemon.
func (c *Client) Socket() string { return c.socket }

// Close ends the connections that wait for further calls.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call makes a request with a document, unless in is nil, and reads the answer
// into out, unless that is nil.
func (c *Client) call(ctx context.Context, method string, query url.Values, in, out any, path ...string) error {
	answer, err := c.do(ctx, method, query, in, path...)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("session daemon at %s: %s %s: read answer: %w", c.socket, method, answer.Request.URL.Path, err)
	}
	return nil
}

// do makes a request and returns its answer, whose body the caller closes, or
// the daemon's problem.
func (c *Client) do(ctx context.Context, method string, query url.Values, in any, path ...string) (*http.Response, error) {
	target, err := address(query, path)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if in != nil {
		document, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, target, err)
		}
		body = bytes.NewReader(document)
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, target, err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, c.problem(answer)
}

// address returns the URL of a resource. What would climb to another resource is
// no name of anything.
func address(query url.Values, path []string) (string, error) {
	target := "http://agent/api/v1"
	for _, part := range path {
		if part == "" || part == "." || part == ".." {
			return "", NewProblem(CodeInvalid, fmt.Sprintf("%q is no name", part))
		}
		target += "/" + url.PathEscape(part)
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return target, nil
}

// unreachable says why the daemon could not be asked.
func (c *Client) unreachable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return NewProblem(CodeNoDaemon, "no session daemon at "+c.socket+": start it with \"weir agent\"")
	case errors.Is(err, fs.ErrPermission):
		return NewProblem(CodePermission, "not allowed to talk to the session daemon at "+c.socket+": that is for root and group tracing")
	}
	// The URL that net/http puts before the cause names no real host.
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return fmt.Errorf("session daemon at %s: %w", c.socket, err)
}

// problem reads the body of a refusal.
func (c *Client) problem(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("session daemon at %s: %s: read answer: %w", c.socket, answer.Status, err)
	}
	p := new(Problem)
	if json.Unmarshal(body, p) == nil && p.Code != 0 {
		return p
	}
	return fmt.Errorf("session daemon at %s: %s: %q: not an answer of weir", c.socket, answer.Status, body[:min(len(body), maxExcerpt)])
}
