// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-io/weir/client"
)

// documentVersion is the version of the interface, which is not weir's.
const documentVersion = "1.0.0"

// API is the HTTP interface of one hub.
type API struct {
	// Immutable after New.
	opts     Options
	log      *slog.Logger
	rates    *sampler
	registry *prometheus.Registry
	router   *router
	document *huma.OpenAPI
	handler  http.Handler

	archives chan struct{} // holds one item for each archive being written
}

// New makes the interface of a hub. It starts nothing: rates are known while
// Run runs.
func New(opts Options) (*API, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxArchives <= 0 {
		opts.MaxArchives = defaultArchives
	}
	a := &API{
		opts: opts, log: opts.Log, router: newRouter(),
		rates:    newSampler(opts.Store, opts.Now),
		archives: make(chan struct{}, opts.MaxArchives),
	}
	var err error
	if a.registry, err = newRegistry(a); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	if err := a.register(); err != nil {
		return nil, fmt.Errorf("HTTP interface: %w", err)
	}
	a.handler = newGuard(a.router, opts.Hosts)
	return a, nil
}

// Handler serves all requests.
func (a *API) Handler() http.Handler { return a.handler }

// Run takes the samples that rates are made of, until ctx ends; then it
// returns nil.
func (a *API) Run(ctx context.Context) error {
	a.rates.run(ctx)
	return nil
}

// Document returns the OpenAPI document as indented JSON.
func (a *API) Document() ([]byte, error) {
	b, err := json.MarshalIndent(a.document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return append(b, '\n'), nil
}

// newFramework makes the framework without what it adds by itself: a page from
// elsewhere, links in bodies, and document routes that are not safe for
// concurrent use.
func (a *API) newFramework() huma.API {
	cfg := huma.DefaultConfig("weir", documentVersion)
	cfg.CreateHooks = nil
	cfg.DocsPath, cfg.OpenAPIPath, cfg.SchemasPath = "", "", ""
	cfg.RejectUnknownQueryParameters = true
	cfg.Transformers = []huma.Transformer{a.asProblem}
	cfg.Info.Description = "Sessions, streams and chunks of a weir hub. " +
		"Identifiers are strings, times are RFC 3339 with nanoseconds, lists are paged by cursors, refusals are RFC 9457 problems with stable codes."
	cfg.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	framework := humago.New(a.router, cfg)
	framework.OpenAPI().Components.Schemas.Schema(problemType, true, "Problem")
	return framework
}

// finish takes the framework's own error types, which never go out, off the
// document.
func (a *API) finish(framework huma.API) {
	a.document = framework.OpenAPI()
	schemas := a.document.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
}

var _ error = (*client.Problem)(nil)
