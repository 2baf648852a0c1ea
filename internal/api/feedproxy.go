// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/hosts"
)

// hostsPath is where hosts are, and feedParts what is below a host that its own agent
// answers.
const hostsPath = "/api/v1/hosts/"

var feedParts = []string{"feeds", "feed-sources", "feed-tail", "feed-tree"}

// hostFeeds passes what is asked about feeds of a host on to its agent, which knows the
// token that comes along. The hub has no tokens of its own.
type hostFeeds struct {
	api    *API
	dialer *net.Dialer
	trust  *tls.Config
	proxy  *httputil.ReverseProxy
}

// proxyTarget is what the proxy is told of a request: where it goes.
type proxyTarget struct{}

// newHostFeeds makes a proxy that trusts agents by a configuration; nil is the system's.
func newHostFeeds(a *API, trust *tls.Config) *hostFeeds {
	p := &hostFeeds{api: a, dialer: &net.Dialer{Timeout: 5 * time.Second}, trust: trust}
	p.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to := r.In.Context().Value(proxyTarget{}).(*url.URL)
			r.Out.URL, r.Out.Host = to, to.Host
			r.Out.Header.Del("Cookie")
		},
		Transport: &http.Transport{
			DialContext: p.dialer.DialContext, DialTLSContext: p.dialSecure,
			IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4, ResponseHeaderTimeout: maxWait + time.Minute,
		},
		FlushInterval: -1, // streams
		ModifyResponse: func(r *http.Response) error {
			for _, h := range []string{"X-Content-Type-Options", "Content-Security-Policy", "Cache-Control"} {
				r.Header.Del(h) // the hub has set them
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				a.log.Debug("feeds: agent does not answer", "path", r.URL.Path, "err", err)
			}
			writeProblem(w, problemf(codeHostUnreachable, "%v", err))
		},
	}
	return p
}

// enrolledSuffix is what the name of a host that has joined the hub ends with in the URLs
// of the proxy, behind the host's name in hexadecimal digits: no such host is looked up.
const enrolledSuffix = ".enrolled.invalid"

// dialSecure connects to an agent by TLS: to one that has joined the hub where it is
// registered now, and checks that it is the one.
func (p *hostFeeds) dialSecure(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	coded, ok := strings.CutSuffix(host, enrolledSuffix)
	if !ok {
		d := tls.Dialer{NetDialer: p.dialer, Config: p.trust}
		return d.DialContext(ctx, network, address)
	}
	name, err := hex.DecodeString(coded)
	if err != nil {
		return nil, err
	}
	h, known := p.api.opts.Registry.Get(string(name))
	if !known || h.Feeds == "" || p.api.opts.AsHub == nil {
		return nil, fmt.Errorf("host %q is not registered any more", name)
	}
	d := tls.Dialer{NetDialer: p.dialer, Config: p.api.opts.AsHub(h.Name)}
	return d.DialContext(ctx, network, h.Feeds)
}

// serve answers a request that is for the agent of a host; false: it is not.
func (p *hostFeeds) serve(w http.ResponseWriter, r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), hostsPath)
	id, below, found := strings.Cut(rest, "/")
	part, _, _ := strings.Cut(below, "/")
	if !ok || !found || !slices.Contains(feedParts, part) {
		return false
	}
	name, err := url.PathUnescape(id)
	path, pathErr := url.PathUnescape(below)
	if err != nil || pathErr != nil {
		writeProblem(w, problemf(codeNoSuchPath, "%s", r.URL.Path))
		return true
	}
	to := &url.URL{Path: "/api/v1/" + path, RawPath: "/api/v1/" + below, RawQuery: r.URL.RawQuery}
	h, known := p.api.opts.Registry.Get(name)
	switch {
	case name == p.api.opts.OwnHost && p.api.opts.Feeds != nil:
		as := *r
		as.URL = to
		p.api.router.ServeHTTP(w, &as) // the same agent, which knows who calls
	case !known:
		writeProblem(w, problemf(codeNoSuchHost, "%q", name))
	case h.Feeds == "":
		writeProblem(w, problemf(codeFeedNotFound, "host %q: its agent serves no feeds to a hub (weir agent --feeds-listen)", name))
	case bearer(r) == "":
		refuseToken(w, "host %q: its agent wants one", name)
	default:
		p.pass(w, r, &h, to)
	}
	return true
}

// pass has the agent answer.
func (p *hostFeeds) pass(w http.ResponseWriter, r *http.Request, h *hosts.Host, to *url.URL) {
	to.Scheme, to.Host = "http", h.Feeds
	switch {
	case h.FeedsEnrolled:
		// Connections are kept by this name: one of another host is never taken.
		to.Scheme, to.Host = "https", hex.EncodeToString([]byte(h.Name))+enrolledSuffix
	case h.FeedsTLS:
		to.Scheme = "https"
	}
	p.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), proxyTarget{}, to)))
}
