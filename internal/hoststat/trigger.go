// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"sync/atomic"
	"time"

	"github.com/weir-io/weir/internal/kernel/psi"
	"github.com/weir-io/weir/xmlsysd"
)

// Trigger is a pressure stall trigger of a reader, which is told when tasks have
// waited for a resource.
type Trigger struct {
	id     []byte
	handle *psi.Handle
	count  atomic.Uint64
	last   atomic.Int64 // when it fired, in ns since the epoch
}

// NewTrigger has the kernel tell of stalls. fired is called each time, at most once
// a window, until the trigger is closed; it must not block. The error wraps
// errors.ErrUnsupported where the kernel has no triggers.
func (e *Engine) NewTrigger(t xmlsysd.Trigger, fired func()) (*Trigger, error) {
	if !isProc(e.o.ProcRoot) {
		return nil, psi.ErrAbsent // the host is a fixture
	}
	own := &Trigger{id: []byte(t.String())}
	var err error
	own.handle, err = e.pressure.Add(psi.Trigger{Resource: t.Resource, Kind: t.Kind, Stall: t.Stall, Window: t.Window}, func() {
		own.last.Store(time.Now().UnixNano())
		own.count.Add(1)
		fired()
	})
	if err != nil {
		return nil, err
	}
	return own, nil
}

// Close ends the trigger. It must be called before the engine is closed.
func (t *Trigger) Close() { t.handle.Close() }

// ID returns the words of the trigger.
func (t *Trigger) ID() string { return string(t.id) }

// triggersReader tells how often the triggers of a query have fired.
type triggersReader struct{ node, trigger, count, age xmlsysd.NodeID }

func newTriggersReader(e *Engine) reader {
	const at = "system/triggers"
	m := e.model
	return &triggersReader{m.Must(at), m.Must(at + "/trigger"), m.Must(at + "/trigger/count"), m.Must(at + "/trigger/age")}
}

func (x *triggersReader) read(r *request) error {
	r.tape.Open(x.node, r.at)
	defer r.tape.Close()
	for _, t := range r.query.Triggers {
		n := t.count.Load()
		r.tape.Open(x.trigger, xmlsysd.Stamp{}, t.id)
		r.tape.Uint(x.count, n)
		if n > 0 {
			r.tape.Uint(x.age, uint64(max(0, r.now.UnixNano()-t.last.Load()))/uint64(time.Microsecond))
		}
		r.tape.Close()
	}
	return nil
}
