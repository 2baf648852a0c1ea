// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/agent/agenttest"

	daemon "github.com/weir-io/weir/internal/agent"
)

// daemonKey is the key of a script's double, a *agenttest.Service, among its
// values.
type daemonKey struct{}

// startDaemon starts a session daemon that does nothing: daemon [fail|warn VERB
// CODE TEXT]... It ends with the script.
func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args)%4 != 0 {
		ts.Fatalf("usage: daemon [fail|warn VERB CODE TEXT | loss DOMAIN EVENTS CHANNEL]...")
	}
	s := ts.Value(daemonKey{}).(*agenttest.Service)
	s.Fail, s.Warn = make(map[string]error), make(map[string][]agent.Problem)
	for ; len(args) > 0; args = args[4:] {
		code, err := strconv.ParseUint(args[2], 10, 16)
		ts.Check(err)
		p := agent.NewProblem(agent.Code(code), args[3])
		switch args[0] {
		case "fail":
			s.Fail[args[1]] = p
		case "warn":
			s.Warn[args[1]] = append(s.Warn[args[1]], *p)
		case "loss":
			s.Losses = append(s.Losses, agent.ChannelLoss{Domain: args[1], Discarded: code, Channel: args[3]})
		default:
			ts.Fatalf("want fail, warn or loss, got %q", args[0])
		}
	}
	socket, err := daemon.OpenSocket(context.Background(), ts.Getenv(agent.SocketVariable), -1)
	ts.Check(err)
	server := daemon.NewServer(s, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket.Listener(), -1) }() // waited for below
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ts.Check(errors.Join(server.Shutdown(ctx), <-served, socket.Close()))
	})
}

// writeCalls writes what the daemon was told so far to a file, a line each, with
// $WORK for the script's directory: calls FILE.
func writeCalls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: calls FILE")
	}
	s := ts.Value(daemonKey{}).(*agenttest.Service)
	text := strings.ReplaceAll(strings.Join(s.Calls(), "\n")+"\n", ts.Getenv("WORK"), "$WORK")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}
