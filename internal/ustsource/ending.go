// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ustsource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// placesKept is how long the place of a program's trace is known to be taken: by then no
// other program can have come in the same second.
const placesKept = time.Minute

// placeOf is the place of a program's trace, as LTTng's: by name, number and the second in
// which the program has come. One that has begun anew in the same second, as others do by
// exec, has another. The caller holds trace.mu.
func (t *trace) placeOf(p *program) string {
	maps.DeleteFunc(t.places, func(_ string, came time.Time) bool { return p.came.Sub(came) > placesKept })
	name := strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' {
			return '_'
		}
		return r
	}, p.name)
	first := fmt.Sprintf("%s-%d-%s", name, p.pid, p.came.Format("20060102-150405"))
	place := first
	for n := 1; !t.places[place].IsZero(); n++ {
		place = fmt.Sprintf("%s-%d", first, n)
	}
	t.places[place] = p.came
	return place
}

// endPart takes note that a program is gone, if it has a trace of its own: that is over once
// the consumer has it.
func (t *trace) endPart(p *program) {
	t.mu.Lock()
	part := t.parts[owner{p.uid, p}]
	if part == nil {
		t.mu.Unlock()
		return
	}
	part.ended = true
	var err error
	if !part.shows() { // nor has it recorded anything
		err = t.drop(part)
	}
	t.mu.Unlock()
	if err != nil {
		t.s.log.Warn("rings of a program are not freed", "place", part.place, "err", err)
	}
	t.ask()
}

// Ended implements source.Ending.
func (t *trace) Ended() (all []handover.Part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.order {
		if p.ended && p.text == len(p.declared) && !slices.ContainsFunc(t.channels, func(c *channel) bool {
			b := c.rings[p.of]
			return b != nil && !b.told
		}) {
			all = append(all, p.handle())
		}
	}
	return all
}

// Forget implements source.Ending.
func (t *trace) Forget(of handover.Part) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.order, func(p *part) bool { return p.handle() == of })
	if i < 0 || !t.order[i].ended {
		return fmt.Errorf("domain ust: trace %s has not ended", of.Place)
	}
	return t.drop(t.order[i])
}

// drop frees the rings of a part, and forgets it. The caller holds trace.mu.
func (t *trace) drop(p *part) (err error) {
	for _, c := range t.channels {
		if b := c.rings[p.of]; b != nil {
			err = errors.Join(err, b.close())
			delete(c.rings, p.of)
		}
	}
	delete(t.parts, p.of)
	t.order = slices.DeleteFunc(t.order, func(o *part) bool { return o == p })
	if t.told[p.of.uid] -= p.told; t.told[p.of.uid] == 0 {
		delete(t.told, p.of.uid)
	}
	return err
}
