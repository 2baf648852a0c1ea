// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/ust/wire"
)

// maxListed bounds the events, and their fields, that a program lists.
const maxListed = 1 << 16

// levels are the names of log levels, the most severe first.
func levels() (names []string) {
	for l := schema.LogLevel(0); l <= schema.MaxLogLevel; l++ {
		names = append(names, l.String())
	}
	return names
}

// Level implements source.Leveled.
func (c *channel) Level(text string) (string, bool) {
	l := parseLevel(text)
	if l < 0 {
		return "", false
	}
	return schema.LogLevel(l).String(), true
}

// parseLevel finds a level by its name, which need not begin with TRACE_, or number;
// -1 if there is none.
func parseLevel(text string) int32 {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= int(schema.MaxLogLevel) {
		return int32(n)
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "TRACE_") {
		name = "TRACE_" + name
	}
	return int32(slices.Index(levels(), name))
}

// Events lists the events of the programs that a user may trace, in the order of the
// programs. Those that give no answer until ctx ends are left out.
func (s *Source) Events(ctx context.Context, uid uint32, pattern string, fields bool) (all []agent.UserEvent) {
	var results []chan []agent.UserEvent
	var waits []<-chan struct{}
	called := make(callers)
	for _, p := range s.all() {
		if permits(uid, p.uid) {
			called.ask(p)
			result := make(chan []agent.UserEvent, 1)
			results = append(results, result)
			waits = append(waits, p.do(func() { result <- p.list(fields) }))
		}
	}
	for i, w := range waits {
		select {
		case <-w:
		case <-ctx.Done():
		}
		select {
		case events := <-results[i]:
			all = append(all, events...)
		default: // the program is gone, or gives no answer
		}
	}
	called.tell(ctx, all, calledTimeout)
	all = slices.DeleteFunc(all, func(e agent.UserEvent) bool { return pattern != "" && !glob(pattern, e.Name) })
	slices.SortStableFunc(all, func(a, b agent.UserEvent) int { return cmp.Compare(a.PID, b.PID) })
	return all
}

// list asks the program for its events.
func (p *program) list(fields bool) []agent.UserEvent {
	p.link.until = time.Now().Add(p.s.listPatience)
	all, err := p.tracepoints()
	if err == nil && fields {
		err = p.addFields(all)
	}
	var code wire.Code
	if err != nil && (!errors.As(err, &code) || code == wire.CodeExiting) {
		p.leave(err)
	}
	return all
}

// each hands on each entry of a list, which follows the answer if it has a size.
func (p *program) each(list, get wire.Op, size int, entry func(b []byte) error) error {
	handle, err := p.link.simple(wire.Root, list)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		r, err := p.link.call(wire.Command{Handle: handle, Op: get}, nil)
		if errors.Is(err, wire.CodeNoEntry) {
			break
		}
		if err == nil && n == maxListed {
			err = fmt.Errorf("a list of more than %d entries", maxListed)
		}
		b := r.Body
		if err == nil && size > 0 {
			b, err = p.link.read(size)
		}
		if err == nil {
			err = entry(b)
		}
		if err != nil {
			return err
		}
	}
	_, err = p.link.simple(handle, wire.OpRelease)
	return err
}

func (p *program) tracepoints() (all []agent.UserEvent, err error) {
	err = p.each(wire.OpTracepointList, wire.OpTracepointGet, 0, func(b []byte) error {
		t, err := wire.ParseTracepoint(b)
		if err != nil {
			return err
		}
		e := agent.UserEvent{PID: p.pid, UID: p.uid, Process: p.name, Name: t.Name}
		if t.Level >= 0 && t.Level <= int32(schema.MaxLogLevel) {
			e.LogLevel = schema.LogLevel(t.Level).String()
		}
		all = append(all, e)
		return nil
	})
	return all, err
}

// listTypes are the kinds of fields in lists.
var listTypes = map[int32]string{wire.ListInteger: "integer", wire.ListEnum: "enum", wire.ListFloat: "float", wire.ListString: "string"}

func (p *program) addFields(all []agent.UserEvent) error {
	at := make(map[string]*agent.UserEvent)
	for i := range all {
		at[all[i].Name] = &all[i]
	}
	defer func() {
		for i := range all { // programs begin with the last
			slices.Reverse(all[i].Fields)
		}
	}()
	return p.each(wire.OpFieldList, wire.OpFieldGet, wire.FieldInfoLen, func(b []byte) error {
		f, err := wire.ParseFieldInfo(b)
		if err != nil {
			return err
		}
		if e := at[f.Event]; e != nil && f.Name != "" { // an event without fields has one without a name
			e.Fields = append(e.Fields, agent.UserField{Name: f.Name, Type: cmp.Or(listTypes[f.Kind], "other"), NotWritten: f.NotWritten})
		}
		return nil
	})
}

// glob reports whether a pattern, in which * stands for anything, matches a name.
func glob(pattern, name string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], next
	}
}
