// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"strconv"
	"sync/atomic"
)

// answers are what a view has answered, as node_exporter counts its own. Those of nil
// are not counted.
type answers struct {
	inFlight atomic.Int64
	statuses [3]atomic.Uint64 // of statuses
	unsent   atomic.Uint64
}

// counted are the statuses that are counted.
var counted = [...]int{http.StatusOK, http.StatusInternalServerError, http.StatusServiceUnavailable}

// enter counts a request that is being served, leave one that is not any more.
func (a *answers) enter() {
	if a != nil {
		a.inFlight.Add(1)
	}
}

func (a *answers) leave() {
	if a != nil {
		a.inFlight.Add(-1)
	}
}

// add counts an answer by its status.
func (a *answers) add(status int) {
	if a == nil {
		return
	}
	for i, s := range counted {
		if s == status {
			a.statuses[i].Add(1)
		}
	}
}

// fail counts an answer that nobody took.
func (a *answers) fail() {
	if a != nil {
		a.unsent.Add(1)
	}
}

// append appends the families of the answers behind their headings. That a section
// was not read is told elsewhere: no gathering fails as a whole.
func (a *answers) append(b []byte, heads []string) []byte {
	b = append(b, heads[0]...)
	b = appendCount(b, `promhttp_metric_handler_errors_total{cause="encoding"} `, a.unsent.Load())
	b = appendCount(b, `promhttp_metric_handler_errors_total{cause="gathering"} `, 0)
	b = append(b, heads[1]...)
	b = appendCount(b, "promhttp_metric_handler_requests_in_flight ", uint64(a.inFlight.Load()))
	b = append(b, heads[2]...)
	b = appendCount(b, `promhttp_metric_handler_requests_total{code="200"} `, a.statuses[0].Load())
	b = appendCount(b, `promhttp_metric_handler_requests_total{code="500"} `, a.statuses[1].Load())
	return appendCount(b, `promhttp_metric_handler_requests_total{code="503"} `, a.statuses[2].Load())
}

func appendCount(b []byte, series string, n uint64) []byte {
	return append(strconv.AppendUint(append(b, series...), n, 10), '\n')
}
