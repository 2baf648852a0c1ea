// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/weir-io/weir/client/agent"
)

// statuses are the HTTP statuses of codes; what is not here is a refusal that
// the request's sender can do something about.
var statuses = map[agent.Code]int{
	agent.CodeUnknown: http.StatusInternalServerError,

	agent.CodeNotSupported:       http.StatusNotImplemented,
	agent.CodeBufferType:         http.StatusNotImplemented,
	agent.CodeContextUnavailable: http.StatusNotImplemented,

	agent.CodePermission: http.StatusForbidden,

	agent.CodeNoSession:       http.StatusNotFound,
	agent.CodeSessionNotFound: http.StatusNotFound,
	agent.CodeChannelNotFound: http.StatusNotFound,
	agent.CodeNoEvent:         http.StatusNotFound,
	agent.CodeTriggerNotFound: http.StatusNotFound,

	agent.CodeSessionExists:      http.StatusConflict,
	agent.CodeKernelEventExists:  http.StatusConflict,
	agent.CodeChannelExists:      http.StatusConflict,
	agent.CodeTriggerExists:      http.StatusConflict,
	agent.CodeScheduleExists:     http.StatusConflict,
	agent.CodeNeverStarted:       http.StatusConflict,
	agent.CodeNoChannel:          http.StatusConflict,
	agent.CodeAlreadyStarted:     http.StatusConflict,
	agent.CodeAlreadyStopped:     http.StatusConflict,
	agent.CodeNoConsumer:         http.StatusConflict,
	agent.CodeNotSnapshotSession: http.StatusConflict,
	agent.CodeRotationPending:    http.StatusConflict,

	agent.CodeEnableConsumer: http.StatusBadGateway,
	agent.CodeRelayConnect:   http.StatusBadGateway,
	agent.CodeRelayVersion:   http.StatusBadGateway,

	agent.CodeKernelUnavailable: http.StatusServiceUnavailable,
}

func statusOf(c agent.Code) int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusBadRequest
}

// invalidf is what is wrong with a request.
func invalidf(format string, args ...any) error {
	return agent.NewProblem(agent.CodeInvalid, fmt.Sprintf(format, args...))
}

// writeError answers with a problem. What has no number is told as it is: who
// may connect is who has to know.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*agent.Problem](err)
	switch {
	case ok && p.Error() != err.Error():
		// What was put around the problem on its way is part of the message.
		p = agent.NewProblem(p.Code, err.Error())
	case !ok:
		p = agent.NewProblem(agent.CodeUnknown, err.Error())
		if !errors.Is(err, context.Canceled) { // else the caller has gone
			s.log.Warn("order failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
	}
	writeProblem(w, statusOf(p.Code), p)
}

func writeProblem(w http.ResponseWriter, status int, p *agent.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone: nothing to do
}
