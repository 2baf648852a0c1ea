// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-io/weir/internal/flow/record"
	"github.com/weir-io/weir/internal/flow/topology"
	"github.com/weir-io/weir/internal/wait"
)

var epoch = time.Date(2026, 11, 29, 5, 6, 7, 891_000_000, time.UTC)

// sample returns a record by its number.
func sample(n int) record.Record {
	return record.Record{
		Scope: &record.Scope{Cookie: 1, Flow: topology.ID{1}, Host: topology.ID{2}, Requests: []topology.ID{{3}}},
		Time:  epoch, Level: slog.LevelDebug, Seq: uint64(n), Kind: "rule", Event: json.RawMessage(fmt.Sprintf(`{"position":%d}`, n)),
	}
}

func samples(from, to int) (batch []record.Record) {
	for i := from; i < to; i++ {
		batch = append(batch, sample(i))
	}
	return batch
}

// service is a service that a test writes: it gets each batch and says what to return.
type service func(batch []record.Record) (int, []record.Record, error)

func (s service) Send(_ context.Context, batch []record.Record) (int, []record.Record, error) {
	return s(batch)
}

func numbers(batch []record.Record) (n []uint64) {
	for _, r := range batch {
		n = append(n, r.Seq)
	}
	return n
}

// run runs a shipper in a bubble until it has nothing to do, and stops it.
func run(t *testing.T, s *Shipper, during func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- s.Run(ctx) }() // ended by stop; received below
	during()
	stop()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v", err)
	}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type batch struct {
			after time.Duration
			n     []uint64
		}
		var got []batch
		begin := time.Now()
		s := New(service(func(b []record.Record) (int, []record.Record, error) {
			got = append(got, batch{time.Since(begin), numbers(b)})
			return 0, nil, nil
		}), Options{Batch: 3, Delay: 100 * time.Millisecond})
		run(t, s, func() {
			s.Add(sample(0)) // alone: after the delay
			<-time.After(150 * time.Millisecond)
			for i := 1; i < 5; i++ { // a whole batch: at once, the rest after the delay
				s.Add(sample(i))
			}
			<-time.After(time.Second)
		})
		want := []batch{{100 * time.Millisecond, []uint64{0}}, {150 * time.Millisecond, []uint64{1, 2, 3}}, {250 * time.Millisecond, []uint64{4}}}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("batches %v, want %v", got, want)
		}
		if c, want := s.Counts(), (Counts{Taken: 5, Sent: 5}); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
	})
}

// The queue is bounded: the oldest go, and are counted. Who adds never waits for a
// service that hangs.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got []uint64
		s := New(service(func(b []record.Record) (int, []record.Record, error) {
			<-release
			got = append(got, numbers(b)...)
			return 0, nil, nil
		}), Options{Queue: 100, Batch: 10})
		run(t, s, func() {
			for i := range 10 {
				s.Add(sample(i))
			}
			synctest.Wait() // the first ten are under way, and hang
			for i := 10; i < 10+250; i++ {
				s.Add(sample(i))
			}
			if c, want := s.Counts(), (Counts{Taken: 260, Lost: 150, Waiting: 100}); c != want {
				t.Errorf("counts %+v, want %+v", c, want)
			}
			close(release)
			<-time.After(time.Second)
		})
		if c, want := s.Counts(), (Counts{Taken: 260, Sent: 110, Lost: 150}); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if len(got) != 110 || got[9] != 9 || got[10] != 160 || got[109] != 259 || !slices.IsSorted(got) {
			t.Errorf("sent: %v", got)
		}
	})
}

// A service that does not take records gets them again, in their order, at growing
// intervals or when it says; what it has taken it does not get twice.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var times []time.Duration
		var got [][]uint64
		begin := time.Now()
		tries := 0
		s := New(service(func(b []record.Record) (int, []record.Record, error) {
			times, got = append(times, time.Since(begin)), append(got, numbers(b))
			switch tries++; tries {
			case 1, 2:
				return 0, nil, errors.New("down")
			case 3:
				return 1, b[3:], &Busy{After: 7 * time.Second, Err: errors.New("busy")}
			}
			return 0, nil, nil
		}), Options{Batch: 5, Delay: time.Millisecond, MaxRetry: 100 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
		run(t, s, func() {
			for i := range 6 {
				s.Add(sample(i))
			}
			<-time.After(time.Minute)
		})
		wantTimes := []time.Duration{0, time.Second, 3 * time.Second, 10 * time.Second, 10*time.Second + time.Millisecond}
		if !slices.Equal(times, wantTimes) {
			t.Errorf("tries at %v, want %v", times, wantTimes)
		}
		if want := "[[0 1 2 3 4] [0 1 2 3 4] [0 1 2 3 4] [3 4] [5]]"; fmt.Sprint(got) != want {
			t.Errorf("batches %v, want %s", got, want)
		}
		if c, want := s.Counts(), (Counts{Taken: 6, Sent: 5, Refused: 1}); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
		if n := strings.Count(log.String(), "does not take records"); n != 1 {
			t.Errorf("%d lines of one failure:\n%s", n, log.String())
		}
	})
}

// What waits and what is under way when the shipper is stopped is counted as lost.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(service(func([]record.Record) (int, []record.Record, error) { return 0, nil, errors.New("down") }), Options{Batch: 2})
		run(t, s, func() {
			for i := range 5 {
				s.Add(sample(i))
			}
			<-time.After(time.Minute)
		})
		if c, want := s.Counts(), (Counts{Taken: 5, Lost: 5}); c != want {
			t.Errorf("counts %+v, want %+v", c, want)
		}
	})
}

// peer is a service of HTTP that remembers requests and answers what it is told.
type peer struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // method, path, headers, body
	answers  []string // status, Retry-After, body; the last one for ever
}

func newPeer(t *testing.T, answers ...string) *peer {
	p := &peer{answers: answers}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests = append(p.requests, fmt.Sprintf("%s %s\n%s\n%s\n%s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), body))
		answer := p.answers[0]
		if len(p.answers) > 1 {
			p.answers = p.answers[1:]
		}
		parts := strings.SplitN(answer, " ", 3)
		if parts[1] != "0" {
			w.Header().Set("Retry-After", parts[1])
		}
		var status int
		fmt.Sscan(parts[0], &status)
		w.WriteHeader(status)
		io.WriteString(w, parts[2])
	}))
	t.Cleanup(p.Close)
	return p
}

// line is the JSON form of a sample, from its second member on.
func line(n int) string {
	return fmt.Sprintf(`"time":"2026-11-29T05:06:07.891Z","level":"DEBUG","msg":"rule","cookie":"[cookie:1]",`+
		`"flowTraceId":"01000000-0000-0000-0000-000000000000","traceRequestId":"03000000-0000-0000-0000-000000000000",`+
		`"host":"02000000-0000-0000-0000-000000000000","seq":%d,"kind":"rule","position":%d}`, n, n)
}

func bulkLines(numbers ...int) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, `{"create":{"_index":"flows","_id":"01000000-0000-0000-0000-000000000000-02000000-0000-0000-0000-000000000000-%d"}}`+"\n", n)
		fmt.Fprintf(&b, `{"@timestamp":"2026-11-29T05:06:07.891Z",%s`+"\n", line(n))
	}
	return b.String()
}

func TestElasticsearch(t *testing.T) {
	item := func(status int) string {
		return fmt.Sprintf(`{"create":{"_index":"flows","status":%d,"error":{"type":"t","reason":"r"}}}`, status)
	}
	for _, c := range []struct {
		name    string
		answer  string
		refused int
		left    []uint64
		after   time.Duration
		fails   bool
	}{
		{"all taken", `200 0 {"took":3,"errors":false,"items":[]}`, 0, nil, 0, false},
		{"each by itself", `200 0 {"errors":true,"items":[` + item(201) + "," + item(409) + "," + item(400) + "," + item(429) + `]}`, 1, []uint64{3}, 0, true},
		{"some refused, none left", `200 0 {"errors":true,"items":[` + item(201) + "," + item(400) + "," + item(400) + "," + item(201) + `]}`, 2, nil, 0, true},
		{"no right to the index, or none of that name", `200 0 {"errors":true,"items":[` + item(403) + "," + item(404) + "," + item(401) + "," + item(201) + `]}`, 0, []uint64{0, 1, 2}, 0, true},
		{"busy", `429 5 {"error":"es_rejected_execution_exception"}`, 0, []uint64{0, 1, 2, 3}, 5 * time.Second, true},
		{"no right", `401 0 {"error":"security_exception"}`, 0, []uint64{0, 1, 2, 3}, 0, true},
		{"another answer", `200 0 <html>`, 0, []uint64{0, 1, 2, 3}, 0, true},
		{"items missing", `200 0 {"errors":true,"items":[` + item(201) + `]}`, 0, []uint64{0, 1, 2, 3}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t, c.answer)
			e := &Elasticsearch{URL: p.URL + "/", Index: "flows", APIKey: "key", Client: p.Client()}
			refused, left, err := e.Send(t.Context(), samples(0, 4))
			if refused != c.refused || !slices.Equal(numbers(left), c.left) || (err != nil) != c.fails {
				t.Errorf("got %d refused, left %v, %v, want %d, %v, error %v", refused, numbers(left), err, c.refused, c.left, c.fails)
			}
			if busy, ok := errors.AsType[*Busy](err); c.after > 0 && (!ok || busy.After != c.after) {
				t.Errorf("got error %#v, want one for %v", err, c.after)
			}
			if want := "POST /_bulk\napplication/x-ndjson\nApiKey key\n" + bulkLines(0, 1, 2, 3); p.requests[0] != want {
				t.Errorf("request:\n%s\nwant:\n%s", p.requests[0], want)
			}
		})
	}
	p := newPeer(t, `200 0 {"errors":false}`)
	e := &Elasticsearch{URL: p.URL, Index: "flows", Client: p.Client()}
	bad := sample(1)
	bad.Event = json.RawMessage("no object")
	if refused, left, err := e.Send(t.Context(), []record.Record{sample(0), bad}); refused != 1 || left != nil || err != nil {
		t.Errorf("a record that is none: got %d, %v, %v", refused, left, err)
	}
	if want := "POST /_bulk\napplication/x-ndjson\n\n" + bulkLines(0); p.requests[0] != want {
		t.Errorf("request:\n%s\nwant:\n%s", p.requests[0], want)
	}
	p.Close()
	if _, left, err := e.Send(t.Context(), samples(0, 2)); err == nil || len(left) != 2 {
		t.Errorf("nobody there: got %v, %v", left, err)
	}
}

func splunkEvents(numbers ...int) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, `{"time":1795928767.891000,"host":"02000000-0000-0000-0000-000000000000","source":"weir","sourcetype":"weir:flow","index":"net","event":{%s}`+"\n", line(n))
	}
	return b.String()
}

func TestSplunk(t *testing.T) {
	for _, c := range []struct {
		name     string
		answers  []string
		requests []string
		refused  int
		left     []uint64
		fails    bool
	}{
		{"all taken", []string{`200 0 {"text":"Success","code":0}`}, []string{splunkEvents(0, 1, 2)}, 0, nil, false},
		{
			"one refused",
			[]string{`400 0 {"text":"Invalid data format","code":6,"invalid-event-number":1}`, `200 0 {"text":"Success","code":0}`},
			[]string{splunkEvents(0, 1, 2), splunkEvents(2)},
			1, nil, true,
		},
		{"the last refused", []string{`400 0 {"code":6,"invalid-event-number":2}`}, []string{splunkEvents(0, 1, 2)}, 1, nil, true},
		{"busy", []string{`503 0 {"text":"Server is busy","code":9}`}, []string{splunkEvents(0, 1, 2)}, 0, []uint64{0, 1, 2}, true},
		{"no token", []string{`403 0 {"text":"Invalid token","code":4}`}, []string{splunkEvents(0, 1, 2)}, 0, []uint64{0, 1, 2}, true},
		{"no such index", []string{`400 0 {"text":"Incorrect index","code":7,"invalid-event-number":0}`}, []string{splunkEvents(0, 1, 2)}, 0, []uint64{0, 1, 2}, true},
		{"refused, nobody knows which", []string{`400 0 {"code":6}`}, []string{splunkEvents(0, 1, 2)}, 0, []uint64{0, 1, 2}, true},
		{"an event that was not sent", []string{`400 0 {"code":6,"invalid-event-number":3}`}, []string{splunkEvents(0, 1, 2)}, 0, []uint64{0, 1, 2}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t, c.answers...)
			s := &Splunk{URL: p.URL, Token: "secret", Index: "net", Client: p.Client()}
			refused, left, err := s.Send(t.Context(), samples(0, 3))
			if refused != c.refused || !slices.Equal(numbers(left), c.left) || (err != nil) != c.fails {
				t.Errorf("got %d refused, left %v, %v, want %d, %v, error %v", refused, numbers(left), err, c.refused, c.left, c.fails)
			}
			if len(p.requests) != len(c.requests) {
				t.Fatalf("%d requests, want %d", len(p.requests), len(c.requests))
			}
			for i, want := range c.requests {
				if want := "POST /services/collector/event\napplication/json\nSplunk secret\n" + want; p.requests[i] != want {
					t.Errorf("request %d:\n%s\nwant:\n%s", i, p.requests[i], want)
				}
			}
		})
	}
}

// All together: a server that comes and goes gets each record once.
func TestShipToServer(t *testing.T) {
	p := newPeer(t, `503 0 busy`, `503 0 busy`, `200 0 {"errors":false}`)
	s := New(&Elasticsearch{URL: p.URL, Index: "flows", Client: p.Client()}, Options{Batch: 10, Delay: time.Millisecond, MaxRetry: 100 * time.Millisecond})
	run(t, s, func() {
		for i := range 25 {
			s.Add(sample(i))
		}
		wait.Until(t, "all are sent", func() bool { return s.Counts().Sent == 25 })
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := strings.Join(p.requests[2:], "")
	for i := range 25 {
		if n := strings.Count(taken, fmt.Sprintf(`"seq":%d,`, i)); n != 1 {
			t.Errorf("record %d was taken %d times", i, n)
		}
	}
}
