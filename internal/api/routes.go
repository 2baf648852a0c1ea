// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-io/weir/client"
)

var problemType = reflect.TypeFor[client.Problem]()

// Tags group the operations in the document.
const (
	tagSessions  = "sessions"
	tagRetention = "retention"
	tagHub       = "hub"
	tagHosts     = "hosts"
	tagFeeds     = "feeds"
	tagEnrolment = "enrolment"
)

// register makes all routes and the document.
func (a *API) register() error {
	f := a.newFramework()
	a.registerSessions(f)
	a.registerChunks(f)
	if a.opts.Registry != nil {
		a.registerHosts(f)
	}
	if a.opts.Enrol != nil {
		a.registerEnrolment(f)
	}
	if a.opts.Feeds != nil {
		a.registerFeeds(f)
	}
	operation(f, "POST", "/api/v1/retention/run", "run-retention", tagRetention,
		"Remove what the limits tell to, now", a.runRetention, codeInvalidRequest, codeCrossOrigin)
	operation(f, "GET", "/api/v1/hub", "get-hub", tagHub, "Which hub this is, and where it listens", a.getHub)
	operation(f, "GET", "/healthz", "get-health", tagHub, "Whether the hub answers", a.getHealth)
	a.registerReady(f)
	a.registerMetrics(f)
	return a.registerDocument(f)
}

func (a *API) registerSessions(f huma.API) {
	const one = "/api/v1/sessions/{id}"
	operation(f, "GET", "/api/v1/sessions", "list-sessions", tagSessions,
		"List sessions, newest first", a.listSessions, codeInvalidRequest, codeInvalidCursor)
	operation(f, "GET", one, "get-session", tagSessions,
		"One session", a.getSession, codeInvalidRequest, codeNoSuchSession)
	operation(f, "DELETE", one, "delete-session", tagSessions,
		"Delete a closed session with all its chunks", a.deleteSession,
		codeInvalidRequest, codeCrossOrigin, codeNoSuchSession, codeSessionOpen)
	operation(f, "GET", one+"/streams", "list-streams", tagSessions,
		"List the streams of an active session", a.listStreams, codeInvalidRequest, codeInvalidCursor, codeNoSuchSession)
}

func (a *API) registerChunks(f huma.API) {
	const all = "/api/v1/sessions/{id}/chunks"
	operation(f, "GET", all, "list-chunks", tagSessions,
		"List the chunks of a session by ID", a.listChunks, codeInvalidRequest, codeInvalidCursor, codeNoSuchSession)
	operation(f, "DELETE", all+"/{chunk}", "delete-chunk", tagSessions,
		"Delete a chunk that is not open", a.deleteChunk,
		codeInvalidRequest, codeCrossOrigin, codeNoSuchSession, codeNoSuchChunk, codeChunkOpen)
	op := newOperation("GET", all+"/{chunk}/archive", "get-archive", tagSessions,
		"Download a chunk that is not open as tar, compressed with zstd",
		codeInvalidRequest, codeNoSuchSession, codeNoSuchChunk, codeChunkOpen, codeTooManyArchives)
	op.Responses["200"] = binary("The archive. The connection is cut when it cannot be completed.", archiveType)
	huma.Register(f, op, a.getArchive)
}

func (a *API) registerReady(f huma.API) {
	op := newOperation("GET", "/readyz", "get-ready", tagHub, "Whether the hub does its work")
	ref := f.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Readiness](), true, "Readiness")
	op.Responses["503"] = &huma.Response{
		Description: "It starts or stops; reasons says so.",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: ref}},
	}
	huma.Register(f, op, a.getReady)
}

// registerDocument adds the document's own routes, and renders it once: it
// does not change.
func (a *API) registerDocument(f huma.API) error {
	forms := []struct {
		suffix, kind string
		render       func() ([]byte, error)
	}{
		{"json", "application/openapi+json", a.Document},
		{"yaml", "application/openapi+yaml", func() ([]byte, error) { return a.document.YAML() }},
	}
	rendered := make([][]byte, len(forms))
	for i, form := range forms {
		op := newOperation("GET", "/openapi."+form.suffix, "get-openapi-"+form.suffix, tagHub, "This document")
		op.Responses["200"] = binary("The document.", form.kind)
		a.raw(f, op, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", form.kind)
			_, _ = w.Write(rendered[i]) // the client has gone: nothing to do
		}))
	}
	a.finish(f)
	for i, form := range forms {
		b, err := form.render()
		if err != nil {
			return fmt.Errorf("render the document as %s: %w", form.suffix, err)
		}
		rendered[i] = b
	}
	return nil
}

// raw adds a route that writes its answer by itself.
func (a *API) raw(f huma.API, op huma.Operation, handler http.Handler) {
	f.OpenAPI().AddOperation(&op)
	a.router.HandleFunc(op.Method+" "+op.Path, handler.ServeHTTP)
}

// operation adds a typed route.
func operation[I, O any](f huma.API, method, path, id, tag, summary string, handler func(context.Context, *I) (*O, error), codes ...code) {
	huma.Register(f, newOperation(method, path, id, tag, summary, codes...), handler)
}

func newOperation(method, path, id, tag, summary string, codes ...code) huma.Operation {
	return huma.Operation{
		Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Responses: refusals(codes...),
	}
}

// binary documents an answer that is not JSON.
func binary(description, kind string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
}
