// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/client/agent"
	daemon "github.com/weir-io/weir/internal/agent"
	"github.com/weir-io/weir/internal/agent/agenttest"
	"github.com/weir-io/weir/internal/wait"
)

// serve starts a server of a double on a real socket, and returns a client.
func serve(t *testing.T, s *agenttest.Service, change func(*daemon.Server)) *agent.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.sock")
	socket, err := daemon.OpenSocket(t.Context(), path, -1)
	if err != nil {
		t.Fatal(err)
	}
	server := daemon.NewServer(s, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if change != nil {
		change(server)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket.Listener(), -1) }() // ends by Shutdown, waited for below
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(server.Shutdown(ctx), <-served, socket.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	c := agent.New(path)
	t.Cleanup(c.Close)
	return c
}

// Each call of the client reaches the service with what it was given, and each
// route is one of them.
func TestEveryCallReachesTheService(t *testing.T) {
	s := new(agenttest.Service)
	c := serve(t, s, nil)
	ctx := t.Context()
	const name = "a session/ with%2F €"
	uris, _, err := agent.ParseConsumerURIs("net://127.0.0.1", "", "", "/")
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		route, line string
		do          func() error
	}{
		{"POST /sessions", `create {"name":"` + name + `"}`, func() error {
			made, _, err := c.CreateSession(ctx, agent.CreateSession{Name: name})
			if err == nil && made.Name != name {
				err = fmt.Errorf("created %q", made.Name)
			}
			return err
		}},
		{"GET /sessions", "", func() error {
			all, err := c.Sessions(ctx)
			if err == nil && len(all) != 1 {
				err = fmt.Errorf("%d sessions", len(all))
			}
			return err
		}},
		{"GET /sessions/{session}", "", func() error { _, err := c.Session(ctx, name); return err }},
		{"PUT /sessions/{session}/consumer", `set-consumer-uri ` + name + ` ["tcp4://127.0.0.1:5342/","tcp4://127.0.0.1:5343/"]`, func() error {
			_, err := c.SetConsumerURI(ctx, name, uris)
			return err
		}},
		{"GET /sessions/{session}/consumer", "", func() error {
			status, err := c.ConsumerStatus(ctx, name)
			if err == nil && status.State != agent.ConsumerTemplate {
				err = fmt.Errorf("consumer is %s", status.State)
			}
			return err
		}},
		{"POST /sessions/{session}/enable-consumer", `enable-consumer ` + name + ` {"spool_bytes":7}`, func() error {
			_, err := c.EnableConsumer(ctx, name, agent.EnableConsumer{SpoolBytes: 7})
			return err
		}},
		{"POST /sessions/{session}/disable-consumer", "disable-consumer " + name + " true", func() error { _, err := c.DisableConsumer(ctx, name, true); return err }},
		{"POST /sessions/{session}/enable-channel", `enable-channel ` + name + ` {"overwrite":true,"domain":"kernel","name":"c"}`, func() error {
			_, err := c.EnableChannel(ctx, name, agent.EnableChannel{Domain: "kernel", Name: "c", ChannelSettings: agent.ChannelSettings{Overwrite: true}})
			return err
		}},
		{"POST /sessions/{session}/disable-channel", `disable-channel ` + name + ` {"domain":"kernel","channel":"c"}`, func() error { _, err := c.DisableChannel(ctx, name, "kernel", "c"); return err }},
		{"POST /sessions/{session}/enable-event", `enable-event ` + name + ` {"domain":"kernel","rules":[{"type":"all","pattern":"*","enabled":false,"matches":0}]}`, func() error {
			_, err := c.EnableEvents(ctx, name, agent.EnableEvents{Domain: "kernel", Rules: []agent.EventRule{{Type: agent.AllEvents, Pattern: "*"}}})
			return err
		}},
		{"POST /sessions/{session}/disable-event", `disable-event ` + name + ` {"domain":"kernel","all":true}`, func() error {
			_, err := c.DisableEvents(ctx, name, agent.DisableEvents{Domain: "kernel", All: true})
			return err
		}},
		{"POST /sessions/{session}/add-context", `add-context ` + name + ` {"domain":"kernel","types":["pid"]}`, func() error {
			_, err := c.AddContext(ctx, name, agent.AddContext{Domain: "kernel", Types: []string{"pid"}})
			return err
		}},
		{"POST /sessions/{session}/track", `track ` + name + ` {"domain":"kernel","pids":[1]}`, func() error {
			_, err := c.Track(ctx, name, agent.Track{Domain: "kernel", PIDs: []int32{1}})
			return err
		}},
		{"POST /sessions/{session}/untrack", `untrack ` + name + ` {"domain":"kernel","all":true}`, func() error { _, err := c.Untrack(ctx, name, agent.Track{Domain: "kernel", All: true}); return err }},
		{"POST /sessions/{session}/start", "start " + name, func() error { _, err := c.Start(ctx, name); return err }},
		{"POST /sessions/{session}/stop", "stop " + name + " false", func() error { _, err := c.Stop(ctx, name, false); return err }},
		{"POST /sessions/{session}/clear", "clear " + name, func() error { _, err := c.Clear(ctx, name); return err }},
		{"POST /sessions/{session}/rotate", "rotate " + name + " true", func() error {
			done, err := c.Rotate(ctx, name, true)
			if err == nil && len(done.Names) != 1 {
				err = fmt.Errorf("names %q", done.Names)
			}
			return err
		}},
		{"POST /sessions/{session}/enable-rotation", `enable-rotation ` + name + ` {"bytes":5}`, func() error { _, err := c.EnableRotation(ctx, name, agent.RotationSchedule{Bytes: 5}); return err }},
		{"POST /sessions/{session}/disable-rotation", `disable-rotation ` + name + ` {"bytes":5}`, func() error { _, err := c.DisableRotation(ctx, name, agent.RotationSchedule{Bytes: 5}); return err }},
		{"POST /sessions/{session}/regenerate-metadata", "regenerate-metadata " + name, func() error { _, err := c.RegenerateMetadata(ctx, name); return err }},
		{"POST /sessions/{session}/regenerate-statedump", "regenerate-statedump " + name, func() error { _, err := c.RegenerateStatedump(ctx, name); return err }},
		{"POST /sessions/{session}/record-snapshot", `record-snapshot ` + name + ` {"name":"x"}`, func() error { _, err := c.RecordSnapshot(ctx, name, agent.SnapshotOutput{Name: "x"}); return err }},
		{"POST /sessions/{session}/snapshot-outputs", `add-snapshot-output ` + name + ` {"name":"x"}`, func() error {
			o, err := c.AddSnapshotOutput(ctx, name, agent.SnapshotOutput{Name: "x"})
			if err == nil && o.ID != 1 {
				err = fmt.Errorf("output %+v", o)
			}
			return err
		}},
		{"GET /sessions/{session}/snapshot-outputs", "", func() error {
			all, err := c.SnapshotOutputs(ctx, name)
			if err == nil && len(all) != 1 {
				err = fmt.Errorf("%d outputs", len(all))
			}
			return err
		}},
		{"DELETE /sessions/{session}/snapshot-outputs/{output}", `remove-snapshot-output ` + name + ` "1"`, func() error { return c.RemoveSnapshotOutput(ctx, name, "1") }},
		{"POST /triggers", `add-trigger {"name":"t","condition":{"type":"session-rotation-starts"},"actions":null}`, func() error {
			_, err := c.AddTrigger(ctx, agent.Trigger{Name: "t", Condition: agent.TriggerCondition{Type: "session-rotation-starts"}})
			return err
		}},
		{"GET /triggers", "", func() error {
			all, err := c.Triggers(ctx)
			if err == nil && len(all) != 1 {
				err = fmt.Errorf("%d triggers", len(all))
			}
			return err
		}},
		{"DELETE /triggers/{trigger}", `remove-trigger "t"`, func() error { return c.RemoveTrigger(ctx, "t") }},
		{"GET /kernel/events", "", func() error {
			all, err := c.KernelEvents(ctx, "x*", agent.Syscall, true)
			if err == nil && (len(all) != 2 || len(all[0].Fields) != 1) {
				err = fmt.Errorf("events %+v", all)
			}
			return err
		}},
		{"GET /stat/events", "", func() error {
			all, err := c.StatEvents(ctx, "load*", true)
			if err == nil && (len(all) != 1 || len(all[0].Fields) != 1) {
				err = fmt.Errorf("events %+v", all)
			}
			return err
		}},
		{"GET /user/loggers", "", func() error {
			all, err := c.Loggers(ctx, "python")
			if len(all) != 2 || all[1].Name != "app.db" || all[1].PID != 7 {
				t.Errorf("got %+v", all)
			}
			return err
		}},
		{"GET /user/events", "", func() error {
			all, err := c.UserEvents(ctx, "app:b*", true)
			if err == nil && (len(all) != 1 || len(all[0].Fields) != 1) {
				err = fmt.Errorf("events %+v", all)
			}
			return err
		}},
		{"GET /kernel/contexts", "", func() error { _, err := c.KernelContexts(ctx); return err }},
		{"GET /user/contexts", "", func() error { _, err := c.UserContexts(ctx); return err }},
		{"GET /capabilities", "", func() error { _, err := c.Capabilities(ctx); return err }},
		{"GET /watch", "", func() error {
			w, err := c.Watch(ctx, name)
			if err == nil {
				err = w.Close()
			}
			return err
		}},
		{"DELETE /sessions/{session}", "destroy " + name + " true", func() error { _, err := c.DestroySession(ctx, name, true); return err }},
	}
	untested := make(map[string]bool)
	for _, r := range daemon.Routes() {
		untested[strings.Replace(r, "/api/v1", "", 1)] = true
	}
	var want []string
	for _, step := range steps {
		delete(untested, step.route)
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.route, err)
		}
		if step.line != "" {
			want = append(want, step.line)
		}
	}
	if diff := cmp.Diff(want, s.Calls()); diff != "" {
		t.Errorf("calls (-want +got)\n%s", diff)
	}
	for route := range untested {
		t.Errorf("no call uses %s", route)
	}
}

func TestProblemsHaveCodes(t *testing.T) {
	s := &agenttest.Service{Fail: map[string]error{
		"create":      agent.NewProblem(agent.CodeBadSessionName, "a/b is no name"),
		"add-trigger": fmt.Errorf("trigger x: %w", agent.NewProblem(agent.CodeTriggerExists, "is there already")),
	}}
	c := serve(t, s, nil)
	_, _, createErr := c.CreateSession(t.Context(), agent.CreateSession{Name: "a/b"})
	_, startErr := c.Start(t.Context(), "absent")
	_, watchErr := c.Watch(t.Context(), "absent")
	_, nameErr := c.Start(t.Context(), "..")
	_, triggerErr := c.AddTrigger(t.Context(), agent.Trigger{Name: "x"})
	_, absentErr := agent.New(filepath.Join(t.TempDir(), "none.sock")).Sessions(t.Context())
	tests := []struct {
		err  error
		code agent.Code
		text string
	}{
		{createErr, agent.CodeBadSessionName, "a/b is no name"},
		{startErr, agent.CodeSessionNotFound, `session "absent" not found`},
		{watchErr, agent.CodeSessionNotFound, `session "absent" not found`},
		{nameErr, agent.CodeInvalid, `".." is no name`},
		{triggerErr, agent.CodeTriggerExists, "trigger x: is there already"},
		{absentErr, agent.CodeNoDaemon, "no session daemon at"},
	}
	for _, tt := range tests {
		p, ok := errors.AsType[*agent.Problem](tt.err)
		if !ok || p.Code != tt.code || p.Name != tt.code.String() || !strings.HasPrefix(p.Message, tt.text) {
			t.Errorf("%#v, want code %d, %q", tt.err, tt.code, tt.text)
		}
	}
}

// ask sends raw bytes and returns status and body of the answer.
func ask(t *testing.T, c *agent.Client, text string) (int, string) {
	t.Helper()
	conn, err := net.Dial("unix", c.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, text) }() // ends with the connection, which the server may cut
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}

func post(path, body string) string {
	return fmt.Sprintf("POST /api/v1%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestBadRequests(t *testing.T) {
	s := new(agenttest.Service)
	c := serve(t, s, nil)
	tests := []struct {
		name, request string
		status        int
		text          string
	}{
		{"unknown field", post("/sessions", `{"nmae":"x"}`), 400, `unknown field \"nmae\"`},
		{"two documents", post("/sessions", `{} {}`), 400, "more than one document"},
		{"no document", post("/sessions", ""), 400, "document: missing"},
		{"no JSON", post("/sessions", "\x00\x01"), 400, "invalid character"},
		{"wrong type", post("/sessions", `{"name":7}`), 400, "cannot unmarshal"},
		{"too large", post("/sessions", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`), 413, "larger than 1048576 bytes"},
		{"bad flag", post("/sessions/x/stop?wait=maybe", ""), 400, `query wait: want true or false`},
		{"no such path", post("/nosuch", ""), 404, "no such path"},
		{"no such method", "PATCH /api/v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n", 405, "is no method of"},
		{"no such session", post("/sessions/x/start", ""), 404, `"code":23,"name":"SESS_NOT_FOUND"`},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "400 Bad Request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := ask(t, c, tt.request)
			if status != tt.status || !strings.Contains(body, tt.text) {
				t.Errorf("%d %q, want %d %q", status, body, tt.status, tt.text)
			}
		})
	}
	// What is left of the header resets the connection, before or after the answer.
	status, body := ask(t, c, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	if status != 431 && !strings.Contains(body, "reset") {
		t.Errorf("large header: %d %q, want 431", status, body)
	}
	if calls := s.Calls(); len(calls) != 0 {
		t.Errorf("service was called: %q", calls)
	}
}

// Clients that are slow, silent or many end, and others are served meanwhile.
func TestHostileClientsDisturbNobody(t *testing.T) {
	c := serve(t, new(agenttest.Service), func(s *daemon.Server) { s.SetTimes(200*time.Millisecond, time.Hour) })
	slow, err := net.Dial("unix", c.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sessions(t.Context()); err != nil {
		t.Errorf("beside a slow client: %v", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatalf("slow client: %v", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestTimeout {
		t.Errorf("slow client: %s, want 408", answer.Status)
	}
	// One user's connections are limited; what is above is closed.
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	c.Close()
	refused := false
	for range daemon.MaxConnectionsOfCaller + 1 {
		conn, err := net.Dial("unix", c.Socket())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	last := open[len(open)-1]
	if err := last.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := last.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		refused = true
	}
	if !refused {
		t.Error("the connection above the limit was not closed")
	}
	for _, conn := range open[:8] {
		conn.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err = c.Sessions(t.Context()); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Errorf("after others have gone: %v", err)
	}
}

// An order ends when its caller goes away, also long after the time that a
// request may take.
func TestOrderEndsWithItsCaller(t *testing.T) {
	waits := make(chan struct{}, 1)
	s := &agenttest.Service{Hold: map[string]chan<- struct{}{"create": waits}}
	c := serve(t, s, func(s *daemon.Server) { s.SetTimes(50*time.Millisecond, time.Hour) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // ends with ctx, waited for below
		_, _, err := c.CreateSession(ctx, agent.CreateSession{})
		ended <- err
	}()
	<-waits
	select {
	case err := <-ended:
		t.Fatalf("order ended by itself: %v", err)
	case <-time.After(200 * time.Millisecond): // four times what a request may take
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("= %v, want the context's error", err)
	}
}

func TestWatch(t *testing.T) {
	s := new(agenttest.Service)
	c := serve(t, s, func(s *daemon.Server) { s.SetTimes(10*time.Second, time.Millisecond) })
	ctx, cancel := context.WithCancel(t.Context())
	w, err := c.Watch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	want := agent.Notice{Time: time.Date(2026, 11, 28, 12, 0, 0, 5, time.UTC), Session: "s", Type: "state", Text: "a\nb"}
	s.Notify(want)
	got, err := w.Next()
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Next: %v (-want +got)\n%s", err, diff)
	}
	cancel()
	if _, err := w.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("Next after the end = %v, want the context's error", err)
	}
}

// A watcher does not hold up the daemon's end.
func TestWatchEndsWithTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	socket, err := daemon.OpenSocket(t.Context(), path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	server := daemon.NewServer(new(agenttest.Service), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket.Listener(), -1) }() // waited for below
	c := agent.New(path)
	defer c.Close()
	w, err := c.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := errors.Join(server.Shutdown(ctx), <-served); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := w.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next = %v, want EOF", err)
	}
}

// A watcher that takes nothing is cut off; others get theirs meanwhile.
func TestWatcherThatTakesNothing(t *testing.T) {
	s := new(agenttest.Service)
	c := serve(t, s, func(s *daemon.Server) { s.SetNoticeTimeout(100 * time.Millisecond) })
	deaf, err := net.Dial("unix", c.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if _, err := io.WriteString(deaf, "GET /api/v1/watch HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	wait.Until(t, "two watchers are there", func() bool { return s.Watchers() == 2 })
	const large = 512 << 10 // more than a socket takes, less than a line may have
	for i := 0; s.Watchers() == 2 && i < 100; i++ {
		s.Notify(agent.Notice{Type: "state", Text: strings.Repeat("x", large)})
		if n, err := w.Next(); err != nil || len(n.Text) != large {
			t.Fatalf("the other watcher: %d bytes, %v", len(n.Text), err)
		}
	}
	wait.Until(t, "the deaf watcher is cut off", func() bool { return s.Watchers() == 1 })
}
