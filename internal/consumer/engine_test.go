// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"slices"
	"testing"

	"github.com/weir-io/weir/internal/handover"
)

// fakeSource notes what it is told.
type fakeSource struct{ told []string }

func (f *fakeSource) note(what string) error {
	f.told = append(f.told, what)
	return nil
}

func (f *fakeSource) start() error                   { return f.note("start") }
func (f *fakeSource) hold() error                    { return f.note("hold") }
func (f *fakeSource) stop() error                    { return f.note("stop") }
func (f *fakeSource) goOn() error                    { return f.note("go on") }
func (f *fakeSource) tell() (bool, error)            { return false, nil }
func (f *fakeSource) tellAll() error                 { return nil }
func (f *fakeSource) account(*handover.StreamStatus) {}
func (f *fakeSource) wake()                          {}
func (f *fakeSource) setHung(bool)                   {}
func (f *fakeSource) close() error                   { return nil }

// TestPauseHolds has a consumer that is paused hold its streams whether it runs or
// has been stopped with packets that wait for room: outputs are changed without
// another word to them.
func TestPauseHolds(t *testing.T) {
	for name, c := range map[string]struct {
		running bool
		want    []string
	}{
		"running": {true, []string{"hold", "start"}},
		"stopped": {false, []string{"hold", "go on"}},
	} {
		f := new(fakeSource)
		e := &engine{running: c.running, out: nowhere{}, streams: []*stream{{source: f}}}
		if err := e.pause(handover.Pause{}, nil); err != nil {
			t.Fatal(err)
		}
		if err := e.whileHeld(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := e.resume(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.told, c.want) {
			t.Errorf("%s: the source was told %q, want %q", name, f.told, c.want)
		}
	}
}
