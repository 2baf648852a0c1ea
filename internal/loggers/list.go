// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package loggers

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/loggers/wire"
)

const (
	// asked is how many agents are asked for their loggers at a time.
	asked = 16
	// maxListed bounds the names of all, in bytes: who has most is last.
	maxListed = 1 << 24
)

// List lists the loggers of a domain in the programs that a user may trace, by processes.
// Those that give no answer until ctx ends are left out.
func (s *Source) List(ctx context.Context, uid uint32, domain string) ([]agent.Logger, error) {
	i := slices.IndexFunc(domains[:], func(d wire.Domain) bool { return d.String() == domain })
	if i < 0 {
		return nil, agent.NewProblem(agent.CodeInvalid, "domain "+domain+" has no loggers: want python, jul or log4j")
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	loggers := []agent.Logger{}
	size := 0
	var programs []*program
	for _, p := range s.all(domains[i]) {
		if permits(uid, p.uid) {
			programs = append(programs, p)
		}
	}
	slices.SortStableFunc(programs, func(a, b *program) int { return cmp.Compare(a.pid, b.pid) })
	for some := range slices.Chunk(programs, asked) {
		for _, l := range listAll(ctx, some) {
			if size += len(l.Name); size > maxListed {
				s.log.Warn("not all loggers are listed", "bytes", size)
				return loggers, nil
			}
			loggers = append(loggers, l)
		}
	}
	return loggers, nil
}

// listAll asks programs at once.
func listAll(ctx context.Context, programs []*program) (all []agent.Logger) {
	results := make([]chan []string, len(programs))
	waits := make([]<-chan struct{}, len(programs))
	for i, p := range programs {
		results[i] = make(chan []string, 1)
		waits[i] = p.do(func() { results[i] <- p.list() })
	}
	for i, p := range programs {
		select {
		case <-waits[i]:
		case <-ctx.Done():
		}
		select {
		case names := <-results[i]:
			for _, n := range names {
				all = append(all, agent.Logger{PID: p.pid, UID: p.uid, Process: p.name, Name: n})
			}
		default: // the program is gone, or gives no answer
		}
	}
	return all
}

// list asks the agent for its loggers.
func (p *program) list() []string {
	a := &answer{list: true, done: make(chan error, 1)}
	err := p.call(wire.AppendPlain(nil, wire.OpList), a)
	var status wire.Status
	if err != nil {
		if !errors.As(err, &status) {
			p.leave(err)
		}
		return nil
	}
	return a.names
}
