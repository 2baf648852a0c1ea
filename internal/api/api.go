// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-io/weir/client"
	feedclient "github.com/weir-io/weir/client/feed"
	"github.com/weir-io/weir/internal/feed/capture"
)

// maxRescans bounds the scans of file systems that were asked for and run.
const maxRescans = 8

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
	started  time.Time

	archives   chan struct{} // holds one item for each archive being written
	alarmTails atomic.Int64  // clients that follow alarms

	// Of feeds.
	leases     *leases
	streams    atomic.Int64
	rescans    chan struct{}   // holds one item for each scan that was asked for
	background sync.WaitGroup  // scans; awaited by Run
	ending     context.Context // of what outlives a request: ends with Run
	end        context.CancelFunc
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
		started:  opts.Now(),
	}
	return a, a.complete(a.register)
}

// NewFeeds makes the interface of an agent without a hub: of Options it takes Feeds,
// Caller or Tokens, Hosts, Now and Log.
func NewFeeds(opts Options) (*API, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a := &API{opts: opts, log: opts.Log, router: newRouter()}
	return a, a.complete(func() error {
		f := a.newFramework()
		a.registerFeeds(f)
		operation(f, "GET", "/healthz", "get-health", tagHub, "Whether the agent answers", a.getHealth)
		a.registerMetrics(f)
		return a.registerDocument(f)
	})
}

// complete makes what every interface has.
func (a *API) complete(register func() error) error {
	a.leases, a.rescans = newLeases(a.opts.Feeds, a.log), make(chan struct{}, maxRescans)
	a.ending, a.end = context.WithCancel(context.Background())
	var err error
	if a.registry, err = newRegistry(a); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if err := register(); err != nil {
		return fmt.Errorf("HTTP interface: %w", err)
	}
	if a.opts.Networks != nil {
		a.router.mux.Handle(NetworksPath, a.opts.Networks)
		a.router.mux.Handle(NetworksPath+"/", a.opts.Networks)
	}
	a.addConsole()
	switch {
	case a.opts.Tokens != nil:
		a.handler = newBareGuard(a.opts.Tokens.authorize(a.router))
	case a.opts.Registry != nil:
		feeds := newHostFeeds(a, a.opts.FeedsTrust)
		a.handler = newGuard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !feeds.serve(w, r) {
				a.router.ServeHTTP(w, r)
			}
		}), a.opts.Hosts)
	default:
		a.handler = newGuard(a.router, a.opts.Hosts)
	}
	return nil
}

// Handler serves all requests.
func (a *API) Handler() http.Handler { return a.handler }

// Run takes the samples that rates are made of, until ctx ends; then it takes the
// feeds back from who reads them, and returns nil.
func (a *API) Run(ctx context.Context) error {
	if a.rates != nil {
		a.rates.run(ctx)
	}
	<-ctx.Done()
	a.end()
	a.leases.close()
	a.background.Wait()
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
	cfg.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	cfg.Transformers = []huma.Transformer{a.asProblem}
	cfg.Info.Description = "Sessions, streams and chunks of a weir hub, and the feeds of its host. " +
		"Identifiers are strings, times are RFC 3339 with nanoseconds, lists are paged by cursors, refusals are RFC 9457 problems with stable codes."
	cfg.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	framework := humago.New(a.router, cfg)
	schemas := framework.OpenAPI().Components.Schemas
	schemas.RegisterTypeAlias(reflect.TypeFor[feedclient.Seconds](), reflect.TypeFor[float64]())
	schemas.Schema(problemType, true, "Problem")
	return framework
}

// schemaName names the schema of a type: what package client/feed calls by a short word
// says here whose it is.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.PkgPath() {
	case reflect.TypeFor[feedclient.Info]().PkgPath():
		return "Feed" + name
	case reflect.TypeFor[capture.Status]().PkgPath():
		return "FeedSource" + name
	}
	return name
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
