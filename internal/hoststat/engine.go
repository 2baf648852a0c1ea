// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/kernel/psi"
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// Engine reads the host.
type Engine struct {
	// Traffic is what the server counts, for system/agent.
	Traffic Traffic

	// Immutable after New.
	o        Options
	model    *xmlsysd.Model
	sections []*section // in the order of a message
	errors   *section
	started  time.Time
	links    *linkCache
	budget   budget
	vm       *vmText
	pressure *psi.Watcher
	noQuery  Query
	kernels  bool // the proc root is the kernel's, not a copy

	quit    chan struct{} // closed by Close
	closing sync.Once
	running sync.WaitGroup // lanes, workers, caches
}

// Traffic counts what went over a server's connections.
type Traffic struct {
	Connections, Messages, Bytes, Errors atomic.Uint64
}

// New returns an engine. It opens nothing and starts nothing before the first
// sample.
func New(o Options) (*Engine, error) {
	e := &Engine{o: o.withDefaults(), model: xmlsysd.NewModel(), started: time.Now(), quit: make(chan struct{})}
	e.budget = budget{limit: e.o.Budget / 100, since: e.started}
	e.kernels = isProc(e.o.ProcRoot)
	e.links = newLinkCache(e)
	e.pressure = psi.NewWatcher(e.proc("pressure"))
	if err := e.build(); err != nil {
		return nil, err
	}
	return e, nil
}

// closeWait bounds what Close waits for readers: one that hangs in the kernel
// cannot be ended.
const closeWait = 2 * time.Second

// Close ends the engine's goroutines and closes its files. Sessions must be closed
// before. Readers that hang are left behind, with their files.
func (e *Engine) Close() {
	e.closing.Do(func() {
		close(e.quit)
		e.links.close()
		done := make(chan struct{})
		go func() { // ends with the last of them
			e.running.Wait()
			close(done)
		}()
		select {
		case <-done:
			for _, s := range e.sections {
				s.closeFiles()
			}
		case <-time.After(closeWait):
			e.o.Log.Warn("a section hangs, its files stay open")
		}
	})
}

// Model returns the model of the tapes.
func (e *Engine) Model() *xmlsysd.Model { return e.model }

// SectionInfo is a section and what it has cost.
type SectionInfo struct {
	Path   string // "proc/net/dev"
	Name   string // "dev"
	Node   xmlsysd.NodeID
	Class  xmlsysd.Class
	Source string // what is read, for people
	Slow   bool
	Denied bool // not exposed by the options
	Busy   bool // hangs
	Cost   Cost
}

// Cost is the account of a section.
type Cost struct {
	Calls  uint64        // how often it was read
	Last   time.Duration // what that took
	Max    time.Duration
	Total  time.Duration
	Bytes  uint64 // read from files
	Errors uint64
}

// Sections returns all sections in the order of a message.
func (e *Engine) Sections() []SectionInfo {
	list := make([]SectionInfo, 0, len(e.sections))
	for _, s := range e.sections {
		list = append(list, s.info())
	}
	return list
}

// Hidden returns the elements that the options do not expose, with all below them.
func (e *Engine) Hidden() []xmlsysd.NodeID {
	var hidden []xmlsysd.NodeID
	for _, s := range e.sections {
		if s.denied {
			hidden = append(hidden, s.node)
		}
	}
	if !e.o.Expose.Cmdline {
		hidden = append(hidden, e.model.Must("proc/tasks/task/cmdline"), e.model.Must("proc/tasks/task/io"))
	}
	if !e.o.Expose.Cgroups {
		hidden = append(hidden, e.model.Must("proc/tasks/task/cgroup"))
	}
	return hidden
}

// proc returns a path below the proc root.
func (e *Engine) proc(path string) string { return below(e.o.ProcRoot, path) }

// prompt returns a file below the proc root that the kernel answers at once, unless
// the root is something else.
func (e *Engine) prompt(path string, size int, kind reread.Kind) *reread.File {
	if e.kernels {
		return reread.NewPrompt(e.proc(path), size, kind)
	}
	return reread.New(e.proc(path), size, kind)
}

// ProcPath returns the path of a file of the proc root.
func (e *Engine) ProcPath(path string) string { return e.proc(path) }

// SysPath returns the path of a file of the root of sysfs.
func (e *Engine) SysPath(path string) string { return e.sys(path) }

// ProcFile returns a file of the proc root for which the kernel never waits.
func (e *Engine) ProcFile(path string, size int, kind reread.Kind) *reread.File {
	return e.prompt(path, size, kind)
}

// procDir returns the proc root.
func (e *Engine) procDir() *reread.Dir {
	if e.kernels {
		return reread.NewPromptDir(e.o.ProcRoot)
	}
	return reread.NewDir(e.o.ProcRoot)
}

// sys returns a path below the sys root.
func (e *Engine) sys(path string) string { return below(e.o.SysRoot, path) }

// root returns a path below the root.
func (e *Engine) root(path string) string { return below(e.o.Root, path) }

func below(root, path string) string {
	return strings.TrimRight(root, "/") + "/" + strings.TrimLeft(path, "/")
}
