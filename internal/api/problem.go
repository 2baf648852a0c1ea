// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/tracestore"
)

// code names a row of errors.json.
type code string

// The rows of errors.json.
const (
	codeInternal         code = "internal"
	codeInvalidRequest   code = "invalid-request"
	codeInvalidCursor    code = "invalid-cursor"
	codeNoSuchPath       code = "no-such-path"
	codeMethodNotAllowed code = "method-not-allowed"
	codeNotAcceptable    code = "not-acceptable"
	codeBodyTooLarge     code = "body-too-large"
	codeHostNotAllowed   code = "host-not-allowed"
	codeCrossOrigin      code = "cross-origin"
	codeNoSuchSession    code = "no-such-session"
	codeSessionOpen      code = "session-open"
	codeNoSuchChunk      code = "no-such-chunk"
	codeChunkOpen        code = "chunk-open"
	codeTooManyArchives  code = "too-many-archives"
	codeTooManyScrapes   code = "too-many-scrapes"
	codeNoSuchHost       code = "no-such-host"
	codePeerNotAllowed   code = "peer-not-allowed"
	codeAddressNotOwn    code = "address-not-own"
	codeHostTaken        code = "host-taken"
	codeHostConfigured   code = "host-configured"
	codeTooManyHosts     code = "too-many-hosts"
	codeFeedNotFound     code = "feed_not_found"
	codeFeedExists       code = "feed_exists"
	codeFeedBusy         code = "feed_busy"
	codeFeedAborted      code = "feed_aborted"
	codeFeedDenied       code = "feed_denied"
	codeFeedArgument     code = "bad_argument"
	codeFeedUnsupported  code = "unsupported_fs"
	codeFeedLimit        code = "limit"
	codeFeedStore        code = "store"
	codeFeedToken        code = "feed_token"
	codeHostUnreachable  code = "host-unreachable"
	codeNotEnrolled      code = "not-enrolled"
	codeExpelled         code = "expelled"
	codeNotForRole       code = "not-for-role"
	codeBadInvitation    code = "bad-invitation"
	codeInvitationEnded  code = "invitation-ended"
	codeInvitationUsed   code = "invitation-used"
	codeNameEnrolled     code = "name-enrolled"
	codeTooManyAttempts  code = "too-many-attempts"
	codeTooManyEnrolled  code = "too-many-enrolled"
	codeLocalOnly        code = "local-only"
	codeNoSuchEnrolment  code = "no-such-enrolment"
)

// errorRow is a kind of problem. Codes and numbers are never reused.
type errorRow struct {
	Number  int    `json:"number"`
	Code    code   `json:"code"`
	Status  int    `json:"status"`
	Title   string `json:"title"`
	Meaning string `json:"meaning"`
}

//go:embed errors.json
var errorsJSON []byte

// errorRows is the table of all problems, in its order.
var errorRows = sync.OnceValue(func() []errorRow {
	var rows []errorRow
	if err := json.Unmarshal(errorsJSON, &rows); err != nil {
		panic("api: errors.json: " + err.Error())
	}
	return rows
})

func rowOf(c code) errorRow {
	for _, row := range errorRows() {
		if row.Code == c {
			return row
		}
	}
	panic("api: no row in errors.json for " + string(c))
}

// problemf makes a problem of a kind.
func problemf(c code, format string, args ...any) *client.Problem {
	row := rowOf(c)
	return &client.Problem{
		Type: "urn:weir:error:" + string(c), Title: row.Title, Status: row.Status,
		Code: string(c), Number: row.Number, Detail: fmt.Sprintf(format, args...),
	}
}

// writeProblem answers with a problem outside of a typed operation.
func writeProblem(w http.ResponseWriter, p *client.Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client has gone: nothing to do
}

// storeError turns an error of the catalog into the problem that a client can
// act on; inUse and missing are the codes for the kind of object.
func storeError(err error, inUse, missing code) error {
	switch {
	case errors.Is(err, tracestore.ErrInUse):
		return problemf(inUse, "%v", err)
	case errors.Is(err, tracestore.ErrNotStored), errors.Is(err, fs.ErrNotExist):
		return problemf(missing, "%v", err)
	}
	return err
}

// asProblem turns what the framework and failing handlers answer with into a
// problem of the table.
func (a *API) asProblem(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	if m.Status == http.StatusInternalServerError {
		// What went wrong inside is for the log, not for the client.
		if ctx.Context().Err() == nil { // else the client has gone
			a.log.Error("request failed", "method", ctx.Method(), "path", ctx.Operation().Path, "err", firstReason(m))
		}
		return problemf(codeInternal, "the hub's log says more"), nil
	}
	p := problemf(codeOfStatus(m.Status), "%s", m.Detail)
	p.Status = m.Status // the status line is out already
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, client.Reason{Message: e.Message, Location: e.Location})
	}
	return p, nil
}

func firstReason(m *huma.ErrorModel) string {
	if len(m.Errors) > 0 && m.Errors[0] != nil {
		return m.Errors[0].Message
	}
	return m.Detail
}

// codeOfStatus finds the code for a refusal of the framework.
func codeOfStatus(status int) code {
	switch status {
	case http.StatusNotAcceptable:
		return codeNotAcceptable
	case http.StatusRequestEntityTooLarge:
		return codeBodyTooLarge
	case http.StatusNotFound:
		return codeNoSuchPath
	}
	return codeInvalidRequest
}

// refusals documents the problems of an operation: one response a status, with
// the codes that it can carry.
func refusals(codes ...code) map[string]*huma.Response {
	responses := make(map[string]*huma.Response)
	for _, c := range append(codes, codeHostNotAllowed, codeInternal) {
		row := rowOf(c)
		status := strconv.Itoa(row.Status)
		r := responses[status]
		if r == nil {
			r = &huma.Response{
				Description: string(c),
				Content: map[string]*huma.MediaType{
					"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}},
				},
			}
			responses[status] = r
			continue
		}
		r.Description += ", " + string(c)
	}
	return responses
}
