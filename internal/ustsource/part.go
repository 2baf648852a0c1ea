// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
	"github.com/weir-io/weir/internal/handover"
	"github.com/weir-io/weir/internal/source"
	"github.com/weir-io/weir/internal/traceclock"
	"github.com/weir-io/weir/internal/ust/wire"
)

// owner is whose rings and trace are: as with LTTng each user has some of their own, for all
// of their programs, or each program has.
type owner struct {
	uid uint32
	p   *program // nil: the user
}

// owner is whose a program's events are. The caller holds trace.mu.
func (t *trace) owner(p *program) owner {
	if t.byProgram {
		return owner{p.uid, p}
	}
	return owner{uid: p.uid}
}

// part is the trace of an owner.
type part struct {
	// Immutable.
	t     *trace
	of    owner
	place string // below that of the domain
	uuid  [16]byte

	// Guarded by trace.mu.
	builder  *ctf.Builder
	enums    []*enum
	spare    *class        // that no rings could be made for
	declared []declaration // in the order of the metadata
	text     int           // of them, whose text was returned
	began    bool          // the text of the trace was
	told     int           // bytes that programs have declared
	ended    bool          // the program is gone
}

// declaration is something that the metadata tells.
type declaration func(text []byte) ([]byte, error)

// part returns the trace of an owner, which is there then. The caller holds trace.mu.
func (t *trace) part(o owner) *part {
	if p := t.parts[o]; p != nil {
		return p
	}
	var uuid [16]byte
	rand.Read(uuid[:])
	return t.addPart(o, uuid)
}

// addPart begins the trace of an owner. The caller holds trace.mu.
func (t *trace) addPart(o owner, uuid [16]byte) *part {
	p := &part{t: t, of: o, uuid: uuid, place: fmt.Sprintf("%d/64-bit", o.uid)}
	if o.p != nil {
		p.place = t.placeOf(o.p)
	}
	p.builder = ctf.NewBuilder(ctf.BuilderOptions{
		UUID: uuid, Clock: traceclock.Declare(traceclock.Mono, traceclock.Measure(unix.CLOCK_MONOTONIC)), Env: env(t.info, o),
	})
	t.parts[o] = p
	t.order = append(t.order, p)
	return p
}

// handle is by which the consumer knows the trace.
func (p *part) handle() handover.Part { return handover.Part{Place: p.place, UUID: p.uuid} }

// shows reports whether there is something of the trace for others: that of a program that
// has declared nothing may never have any. The caller holds trace.mu.
func (p *part) shows() bool { return p.of.p == nil || len(p.declared) > 0 }

// declare has the metadata tell something. The caller holds trace.mu.
func (p *part) declare(d declaration) {
	p.declared = append(p.declared, d)
	p.t.declared++
}

// Texts implements source.Split.
func (t *trace) Texts(anew bool) (texts []source.Text, err error) {
	var now *schema.Clock
	if anew { // it is measured, which takes longer than all the rest of what is new
		now = traceclock.Declare(traceclock.Mono, traceclock.Measure(unix.CLOCK_MONOTONIC))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.order {
		if !p.shows() {
			continue
		}
		if anew {
			c := p.builder.Trace().Clocks[0]
			c.OffsetSeconds, c.OffsetCycles = now.OffsetSeconds, now.OffsetCycles
			p.text, p.began = 0, false
		}
		b, err := p.metadata()
		if err != nil {
			return texts, err
		}
		if len(b) > 0 {
			texts = append(texts, source.Text{Part: p.handle(), Text: b})
		}
	}
	return texts, nil
}

// metadata returns the text that was not returned before. The caller holds trace.mu.
func (p *part) metadata() (b []byte, err error) {
	if !p.began {
		if b, err = tsdl.AppendTrace(b, p.builder.Trace()); err != nil {
			return nil, err
		}
		p.began = true
	}
	for ; p.text < len(p.declared); p.text++ {
		if b, err = p.declared[p.text](b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Metadata implements source.Trace. There are several texts, which [trace.Texts] returns.
func (t *trace) Metadata() ([]byte, error) { return nil, errSplit }

// Regenerate implements source.Trace.
func (t *trace) Regenerate() ([]byte, error) { return nil, errSplit }

// class is a stream class: the events of an owner in a channel.
type class struct {
	stream   *streamClass
	contexts *string // as the first program has declared them; nil: none has
	events   map[string]uint32
}

// enum is an enumeration that a program has declared.
type enum struct {
	key      string
	mappings []schema.Mapping // that all fields of it share
	size     int              // of their text, about
}

// rangeSize is about how much text a range of an enumeration is, but for its label.
const rangeSize = 32

func newEnum(key string, entries []wire.EnumEntry) *enum {
	e := &enum{key: key, mappings: mappings(entries)}
	for i := range entries {
		e.size += len(entries[i].Label) + rangeSize
	}
	return e
}

// afford counts bytes that a user's programs declare, and reports whether they may. The
// caller holds trace.mu.
func (p *part) afford(n int) bool {
	if p.t.told[p.of.uid]+n > maxTold {
		return false
	}
	p.t.told[p.of.uid] += n
	p.told += n
	return true
}

// declareEnum gives an enumeration a number.
func (t *trace) declareEnum(of *program, name string, raw []byte, entries []wire.EnumEntry) (uint64, bool) {
	key := name + "\x00" + string(raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.part(t.owner(of))
	for i, e := range p.enums {
		if e.key == key {
			return uint64(i), true
		}
	}
	if len(p.enums) >= maxEnums || !p.afford(len(raw)) {
		return 0, false
	}
	p.enums = append(p.enums, newEnum(key, entries))
	return uint64(len(p.enums) - 1), true
}
