// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
)

// Bounds of what an agent sends at once.
const (
	maxRecords    = 1000
	maxReport     = 16 << 20
	clockMistrust = time.Minute // how far ahead a host's clock may be
)

// reportRoutes are for the agents of hosts.
func reportRoutes() []route {
	return tagged("hosts", route{
		method: http.MethodPost, path: "/hosts/{id}/records", handle: takeReport, takes: true, admin: true, agent: true,
		limit: maxReport, status: http.StatusNoContent, id: "report-records",
		summary: "Keep what a host has traced, and how it counts", request: "Report",
	})
}

// report is what an agent sends.
type report struct {
	Records []json.RawMessage `json:"records"`
	Status  []struct {
		Request      string `json:"request"`
		Hits         int64  `json:"hits"`
		LimitReached bool   `json:"limitReached"`
	} `json:"status"`
}

// requestStatus is how the host counts for a request.
type requestStatus struct {
	Request      topology.ID
	Hits         int64
	LimitReached bool
}

// readReport reads a body, but for its records.
func readReport(raw json.RawMessage) (body report, status []requestStatus, err error) {
	if err := json.Unmarshal(raw, &body); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return body, nil, violation(wrong.Field, "got a value of type %s", wrong.Value)
		}
		return body, nil, violation("", "%v", err)
	}
	for i, s := range body.Status {
		id, err := topology.ParseID(s.Request)
		if err != nil {
			return body, nil, violation(fmt.Sprintf("status[%d].request", i), "%v", err)
		}
		if s.Hits < 0 {
			return body, nil, violation(fmt.Sprintf("status[%d].hits", i), "got %d, want at least 0", s.Hits)
		}
		status = append(status, requestStatus{id, s.Hits, s.LimitReached})
	}
	return body, status, nil
}

// takeReport keeps records of a host. What is of requests that are gone is nobody's: it
// is thrown away, and that is no error, because agents learn of it later.
func takeReport(q *request) error {
	host, err := q.pathHost()
	if err != nil {
		return err
	}
	if q.who.Role == Agent && q.who.Host != host.ID {
		return faultf(http.StatusForbidden, "the account is for another host than %v", host.ID)
	}
	raw, err := q.rawBody()
	if err != nil {
		return err
	}
	body, status, err := readReport(raw)
	if err != nil {
		return err
	}
	records, err := readRecords(body.Records, host.ID)
	if err != nil {
		return err
	}
	if err := q.keepReport(host.ID, records, status); err != nil {
		return err
	}
	return q.done()
}

// keepReport keeps what a host has sent of requests that are there, which stay until it
// is kept, or are forgotten with it.
func (q *request) keepReport(host topology.ID, records []record.Record, status []requestStatus) error {
	q.server.reporting.RLock()
	defer q.server.reporting.RUnlock()
	known := &knownRequests{q: q, is: make(map[topology.ID]bool)}
	records, err := known.keep(records)
	if err != nil {
		return err
	}
	if len(records) > 0 {
		if err := q.server.opts.Traces.Append(q.ctx(), records); err != nil {
			return err
		}
	}
	for _, s := range status {
		if there, err := known.there(s.Request); err != nil {
			return err
		} else if !there {
			continue
		}
		if err := q.server.opts.Traces.SetStatus(q.ctx(), s.Request, HostStatus{host, s.Hits, s.LimitReached}); err != nil {
			return err
		}
	}
	return nil
}

// readRecords reads the records of a host. Times that its clock cannot have are those of
// now: a flow of the future would never be too old to be kept.
func readRecords(raw []json.RawMessage, host topology.ID) ([]record.Record, error) {
	if len(raw) > maxRecords {
		return nil, violation("records", "got %d, want at most %d", len(raw), maxRecords)
	}
	now := time.Now()
	records := make([]record.Record, len(raw))
	for i := range raw {
		r, err := record.Parse(raw[i])
		property := fmt.Sprintf("records[%d]", i)
		switch {
		case err != nil:
			return nil, violation(property, "%v", err)
		case r.Scope.Host != host:
			return nil, violation(property+".host", "got %v below the path of %v", r.Scope.Host, host)
		}
		if r.Time.After(now.Add(clockMistrust)) || r.Time.Unix() < 0 {
			r.Time = now
		}
		records[i] = r
	}
	return records, nil
}

// knownRequests knows which trace requests there are, for a report.
type knownRequests struct {
	q  *request
	is map[topology.ID]bool
}

// keep returns the records that are of requests that are there, for these alone.
func (k *knownRequests) keep(records []record.Record) ([]record.Record, error) {
	kept := records[:0]
	for _, r := range records {
		var failed error
		r.Scope.Requests = slices.DeleteFunc(r.Scope.Requests, func(id topology.ID) bool {
			there, err := k.there(id)
			if err != nil {
				failed = err
			}
			return !there
		})
		if failed != nil {
			return nil, failed
		}
		if len(r.Scope.Requests) > 0 {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

func (k *knownRequests) there(id topology.ID) (bool, error) {
	if there, known := k.is[id]; known {
		return there, nil
	}
	_, err := k.q.inventory().Trace(k.q.ctx(), id)
	if err != nil && k.q.server.fault(err).Status != http.StatusNotFound {
		return false, err
	}
	k.is[id] = err == nil
	return err == nil, nil
}
