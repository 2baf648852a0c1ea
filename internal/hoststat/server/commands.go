// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// hint is the answer to those who take the port for that of a web server.
const hint = "This port speaks xmlsysd, not HTTP: send the lines init, send, quit.\n"

// handle carries out a line. An error ends the session.
func (c *session) handle(line []byte) error {
	if xmlsysd.IsHTTP(line) {
		return c.answerHTTP()
	}
	if len(bytes.Trim(line, " \t\r\n")) == 0 {
		return nil
	}
	c.ordinal++
	acks := c.acks // as it was before the command
	cmd, err := c.parse(line)
	if c.level >= 3 {
		c.log.Debug("command", "line", string(line), "err", err)
	}
	if err == nil {
		var answered bool
		if answered, err = c.execute(cmd, acks); answered || err == errQuit {
			return err
		}
	}
	if err != nil {
		c.server.Refused.Commands.Add(1)
		c.server.engine.Traffic.Errors.Add(1)
	}
	return c.ack(acks, err)
}

// parse reads a command. A line that comes again, as "send" does for months, is
// not parsed again: it would leave garbage each time.
func (c *session) parse(line []byte) (*xmlsysd.Command, error) {
	if bytes.Equal(line, c.line) && len(line) > 0 {
		return &c.command, nil
	}
	cmd, err := xmlsysd.ParseCommand(line)
	if err != nil {
		return nil, err
	}
	c.line, c.command = append(c.line[:0], line...), cmd
	return &c.command, nil
}

// ack tells the client what became of its command, if it wants to know.
func (c *session) ack(wanted bool, result error) error {
	if !wanted {
		return nil
	}
	return c.write(c.main.enc.Ack(c.ordinal, result))
}

// execute carries out a command. If it was answered by a message, the error is
// that of the session, otherwise the command's.
func (c *session) execute(cmd *xmlsysd.Command, acks bool) (answered bool, err error) {
	switch cmd.Verb {
	case xmlsysd.VerbInit:
		c.init()
	case xmlsysd.VerbOn, xmlsysd.VerbOff:
		return false, c.choose(cmd.Verb == xmlsysd.VerbOn, cmd.Selectors)
	case xmlsysd.VerbSend:
		return true, c.sample(&c.main)
	case xmlsysd.VerbQuik:
		if c.quik == nil {
			c.quik = c.server.newView("proc/stat", "proc/loadavg")
		}
		return true, c.sample(c.quik.like(&c.main))
	case xmlsysd.VerbJobs:
		if c.jobs == nil {
			c.jobs = c.server.newView("proc/tasks")
		}
		return true, c.sample(c.jobs.like(&c.main))
	case xmlsysd.VerbQuit:
		if err := c.ack(acks, nil); err != nil {
			return true, err
		}
		return false, errQuit
	case xmlsysd.VerbVerbose:
		c.level = min(cmd.Level, c.server.o.Verbosity)
	case xmlsysd.VerbTask:
		return false, c.mask(&cmd.Task)
	case xmlsysd.VerbEvery:
		c.push.start(time.Now(), cmd.Period, cmd.Count)
	case xmlsysd.VerbTrigger:
		return false, c.trigger(cmd)
	case xmlsysd.VerbStop:
		c.push = push{}
	case xmlsysd.VerbIndent:
		c.main.enc.Compact = !cmd.On
	case xmlsysd.VerbCompress:
		c.main.enc.Encoding = cmd.Encoding
	case xmlsysd.VerbAck:
		c.acks = cmd.On
	case xmlsysd.VerbList:
		return c.list(cmd.Pattern)
	case xmlsysd.VerbHelp:
		return true, c.write(c.main.enc.Help())
	}
	return false, nil
}

// init makes all as in a fresh session, but for the mark on messages that says so.
func (c *session) init() {
	c.main.sel.Init()
	c.main.enc.Init, c.main.enc.Compact, c.main.enc.Encoding = true, false, xmlsysd.Plain
	c.tasks, c.query, c.push, c.acks = xmlsysd.TaskMask{}, nil, push{}, false
	c.endTriggers()
}

// choose adds rules. What is wrong with one does not keep the others out; the
// first error is returned.
func (c *session) choose(on bool, selectors []string) (first error) {
	for _, text := range selectors {
		err := c.checkRaw(text)
		if err == nil {
			err = c.main.sel.Add(on, text)
		}
		if err != nil && first == nil {
			first = err
		}
	}
	c.query = nil // there may be other raw files
	return first
}

// checkRaw refuses patterns of raw files that can match nothing, where there are any
// files at all.
func (c *session) checkRaw(selector string) error {
	pattern, ok := strings.CutPrefix(selector, "raw:")
	if !ok || pattern == "" || !c.server.o.Expose.Raw {
		return nil // the selection knows
	}
	return c.server.engine.CheckRaw(pattern)
}

// mask says which processes are sent.
func (c *session) mask(m *xmlsysd.TaskMask) error {
	if (m.Cmdline || m.IO) && !c.server.o.Expose.Cmdline {
		return &xmlsysd.CommandError{Code: xmlsysd.CodeDenied, Reason: "command lines and their like are not exposed"}
	}
	c.tasks, c.query = *m, nil
	return nil
}

// list sends the sections that have something of a selector, all without one.
func (c *session) list(selector string) (answered bool, err error) {
	wants := func(xmlsysd.NodeID) bool { return true }
	if selector != "" {
		v := c.server.newView()
		if err := v.sel.Add(true, selector); err != nil {
			return false, err
		}
		wants = v.wants
	}
	var states []xmlsysd.SectionState
	for _, s := range c.server.engine.Sections() {
		if wants(s.Node) {
			states = append(states, xmlsysd.SectionState{Path: s.Path, On: c.main.wants(s.Node), Class: s.Class, Source: s.Source, Cost: s.Cost.Last})
		}
	}
	return true, c.write(c.main.enc.Sections(states))
}

// answerHTTP tells a browser where it is.
func (c *session) answerHTTP() error {
	err := c.conn.SetWriteDeadline(time.Now().Add(c.server.o.WriteTimeout))
	if err == nil {
		_, err = fmt.Fprintf(c.conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(hint), hint)
	}
	if err != nil {
		return err
	}
	return errHTTP
}
