// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"time"
)

// Stop is why a mirror has stopped, for good until somebody has it go on: others have
// changed its target. It is stored, since what they did may not show any more when the
// mirror is started again.
type Stop struct {
	Path  []byte    `json:"path"` // that was changed
	What  string    `json:"what"`
	Since time.Time `json:"since"`
}

func (s *Stop) err() *ChangedError {
	return &ChangedError{Path: string(s.Path), What: s.What, Since: s.Since}
}

// stop writes down why the mirror stops, if err is that others have changed the target.
func (m *Mirror) stop(err error) error {
	var changed *ChangedError
	if !errors.As(err, &changed) || m.st == nil || m.st.stopped != nil {
		return err
	}
	why := &Stop{[]byte(changed.Path), changed.What, time.Now().UTC().Truncate(time.Second)}
	m.teller.unsaid = true
	return errors.Join(err, m.st.stop(context.Background(), why))
}

// takeOver is the last change by others that was taken over.
type takeOver struct {
	path    string
	batches uint64 // done by then
	times   int    // since a batch was done
}

// mostTakenOver is how many changes by others are taken over for one batch. Those at all its
// names are taken over with the first.
const mostTakenOver = 1000

// takingOver does something, again where others have changed the target and that is to be
// replaced.
func (m *Mirror) takingOver(ctx context.Context, do func() error) error {
	for {
		err := do()
		var changed *ChangedError
		if !errors.As(err, &changed) {
			return err
		}
		this := takeOver{changed.Path, m.count.batches, 1}
		if this.batches == m.taken.batches {
			this.times += m.taken.times
		}
		again := this.times > 1 && this.path == m.taken.path // it cannot be replaced
		if !m.opts.TakeOver || again || this.times > mostTakenOver {
			return m.stop(err)
		}
		m.taken = this
		if err := m.replace(ctx, changed); err != nil {
			return m.stop(err)
		}
	}
}

// replace has what others have changed at a name taken for the mirror's: begun from what
// was committed, as after a crash, what does not belong there is removed.
func (m *Mirror) replace(ctx context.Context, changed *ChangedError) error {
	m.log.Warn("others have changed the target; that is replaced", "path", changed.Path, "what", changed.What)
	m.dst.forget()
	m.st.forget()
	if err := m.st.load(); err != nil {
		return err
	}
	if n := changed.at; n.name != "" && n.parent != stageDir {
		if err := m.st.intend(ctx, []name{n}); err != nil {
			return err
		}
	}
	same, err := m.identify()
	if err != nil {
		return err
	}
	return m.resume(ctx, same)
}
