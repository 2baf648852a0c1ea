// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxBody bounds request bodies.
const maxBody = 64 << 10

// guard lets through what a program or a page of this hub sends, and not what
// a page of another origin makes a browser send.
type guard struct {
	next  http.Handler
	hosts []string // lower case, without ports
	any   bool     // next decides about names
	cross *http.CrossOriginProtection
}

func newGuard(next http.Handler, hosts []string) *guard {
	g := &guard{next: next, cross: http.NewCrossOriginProtection(), hosts: []string{"localhost"}}
	for _, host := range hosts {
		if host != "" {
			g.hosts = append(g.hosts, strings.ToLower(host))
		}
	}
	return g
}

// newBareGuard returns a guard that lets requests through whatever host they name.
func newBareGuard(next http.Handler) *guard {
	return &guard{next: next, cross: http.NewCrossOriginProtection(), any: true}
}

// ServeHTTP refuses a request or passes it on.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = newPatientWriter(w)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	// Probes come with any name and learn nothing.
	if r.URL.Path != "/healthz" && r.URL.Path != "/readyz" && !g.any && !g.isOwn(r) {
		refuse(w, r, problemf(codeHostNotAllowed, "host %q", r.Host))
		return
	}
	if err := g.cross.Check(r); err != nil {
		refuse(w, r, problemf(codeCrossOrigin, "%s %s from origin %q", r.Method, r.URL.Path, r.Header.Get("Origin")))
		return
	}
	if ofNetworks(r) {
		g.next.ServeHTTP(w, r)
		return
	}
	if r.ContentLength > maxBody {
		writeProblem(w, problemf(codeBodyTooLarge, "%d bytes, want at most %d", r.ContentLength, maxBody))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	g.next.ServeHTTP(w, r)
}

// isOwn reports whether the request was meant for this hub. A page whose name
// was made to resolve to this address still sends its own name.
func (g *guard) isOwn(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local != nil && local.Network() == "unix" {
		return true // no browser gets there
	}
	host := strings.ToLower(hostOnly(r.Host))
	if slices.Contains(g.hosts, strings.TrimSuffix(host, ".")) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() {
		return true
	}
	if tcp, ok := local.(*net.TCPAddr); ok {
		own := tcp.AddrPort().Addr()
		return own.Unmap().WithZone("") == ip
	}
	return false
}

// hostOnly cuts the port off and the brackets of an IPv6 address.
func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
}
