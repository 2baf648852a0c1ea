// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Base is the path that all resources are below.
const Base = "/midonet-api"

// Defaults of Options.
const (
	DefaultTimeout = 10 * time.Second
	DefaultMaxBody = 1 << 20
	DefaultRecheck = time.Second
	maxDocument    = 256 << 20 // of a whole topology
	topologyTimes  = 30        // as long as others a whole topology may take
)

// Options say what a Server works on.
type Options struct {
	Inventory Inventory
	Access    Access

	// Classify tells what an error of the inventory, the simulator or the trace store
	// means to a client; nil stands for an internal error, and nil is the default.
	Classify func(error) *Fault

	Simulator Simulator     // nil: no dry runs
	Traces    Traces        // nil: no flows have been traced, and none will be
	Timeout   time.Duration // of a request, but not of one that follows; 0: DefaultTimeout
	Recheck   time.Duration // between looks whether who follows still may; 0: DefaultRecheck
	MaxBody   int64         // bytes of a request's body; 0: DefaultMaxBody
	Log       *slog.Logger
}

// Server answers requests below Base.
type Server struct {
	// Immutable after New.
	opts     Options
	routes   []route
	document func() ([]byte, error)

	// reporting is held for reading from when a report has asked which requests there are
	// until it is kept, and for writing while what one has traced is forgotten: a report
	// that takes a request for there does not keep anything after that.
	reporting sync.RWMutex
}

// New makes a server. It starts nothing.
func New(opts Options) *Server {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Recheck <= 0 {
		opts.Recheck = DefaultRecheck
	}
	if opts.MaxBody <= 0 {
		opts.MaxBody = DefaultMaxBody
	}
	if opts.Traces == nil {
		opts.Traces = noTraces{}
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: opts, routes: routes(), document: sync.OnceValues(Document)}
	for i := range s.routes {
		s.routes[i].segments = split(s.routes[i].path)
	}
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	q := &request{server: s, w: w, r: r}
	defer s.recoverFrom(q)
	err := q.serve()
	if err == nil {
		return
	}
	f := s.fault(err)
	if f.Status == http.StatusInternalServerError {
		s.opts.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	q.refuse(f)
}

// recoverFrom answers for a handler that has panicked.
func (s *Server) recoverFrom(q *request) {
	p := recover()
	switch p {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(p)
	}
	s.opts.Log.Error("request failed", "method", q.r.Method, "path", q.r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	q.refuse(faultf(http.StatusInternalServerError, "internal error: the log of the hub has it"))
}

// serve takes the request through the gates, and to its handler.
func (q *request) serve() error {
	path, ok := strings.CutPrefix(q.r.URL.Path, Base)
	if !ok || path != "" && path[0] != '/' {
		return faultf(http.StatusNotFound, "there is no %s", q.r.URL.Path)
	}
	rt, others, vars := q.server.match(q.r.Method, path)
	q.route, q.vars = rt, vars
	q.hurry()
	if rt == nil || !rt.open {
		if err := q.identify(); err != nil {
			return err
		}
	}
	if rt == nil {
		return q.unserved(others)
	}
	if err := q.negotiate(); err != nil {
		return err
	}
	if !rt.open && !q.who.may(rt) {
		return faultf(http.StatusForbidden, "%s %s is not for the role %s", rt.method, q.r.URL.Path, q.who.Role)
	}
	if rt.stream && q.r.URL.Query().Get("follow") == "true" {
		return rt.handle(q)
	}
	ctx, cancel := context.WithTimeout(q.r.Context(), q.server.timeout(rt))
	defer cancel()
	q.r = q.r.WithContext(ctx)
	return rt.handle(q)
}

// timeout returns how long a request of a route may take.
func (s *Server) timeout(rt *route) time.Duration {
	if rt.path == topologyPath {
		return topologyTimes * s.opts.Timeout
	}
	return s.opts.Timeout
}

// unserved refuses what no route is for; others are the methods that the path has.
func (q *request) unserved(others []string) error {
	if len(others) == 0 {
		return faultf(http.StatusNotFound, "there is no %s", q.r.URL.Path)
	}
	q.w.Header().Set("Allow", strings.Join(others, ", "))
	return faultf(http.StatusMethodNotAllowed, "%s has no %s, only %s", q.r.URL.Path, q.r.Method, strings.Join(others, ", "))
}

// fault tells what an error means to a client.
func (s *Server) fault(err error) *Fault {
	if f := ownFault(err); f != nil {
		return f
	}
	if s.opts.Classify != nil {
		if f := s.opts.Classify(err); f != nil {
			return f
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return faultf(http.StatusServiceUnavailable, "the store did not answer in time")
	}
	return faultf(http.StatusInternalServerError, "internal error: the log of the hub has it")
}
