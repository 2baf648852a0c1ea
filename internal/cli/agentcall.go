// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// agentCall is one call of a command that talks to the session daemon: what it
// was given, and what it has to say.
type agentCall struct {
	ctx  context.Context // lives as long as the call, which the object is
	cmd  *cobra.Command
	api  *agent.Client
	args []string

	// Flags of all these commands.
	session string
	json    bool
	quiet   bool
	verbose bool
	socket  string

	text     bytes.Buffer        // for people
	document map[string]any      // for programs
	warnings []agent.Problem     // what was done all the same
	losses   []agent.ChannelLoss // that the daemon told of
}

// agentCommand gives a command the flags of all that talk to the session daemon
// and has run called. With ofSession the command is about one session, which -s
// names, or which is the current one.
func agentCommand(c *cobra.Command, ofSession bool, run func(*agentCall) error) *cobra.Command {
	call := &agentCall{cmd: c, document: make(map[string]any)}
	fl := c.Flags()
	if ofSession {
		fl.StringVarP(&call.session, "session", "s", "", "the `SESSION` meant; default: the current one")
		mustComplete(c, "session", completeSessions)
	}
	fl.BoolVar(&call.json, "json", false, "print one JSON object, also of an error")
	fl.BoolVarP(&call.quiet, "quiet", "q", false, "print errors only")
	fl.BoolVarP(&call.verbose, "verbose", "v", false, "say which session daemon is asked")
	fl.StringVar(&call.socket, "socket", "", "the session daemon's socket at `PATH`; default: $"+agent.SocketVariable+",\n"+agent.SystemSocket+", or that of the user's own daemon")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := untilSignal(c)
		defer stop()
		call.ctx, call.args, call.api = ctx, args, agent.New(call.socket)
		defer call.api.Close()
		if call.verbose {
			fmt.Fprintf(c.ErrOrStderr(), "weir: session daemon at %s\n", call.api.Socket())
		}
		return call.end(run(call))
	}
	return c
}

// say prints a line for people.
func (c *agentCall) say(format string, args ...any) {
	c.text.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

// set gives the document for programs a member.
func (c *agentCall) set(key string, value any) { c.document[key] = value }

// did takes the result of an order to a session.
func (c *agentCall) did(session string, d agent.Done) {
	c.set("session", session)
	if len(d.Names) > 0 {
		c.set("names", d.Names)
	}
	if len(d.Losses) > 0 {
		c.set("losses", d.Losses)
		c.losses = append(c.losses, d.Losses...)
	}
	c.warnings = append(c.warnings, d.Warnings...)
}

// sayLosses says what was lost. As LTTng does it is a warning that no exit code tells:
// what was asked for is done.
func (c *agentCall) sayLosses() {
	for _, l := range c.losses {
		text := fmt.Sprintf("%s discarded", plural(int64(l.Discarded), "event"))
		if l.Lost > 0 {
			text += fmt.Sprintf(" and %s lost", plural(int64(l.Lost), "packet"))
		}
		fmt.Fprintf(c.cmd.ErrOrStderr(), "weir: warning: channel %s of domain %s: %s\n", printable(l.Channel), l.Domain, text)
	}
}

// warn adds a warning of the command's own.
func (c *agentCall) warn(format string, args ...any) {
	c.warnings = append(c.warnings, *agent.NewProblem(agent.CodeInvalid, fmt.Sprintf(format, args...)))
}

// note adds a warning that no exit code tells, as with LTTng: what was asked for is done as
// well as it can be.
func (c *agentCall) note(format string, args ...any) {
	c.warnings = append(c.warnings, *agent.NewProblem(agent.CodeOK, fmt.Sprintf(format, args...)))
}

// isMore reports whether a warning is more than a note.
func isMore(w agent.Problem) bool { return w.Code != agent.CodeOK }

// name returns the session that the command is about: its argument, -s, or the
// current one.
func (c *agentCall) name() (string, error) {
	if len(c.args) > 0 && c.session != "" && c.args[0] != c.session {
		return "", usageErrorf("two sessions: %q and --session %q", c.args[0], c.session)
	}
	if len(c.args) > 0 {
		return c.args[0], nil
	}
	return c.current()
}

// current returns the session that -s names, or the current one.
func (c *agentCall) current() (string, error) {
	if c.session != "" {
		return c.session, nil
	}
	name, err := readCurrentSession(os.Getenv)
	if err != nil {
		return "", err
	}
	if name == "" {
		return "", agent.NewProblem(agent.CodeNoSession, "no current session: create one, choose one with \"weir set-session\", or name it with -s")
	}
	return name, nil
}

// end prints what there is to say and makes the exit code of it.
func (c *agentCall) end(err error) error {
	code := agentExit(err)
	if err == nil && slices.ContainsFunc(c.warnings, isMore) {
		code = exitWarnings
	}
	if c.json {
		return c.endJSON(err, code)
	}
	if !c.quiet && err == nil {
		if _, err := c.cmd.OutOrStdout().Write(c.text.Bytes()); err != nil {
			return err
		}
	}
	c.sayLosses()
	for _, w := range c.warnings {
		fmt.Fprintf(c.cmd.ErrOrStderr(), "weir: warning: %s\n", printable(oneLine(&w)))
	}
	if err == nil && code == exitOK {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return &exitError{code: code, err: err}
}

// endJSON prints the one object.
func (c *agentCall) endJSON(err error, code int) error {
	object := make(map[string]any)
	if err != nil {
		object["error"] = asProblem(err)
	} else {
		maps.Copy(object, c.document)
		object["command"] = strings.TrimPrefix(c.cmd.CommandPath(), "weir ")
	}
	if len(c.warnings) > 0 {
		object["warnings"] = c.warnings
	}
	if err := writeJSON(c.cmd.OutOrStdout(), object); err != nil {
		return err
	}
	if code == exitOK {
		return nil
	}
	return &exitError{code: code} // all has been said
}

// asProblem gives an error a number.
func asProblem(err error) *agent.Problem {
	if p, ok := errors.AsType[*agent.Problem](err); ok {
		return agent.NewProblem(p.Code, oneLine(err))
	}
	code := agent.CodeUnknown
	if e, ok := errors.AsType[*exitError](err); ok && e.code == exitUsage {
		code = agent.CodeInvalid
	}
	return agent.NewProblem(code, oneLine(err))
}

// agentExit returns the exit code of an error.
func agentExit(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if p, ok := errors.AsType[*agent.Problem](err); ok && p.Code == agent.CodeNoDaemon {
		return exitNoDaemon
	}
	return exitFailed
}
