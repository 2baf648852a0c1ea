// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultURL is where a hub listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:9347"

const (
	dialTimeout  = 5 * time.Second
	maxAnswer    = 64 << 20 // bytes of a JSON answer
	maxProblem   = 1 << 20  // bytes of a problem
	excerptBytes = 200      // of an answer that is not a hub's
)

// Client talks to one hub.
type Client struct {
	base *url.URL
	http *http.Client
}

// New makes a client of the hub at a base URL such as
// "http://127.0.0.1:9347". It connects when it is used. Requests last as long
// as their contexts let them.
func New(baseURL string) (*Client, error) { return NewTLS(baseURL, nil) }

// NewTLS is New for a hub at an https URL: it is trusted, and told who asks, as cfg
// says.
func NewTLS(baseURL string, cfg *tls.Config) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("URL of the hub: %w", err)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("URL of the hub: want http://HOST:PORT, got %q", baseURL)
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{DialContext: dialer.DialContext, Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute, TLSClientConfig: cfg}
	return &Client{base: base, http: &http.Client{Transport: transport, CheckRedirect: refuseRedirect}}, nil
}

// refuseRedirect returns the redirect itself: a hub never sends one, and a
// request that changes something must not go elsewhere.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close ends the connections that wait for further requests.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Filter chooses sessions; empty fields choose all.
type Filter struct {
	Host  string
	Name  string
	State State
}

// Sessions walks the sessions, newest first, page by page. An error ends the
// walk.
func (c *Client) Sessions(ctx context.Context, f Filter) iter.Seq2[Session, error] {
	query := url.Values{}
	for key, value := range map[string]string{"host": f.Host, "name": f.Name, "state": string(f.State)} {
		if value != "" {
			query.Set(key, value)
		}
	}
	return pages[Session](ctx, c, query, "sessions")
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	var s Session
	err := c.call(ctx, http.MethodGet, &s, nil, "sessions", id)
	return s, err
}

// Streams walks the streams of an active session.
func (c *Client) Streams(ctx context.Context, id string) iter.Seq2[Stream, error] {
	return pages[Stream](ctx, c, url.Values{}, "sessions", id, "streams")
}

// Chunks walks the chunks of a session in the order of their IDs, which for
// rotated ones is that of time.
func (c *Client) Chunks(ctx context.Context, id string) iter.Seq2[Chunk, error] {
	return pages[Chunk](ctx, c, url.Values{}, "sessions", id, "chunks")
}

// DeleteSession deletes a closed session with all its chunks.
func (c *Client) DeleteSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "sessions", id)
}

// DeleteChunk deletes one chunk that is not open.
func (c *Client) DeleteChunk(ctx context.Context, id, chunk string) error {
	return c.call(ctx, http.MethodDelete, nil, nil, "sessions", id, "chunks", chunk)
}

// Archive downloads a chunk that is not open as a tar archive compressed with
// zstd. The caller closes it; an error while reading means that the archive is
// incomplete.
func (c *Client) Archive(ctx context.Context, id, chunk string) (io.ReadCloser, error) {
	answer, err := c.do(ctx, http.MethodGet, nil, "sessions", id, "chunks", chunk, "archive")
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// RunRetention removes what the hub's limits tell to, or with dryRun only says
// what that is.
func (c *Client) RunRetention(ctx context.Context, dryRun bool) (RetentionReport, error) {
	var r RetentionReport
	query := url.Values{"dry_run": {strconv.FormatBool(dryRun)}}
	err := c.call(ctx, http.MethodPost, &r, query, "retention", "run")
	return r, err
}

// pages walks all pages of a list.
func pages[T any](ctx context.Context, c *Client, query url.Values, path ...string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var page Page[T]
			if err := c.call(ctx, http.MethodGet, &page, query, path...); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("cursor", page.Next)
		}
	}
}

// call makes a request and reads its JSON answer into result, unless that is
// nil.
func (c *Client) call(ctx context.Context, method string, result any, query url.Values, path ...string) error {
	answer, err := c.do(ctx, method, query, path...)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if result == nil {
		return nil
	}
	return readAnswer(answer, result)
}

// readAnswer reads a JSON answer.
func readAnswer(answer *http.Response, result any) error {
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(result); err != nil {
		return fmt.Errorf("%s %s: read answer: %w", answer.Request.Method, answer.Request.URL.Path, err)
	}
	return nil
}

// do makes a request and returns its answer, whose body the caller closes, or
// the hub's problem.
func (c *Client) do(ctx context.Context, method string, query url.Values, path ...string) (*http.Response, error) {
	target, err := c.target(path)
	if err != nil {
		return nil, err
	}
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, target.Path, err)
	}
	return c.ask(request)
}

// ask returns the answer to a request, or the hub's problem.
func (c *Client) ask(request *http.Request) (*http.Response, error) {
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, readProblem(answer)
}

// target returns the URL of a resource. An identifier that would climb to
// another resource is refused: deleting chunk ".." must not delete the session.
func (c *Client) target(path []string) (*url.URL, error) {
	escaped := strings.TrimRight(c.base.EscapedPath(), "/") + "/api/v1"
	for _, part := range path {
		if part == "" || part == "." || part == ".." {
			return nil, fmt.Errorf("identifier %q is none", part)
		}
		escaped += "/" + url.PathEscape(part)
	}
	target, err := c.base.Parse(escaped)
	if err != nil {
		return nil, fmt.Errorf("URL of the hub: %w", err)
	}
	return target, nil
}

// readProblem reads the body of a refusal.
func readProblem(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err != nil {
		return fmt.Errorf("%s %s: %s: read answer: %w", answer.Request.Method, answer.Request.URL.Path, answer.Status, err)
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	p := new(Problem)
	if err == nil && strings.HasSuffix(kind, "problem+json") && json.Unmarshal(body, p) == nil && p.Code != "" {
		return p
	}
	return fmt.Errorf("%s %s: %s: %q: not an answer of weir", answer.Request.Method, answer.Request.URL.Path,
		answer.Status, body[:min(len(body), excerptBytes)])
}
