// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/weir-io/weir/client"
)

// hub answers as a hub with one closed session would.
func hub() *httptest.Server {
	mux := http.NewServeMux()
	answer := func(pattern, kind string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	answer("GET /api/v1/sessions", "application/json", 200,
		`{"items":[{"id":"9f86d081884c7d65","name":"demo","host":"vm","state":"closed","stored":{"bytes":4096,"files":3,"chunks":1}}]}`)
	answer("DELETE /api/v1/sessions/{id}", "application/problem+json", 409,
		`{"type":"urn:weir:error:session-open","title":"Session is open","status":409,"code":"session-open","number":1201,"detail":"vm/demo is being received"}`)
	return httptest.NewServer(mux)
}

func ExampleClient_Sessions() {
	server := hub()
	defer server.Close()
	c, err := client.New(server.URL) // or client.DefaultURL
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for s, err := range c.Sessions(context.Background(), client.Filter{State: client.Closed}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.ID, s.Host, s.Name, s.State, s.Stored.Bytes)
	}
	// Output: 9f86d081884c7d65 vm demo closed 4096
}

func ExampleProblem() {
	server := hub()
	defer server.Close()
	c, err := client.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	err = c.DeleteSession(context.Background(), "9f86d081884c7d65")
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Code == "session-open" {
		fmt.Println(p)
	}
	// Output: vm/demo is being received (session-open)
}
