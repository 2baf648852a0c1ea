// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net/http"

	"github.com/weir-io/weir/client"
)

type healthOutput struct {
	Body client.Health
}

type readyOutput struct {
	Status int
	Body   client.Readiness
}

// getHealth answers GET /healthz: whoever gets the answer knows that there is one.
func (a *API) getHealth(context.Context, *struct{}) (*healthOutput, error) {
	return &healthOutput{client.Health{Status: "ok", Warnings: a.feedWarnings()}}, nil
}

// feedWarnings says why no feeds are served where they should be.
func (a *API) feedWarnings() []string {
	if a.opts.Feeds == nil {
		return nil
	}
	if err := a.opts.Feeds.Served(); err != nil {
		return []string{"feeds: " + err.Error()}
	}
	return nil
}

// getReady answers GET /readyz. A full disk is a warning only: connections
// stay, and sending producers elsewhere would lose what they have open here.
func (a *API) getReady(context.Context, *struct{}) (*readyOutput, error) {
	out := &readyOutput{Status: http.StatusOK, Body: client.Readiness{Reasons: []string{}, Warnings: []string{}}}
	if a.opts.NotReady != nil {
		out.Body.Reasons = append(out.Body.Reasons, a.opts.NotReady()...)
	}
	if out.Body.Ready = len(out.Body.Reasons) == 0; !out.Body.Ready {
		out.Status = http.StatusServiceUnavailable
	}
	if a.opts.Store.ShortOfSpace() {
		out.Body.Warnings = append(out.Body.Warnings, "disk short: data packets are dropped")
	}
	space, err := a.opts.Catalog.Space()
	if err != nil {
		out.Body.Warnings = append(out.Body.Warnings, "disk space not known")
	}
	out.Body.FreeBytes = space.Free
	out.Body.Warnings = append(out.Body.Warnings, a.feedWarnings()...)
	return out, nil
}
