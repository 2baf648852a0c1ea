// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weir-io/weir/client"
)

// maxAlarmTails bounds those who follow alarms at a time.
const maxAlarmTails = 64

// alarmTailKind is the form of alarms that are no server-sent events.
const alarmTailKind = "application/x-ndjson"

type alarmTailInput struct {
	After       string `query:"after" maxLength:"20" doc:"Number of an alarm that the caller has: what is behind it and kept comes first. Without it alarms come from now on."`
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"The same, as browsers send it when they connect again; it comes first."`
	Accept      string `header:"Accept" maxLength:"1024" doc:"text/event-stream has the alarms as events, each with its number as id; else they are lines of JSON."`
}

func (a *API) registerAlarmTail(f huma.API) {
	response := binary("The alarms, one a line of JSON as /api/v1/alarms has them, with an empty line after 15 s without one.", alarmTailKind)
	response.Content["text/event-stream"] = response.Content[alarmTailKind]
	op := newOperation("GET", "/api/v1/alarm-tail", "stream-alarms", tagHosts,
		"Read alarms of hosts as they begin and end, until the client ends it", codeInvalidRequest, codeFeedArgument, codeFeedLimit)
	op.Responses["200"] = response
	huma.Register(f, op, a.streamAlarms)
}

// streamAlarms answers GET /api/v1/alarm-tail.
func (a *API) streamAlarms(_ context.Context, in *alarmTailInput) (*huma.StreamResponse, error) {
	name, text := "after", in.After
	if in.LastEventID != "" {
		name, text = "Last-Event-ID", in.LastEventID
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil && text != "" {
		return nil, problemf(codeFeedArgument, "%s=%q: want the number of an alarm", name, text)
	}
	if a.alarmTails.Add(1) > maxAlarmTails {
		a.alarmTails.Add(-1)
		return nil, problemf(codeFeedLimit, "%d clients follow alarms", maxAlarmTails)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer a.alarmTails.Add(-1)
		req, w := humago.Unwrap(hc)
		t := alarmTail{w: w, flush: http.NewResponseController(w).Flush, events: wantsEvents(in.Accept)}
		kind := alarmTailKind
		if t.events {
			kind = "text/event-stream"
		}
		hc.SetHeader("Content-Type", kind)
		if req.Method == http.MethodHead {
			return
		}
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		defer context.AfterFunc(a.ending, cancel)()
		from := &after
		if text == "" {
			from = nil
		}
		t.run(ctx, a.alarmsAfter, from)
	}}, nil
}

// alarmsAfter is that of the hub's statistics; without any there are none.
func (a *API) alarmsAfter(number uint64) ([]client.HostAlarm, uint64, <-chan struct{}) {
	if a.opts.Statistics == nil {
		return nil, 0, nil
	}
	return a.opts.Statistics.AlarmsAfter(number)
}

// alarmTail writes alarms to a client. It is one goroutine's.
type alarmTail struct {
	w      interface{ Write([]byte) (int, error) }
	flush  func() error
	events bool // in the form of server-sent events
	out    []byte
}

// run writes until the client is gone or ctx ends. after is the number of the last
// alarm that the client has, nil for all that there were.
func (t *alarmTail) run(ctx context.Context, source func(uint64) ([]client.HostAlarm, uint64, <-chan struct{}), after *uint64) {
	_, last, _ := source(0)
	if after != nil {
		last = *after
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		list, now, more := source(last)
		last = now
		t.out = t.out[:0]
		for i := range list {
			t.add(last-uint64(len(list)-1-i), &list[i])
		}
		if len(list) == 0 {
			t.beat()
		}
		if _, err := t.w.Write(t.out); err != nil {
			return // gone, or it reads nothing
		}
		if t.flush() != nil {
			return
		}
		select {
		case <-more:
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

func (t *alarmTail) add(number uint64, a *client.HostAlarm) {
	b, _ := json.Marshal(a) // its members can always be written
	if !t.events {
		t.out = append(append(t.out, b...), '\n')
		return
	}
	t.out = strconv.AppendUint(append(t.out, "id: "...), number, 10)
	t.out = append(append(append(t.out, "\ndata: "...), b...), "\n\n"...)
}

// beat shows that the stream lives.
func (t *alarmTail) beat() {
	if t.events {
		t.out = append(t.out, ": heartbeat\n\n"...)
		return
	}
	t.out = append(t.out, '\n')
}
