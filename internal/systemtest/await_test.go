// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// lookPeriod is how often it is looked at what the daemon does not tell by itself.
const lookPeriod = 50 * time.Millisecond

// await waits until a session is as a condition has it, for twice the time that a
// lost relay may take to be noticed. It is looked at when the daemon tells of
// something, and now and then.
func (t *tracer) await(name, what string, ok func(agent.Session) bool) agent.Session {
	t.m.Helper()
	ctx, cancel := context.WithTimeout(t.m.Context(), patience)
	defer cancel()
	c := agent.New(agent.SystemSocket)
	defer c.Close()
	told, err := c.Watch(ctx, name)
	if err != nil {
		t.m.Fatal(err)
	}
	notices := make(chan agent.Notice, 64)
	done := make(chan struct{})
	go func() { // ends with the context
		defer close(done)
		for {
			n, err := told.Next()
			if err != nil {
				return
			}
			select {
			case notices <- n:
			default: // it is looked anyway
			}
		}
	}()
	defer func() {
		cancel()
		<-done
		told.Close()
	}()
	look := time.NewTicker(lookPeriod)
	defer look.Stop()
	for {
		doc, err := c.Session(ctx, name)
		if err != nil {
			t.m.Fatalf("session %s, until %s: %v; it was %+v", name, what, err, doc.Consumer)
		}
		if ok(doc) {
			return doc
		}
		select {
		case <-notices:
		case <-look.C:
		case <-ctx.Done():
			t.m.Fatalf("session %s is not so that %s after %v: state %s, consumer %+v", name, what, patience, doc.State, doc.Consumer)
		}
	}
}

// awaitConsumer waits until a session's consumer is in a state.
func (t *tracer) awaitConsumer(name string, want agent.ConsumerState) agent.Session {
	t.m.Helper()
	return t.await(name, "its consumer is "+string(want), func(doc agent.Session) bool { return doc.Consumer.State == want })
}
