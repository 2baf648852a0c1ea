// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import "time"

// Progress tells how far a mirror has come.
type Progress struct {
	Through uint64        `json:"through"` // last index of the feed that the target has
	Batches uint64        `json:"batches"`
	Created uint64        `json:"created"` // objects
	Copied  uint64        `json:"copied"`  // bytes
	Retry   int           `json:"retry"`   // names that could not have their place yet
	Staged  int           `json:"staged"`  // objects that are parked
	Trouble int           `json:"trouble"` // names that the target cannot have, and objects that fail
	Lag     time.Duration `json:"lag"`     // age of the last record that the target has; 0: it has all

	Amid bool `json:"amid,omitempty"` // a batch is under way: what it made is not in through yet

	// Of directories that are copied or compared, beside what the feed tells:
	Directories int    `json:"directories"` // whose names are still to be looked at
	Looked      uint64 `json:"looked"`      // names that were looked at there
}

// report tells whoever wants to know how far it has come.
func (m *Mirror) report(last time.Time, more bool) {
	p := m.progress()
	if more && !last.IsZero() {
		p.Lag = time.Since(last)
	}
	m.show(p)
}

// showEvery is how often a long batch shows how far it has come.
const showEvery = time.Second

// reportAmid is report in the middle of a batch.
func (m *Mirror) reportAmid() error {
	if time.Since(m.shown) < showEvery {
		return nil
	}
	p := m.progress()
	p.Lag, p.Amid = m.last.Lag, true
	m.show(p)
	return m.tell(false)
}

func (m *Mirror) progress() Progress {
	return Progress{
		Through: m.st.through, Batches: m.count.batches, Created: m.count.created, Copied: m.count.copied,
		Retry: len(m.retry), Staged: len(m.st.staged), Trouble: len(m.Troubles()),
		Directories: len(m.surveys.stack), Looked: m.count.looked,
	}
}

func (m *Mirror) show(p Progress) {
	m.last, m.shown, m.teller.unsaid = p, time.Now(), true
	if m.opts.Progress != nil {
		m.opts.Progress(p)
	}
}
