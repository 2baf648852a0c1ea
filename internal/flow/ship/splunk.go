// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/flow/record"
)

// Splunk brings records to an HTTP event collector.
type Splunk struct {
	URL    string // of the collector, without a path
	Token  string
	Index  string // the token's default if empty
	Client *http.Client
}

// Codes of the collector's answers that concern an event of the batch. That the index is
// wrong is not among them: it is that of all.
const (
	splunkNoData        = 5
	splunkInvalidFormat = 6
	splunkEventRequired = 12
	splunkEventBlank    = 13
	splunkIndexedFields = 15
)

// Send brings records in one request. The collector takes the events before the first
// that it refuses; that one is left out, and those behind it are sent again.
func (s *Splunk) Send(ctx context.Context, batch []record.Record) (refused int, left []record.Record, err error) {
	sent := make([]record.Record, 0, len(batch))
	var body []byte
	for i := range batch {
		if line, err := batch[i].AppendJSON(nil); err == nil {
			body = s.appendEvent(body, &batch[i], line)
			sent = append(sent, batch[i])
		} else {
			refused++
		}
	}
	var why error // an event was refused
	for len(sent) > 0 {
		a, err := post(ctx, s.Client, strings.TrimSuffix(s.URL, "/")+"/services/collector/event", "application/json",
			http.Header{"Authorization": {"Splunk " + s.Token}}, body)
		if err != nil {
			return refused, sent, err
		}
		if a.status == http.StatusOK {
			break
		}
		bad, ok := invalidEvent(a, len(sent))
		if !ok {
			return refused, sent, errAnswer("Splunk", a, s.Token)
		}
		refused++
		why = errAnswer("Splunk", a, s.Token)
		sent, body = slices.Clone(sent[bad+1:]), nil
		for i := range sent {
			line, _ := sent[i].AppendJSON(nil) // it has gone well above
			body = s.appendEvent(body, &sent[i], line)
		}
	}
	return refused, []record.Record{}, why
}

// appendEvent appends an event as the collector takes it.
func (s *Splunk) appendEvent(b []byte, r *record.Record, line []byte) []byte {
	b = append(b, `{"time":`...)
	b = strconv.AppendFloat(b, float64(r.Time.UnixMicro())/1e6, 'f', 6, 64)
	b = append(append(append(b, `,"host":"`...), r.Scope.Host.String()...), `","source":"weir","sourcetype":"weir:flow"`...)
	if s.Index != "" {
		index, _ := json.Marshal(s.Index) // never fails
		b = append(append(b, `,"index":`...), index...)
	}
	return append(append(append(b, `,"event":`...), line...), "}\n"...)
}

// invalidEvent returns which event of a request the collector refuses.
func invalidEvent(a answer, n int) (int, bool) {
	var text struct {
		Code  int  `json:"code"`
		Event *int `json:"invalid-event-number"`
	}
	if a.status != http.StatusBadRequest || json.Unmarshal(a.body, &text) != nil {
		return 0, false
	}
	switch text.Code {
	case splunkNoData, splunkInvalidFormat, splunkEventRequired, splunkEventBlank, splunkIndexedFields:
	default:
		return 0, false
	}
	if text.Event == nil || *text.Event < 0 || *text.Event >= n {
		return 0, false
	}
	return *text.Event, true
}
