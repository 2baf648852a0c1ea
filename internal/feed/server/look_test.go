// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"testing"

	client "github.com/weir-io/weir/client/feed"
)

// TestLookBesideAConsumer opens a feed for looking while a consumer has it. What would
// cancel is refused, and the connection stays.
func TestLookBesideAConsumer(t *testing.T) {
	a := start(t)
	api := a.dial()
	info, err := api.Create(t.Context(), client.CreateOptions{Source: a.fs.Dir})
	must(t, err)
	a.sh("touch a b c")
	n, err := api.Open(t.Context(), info.ID, client.OpenOptions{})
	must(t, err)
	defer n.Close()
	look, err := api.Open(t.Context(), info.ID, client.OpenOptions{Look: true})
	must(t, err)
	defer look.Close()
	if _, err := look.Pipe(t.Context()); !errors.Is(err, &client.Error{Code: client.CodeBadArgument}) {
		t.Errorf("pipe: got %v, want %s", err, client.CodeBadArgument)
	}
	if _, err := look.Cancel(t.Context(), 0); !errors.Is(err, &client.Error{Code: client.CodeDenied}) {
		t.Errorf("cancel: got %v, want %s", err, client.CodeDenied)
	}
	b, err := look.Read(t.Context(), client.ReadOptions{Wait: -1})
	must(t, err)
	got := len(b.Records)
	if i, err := api.Info(t.Context(), info.ID); err != nil || i.Cancelled != info.Cancelled || i.Consumer == nil || got == 0 {
		t.Errorf("got %d records, and then %+v, %v, want nothing cancelled", got, i, err)
	}
	if err := look.Commit(t.Context()); !errors.Is(err, &client.Error{Code: client.CodeDenied}) {
		t.Errorf("commit: got %v, want %s", err, client.CodeDenied)
	}
}
