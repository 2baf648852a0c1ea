// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// agentReader tells what this program itself costs.
type agentReader struct {
	engine         *Engine
	agent, section xmlsysd.NodeID
	version        xmlsysd.NodeID
	leaves, costs  []xmlsysd.NodeID
	versionText    []byte
	statm          *reread.File
	usage          unix.Rusage
	started, pid   int64
}

func newAgentReader(e *Engine) reader {
	const at = "system/agent"
	m := e.model
	return &agentReader{
		engine: e, agent: m.Must(at), section: m.Must(at + "/section"), version: m.Must(at + "/version"), versionText: []byte(e.o.Version),
		leaves:  nodesOf(m, at, "pid", "start", "cpu", "rss", "connections", "messages", "bytes", "errors"),
		costs:   nodesOf(m, at+"/section", "calls", "last", "max", "bytes", "errors"),
		statm:   reread.NewPrompt("/proc/self/statm", sysctlSize, reread.Whole),
		started: e.started.Unix(), pid: int64(os.Getpid()),
	}
}

func (a *agentReader) close() { a.statm.Close() }

func (a *agentReader) read(r *request) error {
	t, l := r.tape, a.leaves
	t.Open(a.agent, r.at)
	defer t.Close()
	t.Leaf(a.version, a.versionText)
	t.Int(l[0], a.pid)
	t.Int(l[1], a.started)
	if unix.Getrusage(unix.RUSAGE_SELF, &a.usage) == nil {
		t.Int(l[2], (a.usage.Utime.Nano()+a.usage.Stime.Nano())/int64(time.Microsecond))
	}
	if text, err := a.statm.Read(); err == nil {
		var pages [2]uint64 // all, resident
		if numbers(bytes.TrimRight(text, "\n"), pages[:]) == len(pages) {
			t.Uint(l[3], pages[1]*uint64(os.Getpagesize()))
		}
	}
	c := &a.engine.Traffic
	t.Uint(l[4], c.Connections.Load())
	t.Uint(l[5], c.Messages.Load())
	t.Uint(l[6], c.Bytes.Load())
	t.Uint(l[7], c.Errors.Load())
	for _, s := range a.engine.sections {
		a.addSection(t, s)
	}
	return nil
}

// addSection adds the account of a section that was read.
func (a *agentReader) addSection(t *xmlsysd.Tape, s *section) {
	s.mu.Lock()
	cost := s.cost
	s.mu.Unlock()
	if cost.Calls == 0 {
		return
	}
	t.Open(a.section, xmlsysd.Stamp{}, s.id)
	t.Uint(a.costs[0], cost.Calls)
	t.Int(a.costs[1], cost.Last.Microseconds())
	t.Int(a.costs[2], cost.Max.Microseconds())
	t.Uint(a.costs[3], cost.Bytes)
	t.Uint(a.costs[4], cost.Errors)
	t.Close()
}
