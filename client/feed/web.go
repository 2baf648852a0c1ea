// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// web asks an agent by HTTP. Its methods may be called from several goroutines.
type web struct {
	base  string // of all resources, without a slash at the end
	token string // of this client; empty: the agent knows the user
	http  *http.Client
}

// Bounds of answers, in bytes.
const (
	maxDocument = 64 << 20
	maxProblem  = 1 << 20
	maxExcerpt  = 200 // of an answer that is not weir's
)

// isURL reports whether an address is one for HTTP.
func isURL(address string) bool {
	return strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") || strings.HasPrefix(address, unixScheme)
}

// unixScheme begins the address of a Unix socket that HTTP is spoken on.
const unixScheme = "http+unix:"

// dialWeb makes sure that an agent answers at an address.
func dialWeb(ctx context.Context, address string) (*web, error) {
	dialer := &net.Dialer{Timeout: helloTimeout}
	transport := &http.Transport{DialContext: dialer.DialContext, Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute}
	base := address
	if socket, ok := strings.CutPrefix(address, unixScheme); ok {
		base, transport.Proxy = "http://localhost", nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("agent of feeds: want http://HOST:PORT, got %q", address)
	}
	base = strings.TrimRight(base, "/")
	if !strings.HasPrefix(u.Path, "/api/v1/") { // else it is a host's of a hub
		base += "/api/v1"
	}
	w := &web{base: base, token: os.Getenv(tokenVariable), http: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	var p page
	if err := w.do(ctx, webRequest{method: "GET", path: "/feeds?limit=1"}, &p); err != nil {
		w.close()
		return nil, fmt.Errorf("agent of feeds at %s: %w", address, err)
	}
	return w, nil
}

func (w *web) close() { w.http.CloseIdleConnections() }

// webRequest is one request.
type webRequest struct {
	method, path string
	token        string // of the consumer
	body         any
}

// tokenVariable names the environment's token for an agent of another host.
const tokenVariable = "WEIR_FEED_TOKEN"

// page is a part of a list.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next_cursor"`
}

// send makes a request. The caller closes the answer's body, which is no problem's.
func (w *web) send(ctx context.Context, q webRequest) (*http.Response, error) {
	var body io.Reader
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, w.base+q.path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		r.Header.Set("Weir-Consumer", q.token)
	}
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	answer, err := w.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("agent of feeds: %w", err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, readProblem(answer)
}

// do makes a request and reads its JSON answer into result, unless that is nil.
func (w *web) do(ctx context.Context, q webRequest, result any) error {
	answer, err := w.send(ctx, q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if result == nil {
		return nil
	}
	limited := &io.LimitedReader{R: answer.Body, N: maxDocument}
	if err := json.NewDecoder(limited).Decode(result); err != nil {
		if limited.N == 0 {
			return Errorf(CodeLimit, "%s %s: the answer has more than %d bytes", q.method, q.path, maxDocument)
		}
		return fmt.Errorf("%s %s: read answer: %w", q.method, q.path, err)
	}
	// The connection can be used again only when all was read.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxProblem))
	return nil
}

// readProblem makes an error of a refusal.
func readProblem(answer *http.Response) error {
	where := answer.Request.Method + " " + answer.Request.URL.Path
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err != nil {
		return fmt.Errorf("%s: %s: read answer: %w", where, answer.Status, err)
	}
	var p struct {
		Code, Detail, Title string
		Holder              *Lease
		Aborted             *Abort
		Errors              []struct{ Message, Location string }
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" || json.Unmarshal(body, &p) != nil || p.Code == "" {
		return fmt.Errorf("%s: %s: %q: not an answer of weir", where, answer.Status, body[:min(len(body), maxExcerpt)])
	}
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, e := range p.Errors {
		text += fmt.Sprintf("; %s: %s", e.Location, e.Message)
	}
	switch Code(p.Code) {
	case CodeNotFound, CodeExists, CodeBusy, CodeAborted, CodeDenied, CodeBadArgument, CodeUnsupported, CodeLimit, CodeStore:
		return &Error{Code: Code(p.Code), Message: text, Holder: p.Holder, Aborted: p.Aborted}
	}
	switch p.Code {
	case "feed_token":
		return &Error{Code: CodeDenied, Message: p.Title + ": " + text + ": set " + tokenVariable + " to one of the agent's"}
	case "invalid-request", "body-too-large":
		return &Error{Code: CodeBadArgument, Message: text}
	case "host-unreachable": // said by the hub
		return fmt.Errorf("%w: %s: %s (%s)", ErrGone, where, text, p.Code)
	case "no-such-host": // as long as an agent is gone, and until it has told the hub of itself
		return fmt.Errorf("%w, or the hub has not heard of it: %s: %s (%s)", ErrGone, where, text, p.Code)
	case "no-such-path":
		return fmt.Errorf("no feeds are served there: %s", where)
	}
	return fmt.Errorf("%s: %s (%s)", where, text, p.Code)
}

// list reads all parts of a list.
func (w *web) list(ctx context.Context, path string) (all []json.RawMessage, err error) {
	query := url.Values{"limit": {"500"}}
	for {
		var p page
		if err := w.do(ctx, webRequest{method: "GET", path: path + "?" + query.Encode()}, &p); err != nil {
			return nil, err
		}
		all = append(all, p.Items...)
		if p.Next == "" {
			return all, nil
		}
		query.Set("cursor", p.Next)
	}
}

// feedPath is where a feed is.
func feedPath(ref string) string { return "/feeds/" + url.PathEscape(ref) }

// call carries out what a frame of the local socket asks for.
func (w *web) call(ctx context.Context, op Op, request, answer any) error {
	switch r := request.(type) {
	case nil:
		return w.callList(ctx, op, answer)
	case CreateOptions:
		return w.do(ctx, webRequest{method: "POST", path: "/feeds", body: r}, answer)
	case ResetRequest:
		body := map[string]any{"from": r.From, "rescan": r.Rescan}
		return w.do(ctx, webRequest{method: "POST", path: feedPath(r.Feed) + "/reset", body: body}, answer)
	case SetRequest:
		return w.do(ctx, webRequest{method: "PATCH", path: feedPath(r.Feed), body: changes(&r.Options)}, answer)
	case ResolveRequest:
		return w.resolve(ctx, r, answer)
	case Ref:
		switch op {
		case OpDestroy:
			return w.do(ctx, webRequest{method: "DELETE", path: feedPath(r.Feed)}, nil)
		case OpInfo:
			return w.do(ctx, webRequest{method: "GET", path: feedPath(r.Feed)}, answer)
		case OpRescan:
			return w.do(ctx, webRequest{method: "POST", path: "/feed-sources/" + url.PathEscape(r.Feed) + "/rescan?wait=true"}, answer)
		}
	}
	return fmt.Errorf("feeds by HTTP: op %d: %w", op, errors.ErrUnsupported)
}

func (w *web) callList(ctx context.Context, op Op, answer any) error {
	path := "/feeds"
	if op == OpSources {
		path = "/feed-sources"
	}
	items, err := w.list(ctx, path)
	if err != nil {
		return err
	}
	b, err := json.Marshal(items)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, answer)
}

// changes are the options of a feed that can be changed, if they are given.
func changes(o *CreateOptions) map[string]any {
	c := map[string]any{}
	if o.Filter != nil {
		c["filter"] = o.Filter
	}
	if o.Owner != nil {
		c["owner"] = *o.Owner
	}
	if o.AbortTimeout != nil {
		c["abort_timeout"] = *o.AbortTimeout
	}
	if o.AbortSize != nil {
		c["abort_size"] = *o.AbortSize
	}
	if o.AbortBytes != nil {
		c["abort_bytes"] = *o.AbortBytes
	}
	if o.AbortProduct != nil {
		c["abort_product"] = *o.AbortProduct
	}
	if o.ExpandMoves != nil {
		c["expand_moves"] = *o.ExpandMoves
	}
	return c
}

func (w *web) resolve(ctx context.Context, r ResolveRequest, answer any) error {
	path := "/feed-sources/" + url.PathEscape(r.Source) + "/paths?" + url.Values{"fid": {r.FID}}.Encode()
	return w.do(ctx, webRequest{method: "GET", path: path}, answer)
}
