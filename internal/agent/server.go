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
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// Time-outs and limits of the server. An order may take as long as it needs; who
// gives it may not.
const (
	requestTimeout = 10 * time.Second // of sending a request
	answerTimeout  = 30 * time.Second // of taking its answer
	idleTimeout    = 2 * time.Minute  // between requests of a connection
	maxHeader      = 64 << 10         // bytes
	maxDocument    = 1 << 20          // bytes of a request's document
)

// Server answers requests by what the service says.
type Server struct {
	// Immutable after NewServer.
	service service
	log     *slog.Logger
	mux     *http.ServeMux
	methods map[string][]string // of the paths that have routes, sorted
	http    *http.Server

	// Changed by tests only, before Serve.
	heartbeat      time.Duration // of streams of notices
	requestTimeout time.Duration // of sending a request
	noticeTimeout  time.Duration // of taking a notice

	stopping chan struct{} // closed by Shutdown; watchers end by it
	stop     sync.Once
}

// NewServer makes a server of a service. It listens when Serve is called.
func NewServer(s service, log *slog.Logger) *Server {
	v := &Server{
		service: s, log: log, mux: http.NewServeMux(), methods: make(map[string][]string),
		heartbeat: heartbeat, requestTimeout: requestTimeout, noticeTimeout: noticeTimeout, stopping: make(chan struct{}),
	}
	for pattern, h := range routes() {
		v.handle(pattern, func(w http.ResponseWriter, q *request) { v.answer(w, q, h) })
	}
	v.handle("GET /api/v1/watch", v.watch)
	for path, methods := range v.methods {
		slices.Sort(methods)
		v.mux.HandleFunc(path, v.refuseMethod(methods))
	}
	v.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, agent.NewProblem(agent.CodeInvalid, "no such path: "+r.URL.Path))
	})
	v.http = &http.Server{
		Handler:           v,
		ReadHeaderTimeout: requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, c.(*conn).by)
		},
	}
	return v
}

// callerKey is the key of a connection's Caller in its context.
type callerKey struct{}

// handle adds a route "METHOD /path".
func (s *Server) handle(pattern string, do func(http.ResponseWriter, *request)) {
	method, path, _ := strings.Cut(pattern, " ")
	s.methods[path] = append(s.methods[path], method)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		by, ok := r.Context().Value(callerKey{}).(Caller)
		if !ok {
			panic("agent: a request without a caller")
		}
		do(w, &request{Request: r, by: by})
	})
}

func (s *Server) refuseMethod(allowed []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, http.StatusMethodNotAllowed, agent.NewProblem(agent.CodeInvalid, r.Method+" is no method of "+r.URL.Path))
	}
}

// Serve answers on a listener until Shutdown, and returns nil then. The group of
// gid may trace the kernel; -1 stands for none.
func (s *Server) Serve(l net.Listener, gid int) error {
	err := s.http.Serve(newListener(l, gid, s.log))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve session daemon: %w", err)
}

// Shutdown stops listening, ends the streams of notices and waits for the orders
// that are being carried out, until ctx ends and cuts them off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop.Do(func() { close(s.stopping) })
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// ServeHTTP reads a request as a whole and hands it to its route. Whoever is slow
// or has too much to say is cut off before anything is done; afterwards there is
// no time-out, which would end a long order.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.requestTimeout)) // a Unix socket has deadlines
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocument))
	if err != nil {
		w.Header().Set("Connection", "close")
		status, text := http.StatusRequestTimeout, "document: "+err.Error()
		if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status, text = http.StatusRequestEntityTooLarge, fmt.Sprintf("document: larger than %d bytes", large.Limit)
		}
		writeProblem(w, status, agent.NewProblem(agent.CodeInvalid, text))
		return
	}
	_ = control.SetReadDeadline(time.Time{})
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mux.ServeHTTP(w, r)
}

// answer carries out a request and writes its document.
func (s *Server) answer(w http.ResponseWriter, q *request, do handler) {
	document, err := do(s.service, q)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTimeout))
	if err != nil {
		s.writeError(w, q.Request, err)
		return
	}
	if document == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document) // the caller has gone: nothing to do
}
