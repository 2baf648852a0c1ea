// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/weir-io/weir/client/agent"
)

const (
	// heartbeat is the time between two signs of life in a stream of notices
	// in which nothing happens.
	heartbeat = 15 * time.Second
	// noticeTimeout is how long a watcher may take for one notice. The queue
	// before it is the service's, which drops the oldest.
	noticeTimeout = 10 * time.Second
)

// watch answers GET /api/v1/watch with server-sent events, until the caller goes
// away or the server stops.
func (s *Server) watch(w http.ResponseWriter, q *request) {
	session := q.URL.Query().Get("session")
	if session != "" {
		if _, err := s.service.Session(q.by, session); err != nil {
			s.writeError(w, q.Request, err)
			return
		}
	}
	notices := s.service.Watch(q.Context(), q.by, session)
	out := stream{w: w, control: http.NewResponseController(w), timeout: s.noticeTimeout}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	alive := time.NewTicker(s.heartbeat)
	defer alive.Stop()
	err := out.comment("watching")
	for err == nil {
		select {
		case <-q.Context().Done():
			return
		case <-s.stopping:
			return
		case <-alive.C:
			err = out.comment("alive")
		case n, ok := <-notices:
			if !ok {
				return
			}
			err = out.notice(n)
		}
	}
}

// stream writes server-sent events, each at once.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (s *stream) comment(text string) error { return s.write(": " + text + "\n\n") }

func (s *stream) notice(n agent.Notice) error {
	data, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("notice: %w", err)
	}
	return s.write("data: " + string(data) + "\n\n")
}

func (s *stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
