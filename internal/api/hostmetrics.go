// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// HostMetrics makes the handlers of a host's figures: by weir's names, with what
// more appends before them, and by node_exporter's. They answer what they do not
// serve by refuse. Package internal/hoststat/metrics has them.
type HostMetrics func(
	more func(b []byte, openMetrics bool) ([]byte, error),
	refuse func(w http.ResponseWriter, r *http.Request, status int, reason string),
) (native, node http.Handler)

func (a *API) registerMetrics(f huma.API) {
	if a.opts.Host == nil {
		handler := promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{
			ErrorLog: promLog{a.log}, MaxRequestsInFlight: maxScrapes,
		})
		op := newOperation("GET", "/metrics", "get-metrics", tagHub, "Figures for Prometheus")
		op.Responses["200"] = binary("All metrics in Prometheus' text format.", "text/plain")
		a.raw(f, op, handler)
		return
	}
	native, node := a.opts.Host(a.appendOwn, a.refuseScrape)
	a.registerScrape(f, "/metrics", "get-metrics", "Figures of the hub and of its host for Prometheus", native)
	a.registerScrape(f, "/metrics/node", "get-node-metrics", "Figures of the host by the names of node_exporter", node)
}

// registerScrape adds the route of a view of the host.
func (a *API) registerScrape(f huma.API, path, id, summary string, handler http.Handler) {
	op := newOperation("GET", path, id, tagHub, summary, codeInvalidRequest, codeTooManyScrapes)
	op.Responses["200"] = binary("All metrics in Prometheus' text format, or in that of OpenMetrics if the header Accept prefers it.", "text/plain")
	op.Responses["200"].Content["application/openmetrics-text"] = op.Responses["200"].Content["text/plain"]
	for _, param := range []struct{ name, text string }{
		{"on", "Show what of the host this selector of xmlsysd matches; nothing else when it comes first. May be repeated."},
		{"off", "Leave out what of the host this selector of xmlsysd matches. May be repeated."},
	} {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: param.name, In: "query", Description: param.text,
			Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}},
		})
	}
	a.raw(f, op, handler)
}

// appendOwn appends the figures of the hub.
func (a *API) appendOwn(b []byte, openMetrics bool) ([]byte, error) {
	families, err := a.registry.Gather()
	if err != nil {
		promLog{a.log}.Println(err)
		return b, err
	}
	kind := expfmt.TypeTextPlain
	if openMetrics {
		kind = expfmt.TypeOpenMetrics
	}
	out := appender(b)
	// Without being closed it writes no end: the host's figures follow.
	encoder := expfmt.NewEncoder(&out, expfmt.NewFormat(kind))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return b, err
		}
	}
	return out, nil
}

// appender is a buffer to write to.
type appender []byte

// Write appends.
func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// refuseScrape answers a scrape that is not served.
func (a *API) refuseScrape(w http.ResponseWriter, r *http.Request, status int, reason string) {
	switch status {
	case http.StatusBadRequest:
		writeProblem(w, problemf(codeInvalidRequest, "%s", reason))
	case http.StatusServiceUnavailable:
		writeProblem(w, problemf(codeTooManyScrapes, "%s", reason))
	case http.StatusMethodNotAllowed:
		writeProblem(w, problemf(codeMethodNotAllowed, "%s %s", r.Method, r.URL.Path))
	default:
		writeProblem(w, problemf(codeInternal, "%s", r.URL.Path))
	}
}
