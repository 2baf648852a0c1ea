// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	client "github.com/weir-io/weir/client/feed"
)

// said hands out what is logged.
type said chan string

func (s said) Write(p []byte) (int, error) {
	select {
	case s <- string(p):
	default:
	}
	return len(p), nil
}

// A server that is not there is waited for, where that is asked for, and is used when it is.
func TestServerIsNotThereYet(t *testing.T) {
	dir := t.TempDir()
	srv := natsServer(t, dir, -1)
	url, address := srv.ClientURL(), srv.Addr().String()
	srv.Shutdown()
	srv.WaitForShutdown()

	s := newSource(1, 10, every(time.Millisecond))
	log := make(said, 1)
	o := PublishOptions{
		Server: Server{URL: url, Log: slog.New(slog.NewTextHandler(log, nil))}, Feed: s, Host: "host-1", HostID: HostID{15: '1'},
		Info: client.Info{ID: "cl1", Source: uuidOf(1), Last: s.last()},
	}
	if _, err := OpenPublisher(t.Context(), o); err == nil {
		t.Error("without Wait: got no error where no server is")
	}
	o.Wait = true
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // the test waits for ended
		_, err := OpenPublisher(ctx, o)
		ended <- err
	}()
	<-log
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got %v, want %v", err, context.Canceled)
	}

	var p *Publisher
	go func() {
		var err error
		p, err = OpenPublisher(t.Context(), o)
		ended <- err
	}()
	if text := <-log; !strings.Contains(text, "NATS is not reached; it is tried again") {
		t.Errorf("got %q, want word of the wait", text)
	}
	var port int
	_, err := fmt.Sscanf(address[strings.LastIndexByte(address, ':')+1:], "%d", &port)
	must(t, err)
	srv = natsServer(t, dir, port)
	defer func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	must(t, <-ended)
	defer p.Close()
	must(t, p.Run(t.Context(), true))
	checkOnce(t, everything(t, url, uuidOf(1)), 1, 10)
}

// What another attempt would not mend is told at once.
func TestServerThatIsNone(t *testing.T) {
	here := newServer(t).ClientURL()
	for _, s := range []Server{{URL: "nats://[::1"}, {URL: here, Credentials: t.TempDir() + "/nosuch"}} {
		s.Wait, s.Log = true, slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a wait would end with it
		if _, err := s.connect(ctx); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want what is wrong with it", s.URL, err)
		}
	}
}
