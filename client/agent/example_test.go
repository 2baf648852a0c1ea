// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/client/agent"
)

// daemon answers as a session daemon with one session would, and returns its
// socket and how to stop it.
func daemon() (socket string, stop func()) {
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		panic(err)
	}
	socket = filepath.Join(dir, "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	answer := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	answer("POST /api/v1/sessions", 200, `{"session":{"name":"demo"},"done":{}}`)
	answer("PUT /api/v1/sessions/demo/consumer", 200, `{}`)
	answer("POST /api/v1/sessions/demo/enable-consumer", 502,
		`{"code":104,"name":"RELAYD_CONNECT_FAIL","message":"control connected, data refused by 192.168.1.10:5343: connection refused"}`)
	answer("GET /api/v1/watch", 200, ": watching\n\ndata: {\"session\":\"demo\",\"type\":\"state\",\"text\":\"active\"}\n\n")
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { // ends by stop, which waits for it
		_ = server.Serve(l)
		close(done)
	}()
	return socket, func() {
		server.Close()
		<-done
		os.RemoveAll(dir)
	}
}

func ExampleClient() {
	socket, stop := daemon()
	defer stop()
	c := agent.New(socket) // "" is the daemon of this host or user
	defer c.Close()
	ctx := context.Background()
	s, _, err := c.CreateSession(ctx, agent.CreateSession{Name: "demo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	uris, _, err := agent.ParseConsumerURIs("net://192.168.1.10", "", "", "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := c.SetConsumerURI(ctx, s.Name, uris); err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.EnableConsumer(ctx, s.Name, agent.EnableConsumer{})
	if p, ok := errors.AsType[*agent.Problem](err); ok && p.Code == agent.CodeRelayConnect {
		fmt.Println(p)
	}
	// Output: control connected, data refused by 192.168.1.10:5343: connection refused
}

func ExampleClient_Watch() {
	socket, stop := daemon()
	defer stop()
	c := agent.New(socket)
	defer c.Close()
	w, err := c.Watch(context.Background(), "demo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	for {
		n, err := w.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n.Session, n.Type, n.Text)
	}
	// Output: demo state active
}

func ExampleParseConsumerURIs() {
	uris, _, err := agent.ParseConsumerURIs("", "tcp://gate:6000,tcp://relay/web", "udp://relay?mtu=1400", "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range uris {
		fmt.Println(u.Stream, u.Type, u)
	}
	fmt.Println(agent.FormatURIs(uris))
	_, _, err = agent.ParseConsumerURIs("udp://relay", "", "", "/")
	fmt.Println(err)
	// Output:
	// control hop tcp://gate:6000
	// control destination tcp://relay:5342/web
	// data destination udp://relay:5343/web?mtu=1400
	// tcp://gate:6000,tcp://relay:5342/web [data: udp://relay:5343/web?mtu=1400]
	// "udp://relay": control path must be TCP
}
