// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// request is a request on its way.
type request struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	who    Identity
	route  *route
	vars   map[string]string // of the path
	media  string            // of the answer's body

	started bool // the answer has begun: an error can only cut it off
}

// ctx ends with the request.
func (q *request) ctx() context.Context { return q.r.Context() }

// inventory is what the request is about.
func (q *request) inventory() Inventory { return q.server.opts.Inventory }

// query returns a parameter of the URL.
func (q *request) query(name string) string { return q.r.URL.Query().Get(name) }

// id returns the identifier at a place of the path. What is no identifier is nowhere.
func (q *request) id(name string) (topology.ID, error) {
	id, err := topology.ParseID(q.vars[name])
	if err != nil {
		return id, faultf(http.StatusNotFound, "there is no %s: %v", q.r.URL.Path, err)
	}
	return id, nil
}

// uri returns the absolute URI of a resource.
func (q *request) uri(segments ...string) string {
	scheme := "http"
	if q.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + q.r.Host + Base + "/" + strings.Join(segments, "/")
}

// body reads the JSON of the request into a value whose type tells what is wrong.
func (q *request) body(v json.Unmarshaler) error {
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	return v.UnmarshalJSON(raw)
}

// rawBody reads a JSON object.
func (q *request) rawBody() (json.RawMessage, error) {
	limit := q.server.opts.MaxBody
	if q.route.limit > 0 {
		limit = q.route.limit
	}
	data, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, limit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, faultf(http.StatusRequestTimeout, "the body did not come in %v", q.server.timeout(q.route))
		}
		return nil, faultf(http.StatusBadRequest, "the body ends early: %v", err)
	}
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Time{}) // see hurry
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, faultf(http.StatusBadRequest, "the body is empty, want a JSON object")
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return nil, faultf(http.StatusBadRequest, "the body is not JSON: %v", err)
	}
	if data[0] != '{' {
		return nil, faultf(http.StatusBadRequest, "the body is not a JSON object")
	}
	return data, nil
}

// hurry bounds how long the body may take. The bound stays when the body is not read to
// its end: the server throws the rest away, and would wait for it.
func (q *request) hurry() {
	if q.r.ContentLength == 0 {
		return
	}
	limit := q.server.opts.Timeout
	if q.route != nil {
		limit = q.server.timeout(q.route)
	}
	_ = http.NewResponseController(q.w).SetReadDeadline(time.Now().Add(limit)) // a test's writer has none
}

// answer sends a value.
func (q *request) answer(v any) error { return q.send(http.StatusOK, v) }

// created answers that a resource was made.
func (q *request) created(uri string, v any) error {
	q.w.Header().Set("Location", uri)
	return q.send(http.StatusCreated, v)
}

// done answers that something was done.
func (q *request) done() error {
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q *request) send(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", q.media)
	q.w.WriteHeader(status)
	_, _ = q.w.Write(b) // the client has gone: nothing to do
	return nil
}

// refuse sends an error. An answer that has begun is cut off, so that it does not look as
// if it were whole.
func (q *request) refuse(f *Fault) {
	if q.started {
		panic(http.ErrAbortHandler)
	}
	if f.Status == http.StatusUnauthorized {
		q.w.Header().Set("WWW-Authenticate", `Basic realm="weir"`)
	}
	q.w.Header().Del("Location")
	WriteFault(q.w, f)
}

// member is a member of a representation beside those of the object.
type member struct {
	name  string
	value any
}

// represent returns the JSON of an object with further members after its own.
func represent(object any, members ...member) (json.RawMessage, error) {
	b, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	b = b[:len(b)-1] // the closing brace
	for _, m := range members {
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, m.name...)
		b = append(b, '"', ':')
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// list answers with the representations of objects that the caller may see.
func list[T any](q *request, objects []T, see func(T) bool, represent func(T) (json.RawMessage, error)) error {
	all := make([]json.RawMessage, 0, len(objects))
	for _, o := range objects {
		if !see(o) {
			continue
		}
		b, err := represent(o)
		if err != nil {
			return err
		}
		all = append(all, b)
	}
	return q.answer(all)
}
