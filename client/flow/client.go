// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultURL is where a hub listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:9347"

const (
	base         = "/midonet-api"
	dialTimeout  = 5 * time.Second
	maxAnswer    = 256 << 20 // bytes
	maxLine      = 16 << 20  // bytes of a line of a stream
	excerptBytes = 200       // of an answer that is not a hub's
	plainJSON    = "application/json"
)

// Client talks to one hub as one user.
type Client struct {
	url   *url.URL
	token string
	http  *http.Client
}

// New makes a client of the hub at a URL such as "http://127.0.0.1:9347", for who has
// the token. It connects when it is used. Requests last as long as their contexts let
// them.
func New(hubURL, token string) (*Client, error) {
	u, err := url.Parse(hubURL)
	if err != nil {
		return nil, fmt.Errorf("URL of the hub: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("URL of the hub: want http://HOST:PORT, got %q", hubURL)
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{DialContext: dialer.DialContext, Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute}
	return &Client{url: u, token: token, http: &http.Client{Transport: transport, CheckRedirect: refuseRedirect}}, nil
}

// refuseRedirect returns the redirect itself: a token must not go elsewhere.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close ends the connections that wait for further requests.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Token is what a login gives.
type Token struct {
	Key     string    `json:"key"`
	Expires time.Time `json:"expires"`
}

// Login gets a token for a name and password, to work for a tenant if one is named,
// and has the client use it.
func (c *Client) Login(ctx context.Context, user, password, tenant string) (Token, error) {
	var t Token
	r, err := c.request(ctx, http.MethodPost, nil, nil, "login")
	if err != nil {
		return t, err
	}
	r.SetBasicAuth(user, password)
	if tenant != "" {
		r.Header.Set("X-Auth-Project", tenant)
	}
	if err := c.answer(r, &t); err != nil {
		return t, err
	}
	c.token = t.Key
	return t, nil
}

// Get reads an object or a list below the base of the interface, such as Get(ctx, &v,
// nil, "bridges", id).
func (c *Client) Get(ctx context.Context, v any, query url.Values, path ...string) error {
	return c.call(ctx, http.MethodGet, nil, v, query, path...)
}

// Create makes an object of a collection, such as "bridges" or "bridges", id, "ports",
// and returns its URI.
func (c *Client) Create(ctx context.Context, object any, path ...string) (string, error) {
	r, err := c.request(ctx, http.MethodPost, object, nil, path...)
	if err != nil {
		return "", err
	}
	resp, err := c.ask(r)
	if err != nil {
		return "", err
	}
	return resp.Header.Get("Location"), resp.Body.Close()
}

// Update replaces an object.
func (c *Client) Update(ctx context.Context, object any, path ...string) error {
	return c.call(ctx, http.MethodPut, object, nil, nil, path...)
}

// Delete deletes an object.
func (c *Client) Delete(ctx context.Context, path ...string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, nil, path...)
}

// ImportTopology makes all objects of a topology document. It is for admins.
func (c *Client) ImportTopology(ctx context.Context, document io.Reader) error {
	b, err := io.ReadAll(document)
	if err != nil {
		return fmt.Errorf("read the topology: %w", err)
	}
	return c.call(ctx, http.MethodPost, json.RawMessage(b), nil, nil, "topology")
}

// ExportTopology returns the whole topology as a document. It is for admins.
func (c *Client) ExportTopology(ctx context.Context) (json.RawMessage, error) {
	var b json.RawMessage
	err := c.Get(ctx, &b, nil, "topology")
	return b, err
}

// call makes a request and reads its answer into v, unless that is nil.
func (c *Client) call(ctx context.Context, method string, body, v any, query url.Values, path ...string) error {
	r, err := c.request(ctx, method, body, query, path...)
	if err != nil {
		return err
	}
	return c.answer(r, v)
}

// request makes a request. A part of the path that would climb to another resource is
// refused.
func (c *Client) request(ctx context.Context, method string, body any, query url.Values, path ...string) (*http.Request, error) {
	target := strings.TrimRight(c.url.EscapedPath(), "/") + base
	for _, part := range path {
		if part == "" || part == "." || part == ".." {
			return nil, fmt.Errorf("identifier %q is none", part)
		}
		target += "/" + url.PathEscape(part)
	}
	u, err := c.url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("URL of the hub: %w", err)
	}
	u.RawQuery = query.Encode()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: body: %w", method, u.Path, err)
		}
		in = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), in)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, u.Path, err)
	}
	r.Header.Set("X-Auth-Token", c.token)
	if body != nil {
		r.Header.Set("Content-Type", plainJSON)
	}
	return r, nil
}

// answer reads the JSON answer of a request.
func (c *Client) answer(r *http.Request, v any) error {
	resp, err := c.ask(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
		return fmt.Errorf("%s %s: read answer: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

// ask returns the answer to a request, whose body the caller closes, or the refusal.
func (c *Client) ask(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	return nil, readError(resp)
}

// stream walks the lines of an answer that goes on.
func stream[T any](ctx context.Context, c *Client, query url.Values, path ...string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		query.Set("follow", "true")
		r, err := c.request(ctx, http.MethodGet, nil, query, path...)
		if err != nil {
			yield(none, err)
			return
		}
		resp, err := c.ask(r)
		if err != nil {
			yield(none, err)
			return
		}
		defer resp.Body.Close() //nolint:errcheck // it is only read
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			var v T
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				yield(none, fmt.Errorf("%s: read stream: %w", r.URL.Path, err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil && ctx.Err() == nil {
			yield(none, fmt.Errorf("%s: read stream: %w", r.URL.Path, err))
		}
	}
}
