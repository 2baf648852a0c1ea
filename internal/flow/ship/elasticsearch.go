// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
)

// Elasticsearch brings records to an index or data stream. Each has an id that follows
// from its flow, host and number, so that one that is sent twice is there once.
type Elasticsearch struct {
	URL    string // of the cluster, without a path
	Index  string // index or data stream
	APIKey string // sent as "ApiKey …"; none if empty
	Client *http.Client
}

// Send brings records by one bulk request.
func (e *Elasticsearch) Send(ctx context.Context, batch []record.Record) (refused int, left []record.Record, err error) {
	index, err := json.Marshal(e.Index)
	if err != nil {
		return 0, nil, err
	}
	var body []byte
	sent := make([]record.Record, 0, len(batch))
	for i := range batch {
		line, err := batch[i].AppendJSON(nil)
		if err != nil {
			refused++
			continue
		}
		body = fmt.Appendf(body, `{"create":{"_index":%s,"_id":"%s"}}`+"\n", index, batch[i].Key())
		body = append(body, `{"@timestamp":"`...)
		body = batch[i].Time.UTC().AppendFormat(body, time.RFC3339Nano)
		body = append(append(append(body, `",`...), line[1:]...), '\n')
		sent = append(sent, batch[i])
	}
	if len(sent) == 0 {
		return refused, nil, nil
	}
	header := http.Header{}
	if e.APIKey != "" {
		header.Set("Authorization", "ApiKey "+e.APIKey)
	}
	a, err := post(ctx, e.Client, strings.TrimSuffix(e.URL, "/")+"/_bulk", "application/x-ndjson", header, body)
	if err != nil {
		return refused, sent, err
	}
	if a.status != http.StatusOK {
		return refused, sent, errAnswer("Elasticsearch", a, e.APIKey)
	}
	more, left, err := bulkAnswer(a.body, sent)
	return refused + more, left, err
}

// bulkItem is what became of a record.
type bulkItem struct {
	Status int `json:"status"`
	Error  struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"error"`
}

func (it *bulkItem) err() error {
	return fmt.Errorf("Elasticsearch: %d %.100q: %.200q", it.Status, it.Error.Type, it.Error.Reason)
}

// again reports whether the record is to be sent again: the service is busy, or what is
// wrong is the index, the right to it or the key, and not the record.
func (it *bulkItem) again() bool {
	switch it.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests:
		return true
	}
	return it.Status >= 500
}

// bulkAnswer reads what became of each record of a bulk request: 409 is that it was
// there.
func bulkAnswer(body []byte, sent []record.Record) (refused int, left []record.Record, err error) {
	var a struct {
		Errors bool                  `json:"errors"`
		Items  []map[string]bulkItem `json:"items"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return 0, sent, fmt.Errorf("answer of Elasticsearch: %w", err)
	}
	if !a.Errors {
		return 0, nil, nil
	}
	if len(a.Items) != len(sent) {
		return 0, sent, fmt.Errorf("answer of Elasticsearch: %d items for %d records", len(a.Items), len(sent))
	}
	left = make([]record.Record, 0)
	var why error
	for i, item := range a.Items {
		switch it := item["create"]; {
		case it.Status < 300 || it.Status == http.StatusConflict:
		case it.again():
			left = append(left, sent[i])
			err = &Busy{Err: it.err()}
		default:
			refused++
			why = it.err()
		}
	}
	switch {
	case err == nil:
		err = why // of none that are left
	case why != nil:
		err = fmt.Errorf("%w; %w", why, err)
	}
	return refused, left, err
}
