// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/wait"
)

// alarmLog has alarms that are added one by one.
type alarmLog struct {
	statisticsDouble

	mu   sync.Mutex
	list []client.HostAlarm // guarded by mu
	more chan struct{}      // guarded by mu
}

func (l *alarmLog) add(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, client.HostAlarm{Time: time.Unix(1000, 0).UTC(), Host: "h", Alarm: name, State: "firing", Level: "warn"})
	close(l.more)
	l.more = make(chan struct{})
}

func (l *alarmLog) AlarmsAfter(n uint64) ([]client.HostAlarm, uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := uint64(len(l.list))
	if n > last {
		n = 0
	}
	return append([]client.HostAlarm(nil), l.list[n:]...), last, l.more
}

// follow reads a stream until it has had so many blocks of lines.
func (f *fixture) follow(ctx context.Context, path, accept, lastID string, read func(block string) bool) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.URL+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := f.server.Client().Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != accept {
		f.t.Fatalf("%s: %s, %s", path, answer.Status, got)
	}
	text, buf := "", make([]byte, 4096)
	for {
		n, err := answer.Body.Read(buf)
		text += string(buf[:n])
		for {
			block, rest, ok := strings.Cut(text, "\n\n")
			if !ok {
				break
			}
			if text = rest; !strings.HasPrefix(block, ": ") && !read(block) {
				return
			}
		}
		if err != nil {
			f.t.Errorf("the stream ends: %v", err)
			return
		}
	}
}

// Alarms come as they are, from now on or behind one that the client has.
func TestAlarmTail(t *testing.T) {
	l := &alarmLog{more: make(chan struct{})}
	f := newFixture(t, func(o *Options) { o.Statistics = l })
	l.add("a")
	l.add("b")
	event := func(id, name string) string {
		return "id: " + id + "\ndata: {\"time\":\"1970-01-01T00:16:40Z\",\"host\":\"h\",\"alarm\":\"" + name + "\",\"state\":\"firing\",\"level\":\"warn\"}"
	}
	var got []string
	f.follow(t.Context(), "/api/v1/alarm-tail?after=9", "text/event-stream", "1", func(block string) bool {
		if got = append(got, block); len(got) == 1 {
			l.add("c")
		}
		return len(got) < 2
	})
	if len(got) != 2 || got[0] != event("2", "b") || got[1] != event("3", "c") {
		t.Errorf("events %q", got)
	}
	// As lines, by the client: what there was, then what comes.
	c, err := client.New(f.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	names := ""
	for a, err := range c.TailHostAlarms(ctx, true) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			break
		}
		if names += a.Alarm; names == "abc" {
			l.add("d")
		}
		if names == "abcd" {
			cancel()
		}
	}
	cancel()
	if names != "abcd" {
		t.Errorf("alarms %q", names)
	}
	// A hub that was started anew has other numbers.
	f.follow(t.Context(), "/api/v1/alarm-tail", "text/event-stream", "77", func(block string) bool {
		if block != event("1", "a") {
			t.Errorf("first event %q", block)
		}
		return false
	})
	if answer, body := f.do(http.MethodGet, "/api/v1/alarm-tail?after=x", nil); answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "number of an alarm") {
		t.Errorf("%s: %s", answer.Status, body)
	}
	wait.Until(t, "those who have left are not counted any more", func() bool { return f.api.alarmTails.Load() == 0 })
	f.api.alarmTails.Store(maxAlarmTails)
	if answer, _ := f.do(http.MethodGet, "/api/v1/alarm-tail", nil); answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one too many: %s", answer.Status)
	}
}
