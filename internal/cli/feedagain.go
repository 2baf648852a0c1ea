// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/weir-io/weir/client/feed"
)

// feedOpener opens the feed that a command reads.
type feedOpener func(*feed.Client) (*feed.Consumer, error)

// opener opens the feed that is the command's first argument, once from whoever has it.
func (c *feedCall) opener(steal bool) feedOpener {
	return func(api *feed.Client) (*feed.Consumer, error) {
		o := feed.OpenOptions{Steal: steal}
		steal = false // whoever takes it from this command is not to lose it again
		return api.Open(c.ctx, c.args[0], o)
	}
}

// outlive runs work on a feed, and again whenever the agent has come back that work has
// ended for. Work must bear to be run again: it skips what it has done. With once it is
// run once.
func (c *feedCall) outlive(once bool, open feedOpener, work func(*feed.Consumer) error) error {
	n, err := open(c.api)
	for n != nil && err == nil {
		err = work(n)
		n.Close()
		if err == nil || once || c.ctx.Err() != nil || !agentGone(err) {
			return c.interrupted(err, once)
		}
		n, err = c.openAgain(err, open)
	}
	return err
}

// interrupted is the error of work that was interrupted: none if it had no end of its own.
func (c *feedCall) interrupted(err error, once bool) error {
	switch {
	case c.ctx.Err() == nil || !errors.Is(err, c.ctx.Err()):
		return err
	case once:
		return errors.New("interrupted before all was read")
	}
	return nil
}

// agentGone reports whether an error says that the agent ends, or has ended, or cannot
// store anything now: later it may go well.
func agentGone(err error) bool {
	return errors.Is(err, feed.ErrGone) || errors.Is(err, &feed.Error{Code: feed.CodeStore})
}

// notThere reports whether an error says that no agent answers yet.
func notThere(err error) bool {
	return agentGone(err) || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.EOF)
}

// Times between two attempts to open a feed whose agent is gone.
const (
	firstReopen = 200 * time.Millisecond
	lastReopen  = 5 * time.Second
	// ownLease is how long an agent that did not see a connection break may take the feed
	// for read: the lease of 60 s, and time to come round.
	ownLease = 75 * time.Second
)

// openAgain waits for the agent to come back and opens the feed again. At the end of the
// call it returns nothing, and no error.
func (c *feedCall) openAgain(why error, open feedOpener) (*feed.Consumer, error) {
	fmt.Fprintf(c.cmd.ErrOrStderr(), "weir: %v; waiting for the agent\n", why)
	var busy time.Time // since then
	for wait := firstReopen; ; wait = min(2*wait, lastReopen) {
		timer := time.NewTimer(wait)
		select {
		case <-c.ctx.Done():
			timer.Stop()
			return nil, nil
		case <-timer.C:
		}
		n, err := c.tryAgain(open)
		switch {
		case err == nil:
			return n, nil
		case c.ctx.Err() != nil || notThere(err):
		case !c.api.Remote() || !errors.Is(err, &feed.Error{Code: feed.CodeBusy}):
			return nil, err
		case busy.IsZero():
			busy = time.Now()
		case time.Since(busy) > ownLease: // somebody else has it
			return nil, err
		}
	}
}

func (c *feedCall) tryAgain(open feedOpener) (*feed.Consumer, error) {
	api, err := feed.Dial(c.ctx, c.socket)
	if err != nil {
		return nil, err
	}
	defer api.Close()
	return open(api)
}
