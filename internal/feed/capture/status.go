// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"maps"
	"time"

	"github.com/weir-io/weir/changelog"
)

// States of a source.
const (
	StateActive  = "active"
	StateAbsent  = "absent"  // not mounted
	StateStalled = "stalled" // the journal cannot be written
)

// Status is what is known of a source.
type Status struct {
	UUID    string `json:"uuid"`
	Dir     string `json:"dir"`
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Problem string `json:"problem,omitempty"`

	Unread   int               `json:"unread"` // events in the kernel's queue
	Scanning bool              `json:"scanning"`
	Scans    uint64            `json:"scans"`
	Events   uint64            `json:"events"`
	Records  map[string]uint64 `json:"records"` // by type
	Merged   uint64            `json:"merged"`
	Synth    uint64            `json:"synthetic"`
	Seen     uint64            `json:"seen"`    // events that told nothing new
	Dropped  uint64            `json:"dropped"` // records within mtime_interval
	Lookups  uint64            `json:"lookups"`
	Gaps     uint64            `json:"gaps"`
	Commits  uint64            `json:"commits"`
	Commit   time.Duration     `json:"commit_time"` // in all, in nanoseconds

	GapReasons map[string]uint64 `json:"gap_reasons"` // gaps by reason
	By         map[string]uint64 `json:"by"`          // records by how it was found who did it
	Scanned    uint64            `json:"scanned"`     // entries that ended scans have looked at
	ScanTime   time.Duration     `json:"scan_time"`   // of ended scans, in nanoseconds
	LastScan   *ScanResult       `json:"last_scan,omitempty"`
	First      uint64            `json:"first"` // record that the journal has
	Last       uint64            `json:"last"`
	Bytes      int64             `json:"bytes"` // of the journal's records, about
}

// ScanResult is what a scan has found.
type ScanResult struct {
	ID          uint64        `json:"id"` // counts the agent's scans of the source
	Entries     uint64        `json:"entries"`
	Differences uint64        `json:"differences"`
	Time        time.Duration `json:"time"` // that it took, in nanoseconds
	Ended       time.Time     `json:"ended"`
}

// counts are what the worker counts.
type counts struct {
	events, seen, dropped, masked, gone, unknown, contradicted uint64
	synthetic, merged, lookups, gaps, commits                  uint64
	commitTime                                                 time.Duration
	records                                                    [32]uint64
	by                                                         [int(changelog.ByOwner) + 1]uint64
	reasons                                                    map[string]uint64 // replaced, not changed: others read it
	scanned                                                    uint64
	scanTime                                                   time.Duration
	lastScan                                                   *ScanResult // replaced, not changed
}

// countGap counts a gap by its reason.
func (c *counts) countGap(reason string) {
	reasons := make(map[string]uint64, len(c.reasons)+1)
	maps.Copy(reasons, c.reasons)
	reasons[reason]++
	c.reasons = reasons
}

// publish lets others see what the worker has counted.
func (w *worker) publish() {
	c := &w.count
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	st := &w.s.status
	st.Dir, st.Unread, st.Scanning, st.Scans = w.disk.dir, w.unread, w.scan != nil || w.scanDue, w.scans
	if st.State != StateStalled {
		st.State = StateActive
		if !w.present {
			st.State = StateAbsent
		}
	}
	st.Events, st.Merged, st.Synth, st.Seen, st.Dropped = c.events, c.merged, c.synthetic, c.seen, c.dropped
	st.Lookups, st.Gaps, st.Commits, st.Commit = c.lookups, c.gaps, c.commits, c.commitTime
	st.Scanned, st.ScanTime, st.LastScan = c.scanned, c.scanTime, c.lastScan
	w.s.records, w.s.by, w.s.reasons = c.records, c.by, c.reasons
}

// Status returns what is known of the source.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Records = map[string]uint64{}
	for t, n := range s.records {
		if n > 0 {
			st.Records[changelog.Type(t).String()] = n
		}
	}
	st.By, st.GapReasons = map[string]uint64{}, maps.Clone(s.reasons)
	for by, n := range s.by {
		st.By[changelog.By(by).String()] = n
	}
	if st.GapReasons == nil {
		st.GapReasons = map[string]uint64{}
	}
	st.First, st.Last = s.journal.Bounds()
	st.Bytes = s.journal.BytesFrom(st.First)
	return st
}
