// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/feed"
)

// TestWorkOutlivesTheAgent runs work on a feed anew for each agent, and once where that is
// asked for.
func TestWorkOutlivesTheAgent(t *testing.T) {
	for _, c := range []struct {
		once        bool
		runs, reads int
		err         string
	}{
		{false, 4, 20, ""},
		{true, 1, 6, "stopped or killed"},
	} {
		a := &fakeAgent{t: t, last: 20, lives: 3}
		runs, last := 0, uint64(0)
		command := feedCommand(&cobra.Command{Use: "work", Args: cobra.ExactArgs(1)}, func(call *feedCall) error {
			return call.outlive(c.once, call.opener(false), func(n *feed.Consumer) error {
				runs++
				for last < a.last {
					b, err := n.Read(call.ctx, feed.ReadOptions{Wait: -1})
					if err != nil {
						return err
					}
					last = b.Through
				}
				return nil
			})
		})
		command.SetArgs([]string{"cl1", "--socket", a.start()})
		command.SilenceErrors, command.SilenceUsage = true, true
		err := command.ExecuteContext(t.Context())
		if got := ""; err != nil {
			got = err.Error()
			if c.err == "" || !strings.Contains(got, c.err) {
				t.Errorf("once %v: got %v, want %q", c.once, err, c.err)
			}
		} else if c.err != "" {
			t.Errorf("once %v: got no error, want %q", c.once, c.err)
		}
		if runs != c.runs || last != uint64(c.reads) {
			t.Errorf("once %v: got %d runs and %d records, want %d and %d", c.once, runs, last, c.runs, c.reads)
		}
	}
}

// TestWorkWaitsForItsOwnLease has a hub be gone for a moment: behind it the agent takes the
// feed for read, until the lease of before has ended.
func TestWorkWaitsForItsOwnLease(t *testing.T) {
	var opened, refused, read int // owned by the server: one request comes at a time
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem := func(status int, code string) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"code":%q}`, code)
		}
		switch {
		case r.URL.Path == "/api/v1/feeds":
			fmt.Fprint(w, `{"items":[]}`)
		case r.Method == http.MethodPost && opened == 1 && refused < 2:
			refused++
			problem(http.StatusConflict, string(feed.CodeBusy))
		case r.Method == http.MethodPost:
			opened++
			w.Header().Set("Weir-Consumer", "token")
			fmt.Fprint(w, `{"id":"cl1"}`)
		case r.Method == http.MethodDelete || opened == 1:
			problem(http.StatusBadGateway, "host-unreachable")
		default:
			read++
			w.Header().Set("Weir-Through", "7")
			w.Header().Set("Weir-Count", "0")
			w.Header().Set("Weir-Batch", "1")
		}
	}))
	defer hub.Close()
	command := feedCommand(&cobra.Command{Use: "work", Args: cobra.ExactArgs(1)}, func(call *feedCall) error {
		return call.outlive(false, call.opener(false), func(n *feed.Consumer) error {
			_, err := n.Read(call.ctx, feed.ReadOptions{})
			return err
		})
	})
	command.SetArgs([]string{"cl1", "--socket", hub.URL})
	command.SilenceErrors, command.SilenceUsage = true, true
	if err := command.ExecuteContext(t.Context()); err != nil || opened != 2 || refused != 2 || read != 1 {
		t.Errorf("got %v, opened %d times, refused %d and read %d, want the feed opened again after the refusals", err, opened, refused, read)
	}
}

// TestMirrorFeedOutlivesTheAgent has a mirror read on from the next agent, unless it is to
// end by itself.
func TestMirrorFeedOutlivesTheAgent(t *testing.T) {
	for _, c := range []struct {
		once bool
		last uint64
	}{{false, 20}, {true, 6}} {
		a := &fakeAgent{t: t, last: 20, lives: 3}
		last := uint64(0)
		command := feedCommand(&cobra.Command{Use: "work", Args: cobra.ExactArgs(1)}, func(call *feedCall) (err error) {
			f := &mirrorFeed{call: call, reopen: call.opener(false)}
			if f.Consumer, err = f.reopen(call.api); err != nil {
				return err
			}
			defer func() { f.Close() }()
			if c.once {
				f.reopen = nil
			}
			for last < a.last {
				b, err := f.Read(call.ctx, feed.ReadOptions{Wait: -1})
				if err != nil {
					return err
				}
				last = b.Through
			}
			return nil
		})
		command.SetArgs([]string{"cl1", "--socket", a.start()})
		command.SilenceErrors, command.SilenceUsage = true, true
		if err := command.ExecuteContext(t.Context()); last != c.last || (err != nil) != c.once {
			t.Errorf("once %v: got %v, records through %d, want %d and an error %v", c.once, err, last, c.last, c.once)
		}
	}
}

// TestInterruptedWork has work without an end of its own end well when it is interrupted, and
// what was to read all say that it has not.
func TestInterruptedWork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &feedCall{ctx: ctx}
	other := errors.New("the disk is full")
	if err := c.interrupted(other, false); err != other {
		t.Errorf("not interrupted: got %v, want %v", err, other)
	}
	cancel()
	wrapped := fmt.Errorf("database: %w", context.Canceled)
	if err := c.interrupted(wrapped, false); err != nil {
		t.Errorf("interrupted: got %v, want no error", err)
	}
	if err := c.interrupted(wrapped, true); err == nil || err.Error() != "interrupted before all was read" {
		t.Errorf("interrupted amid --once: got %v", err)
	}
	if err := c.interrupted(other, false); err != other {
		t.Errorf("failed and interrupted: got %v, want %v", err, other)
	}
}
