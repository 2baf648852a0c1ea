// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gdamore/tcell/v2"

	"github.com/weir-io/weir/internal/hoststat/table"
)

// shown is a screen that tells when it has been drawn.
type shown struct {
	tcell.SimulationScreen
	first chan struct{}
	once  sync.Once
	ended atomic.Bool
}

func (s *shown) Show() {
	s.SimulationScreen.Show()
	s.once.Do(func() { close(s.first) })
}

func (s *shown) Fini() {
	s.ended.Store(true)
	s.SimulationScreen.Fini()
}

// Run ends by a key, by its context and by a count, and leaves the terminal.
func TestRun(t *testing.T) {
	c := cluster(t)
	view, _ := table.ViewByName("load")
	for name, end := range map[string]func(s *shown, cancel func()){
		"key":     func(s *shown, _ func()) { s.InjectKey(tcell.KeyRune, 'q', tcell.ModNone) },
		"context": func(_ *shown, cancel func()) { cancel() },
	} {
		s := &shown{SimulationScreen: tcell.NewSimulationScreen("UTF-8"), first: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Run(ctx, s, c, Options{View: view}) }() // received below
		<-s.first
		end(s, cancel)
		if err := <-ended; err != nil || !s.ended.Load() {
			t.Errorf("%s: %v, terminal restored: %v", name, err, s.ended.Load())
		}
		cancel()
	}
}

// broken is a screen that cannot be drawn.
type broken struct{ shown }

func (b *broken) Show() { panic("no ink") }

// The terminal is restored before a panic is told.
func TestPanicRestoresTheTerminal(t *testing.T) {
	c := cluster(t)
	view, _ := table.ViewByName("load")
	b := &broken{shown{SimulationScreen: tcell.NewSimulationScreen("UTF-8")}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = Run(t.Context(), b, c, Options{View: view})
	}()
	if !b.ended.Load() {
		t.Error("the terminal was left as it was")
	}
}
