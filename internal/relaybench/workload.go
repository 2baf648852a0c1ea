// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of a [Cell]. Packets need room for their header and an event, and are
// multiples of 8 bytes as ring buffers are.
const (
	minPacketBytes = 256
	maxPacketBytes = 64 << 20
	maxSessions    = 1024
	maxStreams     = 8192 // of one session
)

// Default volumes of a run.
const (
	smallVolume = 256 << 20 // bytes, for packets of up to 4 KiB
	largeVolume = 1 << 30
)

// Cell is the shape of a load.
type Cell struct {
	Sessions    int `json:"sessions"`
	Streams     int `json:"streams"` // of each session, without the metadata stream
	PacketBytes int `json:"packet_bytes"`
}

// ParseCell reads SESSIONSxSTREAMSxBYTES, for instance 8x16x4096. Bytes may end
// in K or M.
func ParseCell(text string) (Cell, error) {
	parts := strings.Split(text, "x")
	if len(parts) != 3 {
		return Cell{}, fmt.Errorf("cell %q: got %d numbers, want SESSIONSxSTREAMSxBYTES", text, len(parts))
	}
	unit := 1
	switch {
	case strings.HasSuffix(parts[2], "K"):
		unit, parts[2] = 1<<10, strings.TrimSuffix(parts[2], "K")
	case strings.HasSuffix(parts[2], "M"):
		unit, parts[2] = 1<<20, strings.TrimSuffix(parts[2], "M")
	}
	var n [3]int
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return Cell{}, fmt.Errorf("cell %q: number %q: want digits", text, part)
		}
		n[i] = int(v)
	}
	c := Cell{n[0], n[1], n[2] * unit}
	if err := c.check(); err != nil {
		return Cell{}, fmt.Errorf("cell %q: %w", text, err)
	}
	return c, nil
}

// ParseCells reads cells separated by commas.
func ParseCells(text string) ([]Cell, error) {
	var cells []Cell
	for part := range strings.SplitSeq(text, ",") {
		c, err := ParseCell(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// String returns the form that [ParseCell] reads.
func (c Cell) String() string {
	return fmt.Sprintf("%dx%dx%d", c.Sessions, c.Streams, c.PacketBytes)
}

func (c Cell) check() error {
	switch {
	case c.Sessions < 1 || c.Sessions > maxSessions:
		return fmt.Errorf("sessions: got %d, want 1 to %d", c.Sessions, maxSessions)
	case c.Streams < 1 || c.Streams > maxStreams:
		return fmt.Errorf("streams: got %d, want 1 to %d", c.Streams, maxStreams)
	case c.PacketBytes < minPacketBytes || c.PacketBytes > maxPacketBytes || c.PacketBytes%8 != 0:
		return fmt.Errorf("packet: got %d bytes, want a multiple of 8 from %d to %d",
			c.PacketBytes, minPacketBytes, maxPacketBytes)
	}
	return nil
}

// defaultVolume returns the bytes to send in a run.
func (c Cell) defaultVolume() int64 {
	if c.PacketBytes <= 4096 {
		return smallVolume
	}
	return largeVolume
}

// IndexMode is how a producer sends its indexes.
type IndexMode string

// Index modes.
const (
	// Pipelined keeps up to 256 indexes unanswered.
	Pipelined IndexMode = "pipelined"
	// Sync waits for the reply to each index before the next packet, as the
	// consumer daemons of LTTng do.
	Sync IndexMode = "sync"
)

// ParseIndexMode reads a mode.
func ParseIndexMode(text string) (IndexMode, error) {
	switch m := IndexMode(text); m {
	case Pipelined, Sync:
		return m, nil
	}
	return "", fmt.Errorf("index mode: got %q, want %s or %s", text, Pipelined, Sync)
}

// Workload is one line of a benchmark.
type Workload struct {
	Cell
	Index       IndexMode `json:"index"`
	Viewers     int       `json:"viewers"`      // of each session
	VolumeBytes int64     `json:"volume_bytes"` // of all sessions; 0 = 256 MiB up to 4 KiB packets, else 1 GiB

	Live   bool `json:"live,omitempty"`   // viewers from outside may attach
	Events int  `json:"events,omitempty"` // of each packet, padding fills the rest; 0 = as many as fit
}

// String returns the cell, the index mode and the viewers.
func (w Workload) String() string {
	text := w.Cell.String() + " " + string(w.Index)
	if w.Viewers > 0 {
		text += fmt.Sprintf(" viewers=%d", w.Viewers)
	}
	return text
}

// withDefaults fills in what is zero.
func (w Workload) withDefaults() Workload {
	if w.Index == "" {
		w.Index = Pipelined
	}
	if w.VolumeBytes == 0 {
		w.VolumeBytes = w.defaultVolume()
	}
	return w
}

// sessionPackets returns the packets each session sends, at least one.
func (w Workload) sessionPackets() int {
	return int(max(1, w.VolumeBytes/int64(w.PacketBytes)/int64(w.Sessions)))
}

// streamPackets returns the packets that stream i of a session sends: the
// streams take turns, so the first ones may send one more.
func (w Workload) streamPackets(i int) int {
	n := w.sessionPackets()
	packets := n / w.Streams
	if i < n%w.Streams {
		packets++
	}
	return packets
}

// Suite returns the workloads of the published table: all cells pipelined, the
// synchronous ones, and pairs without and with a live viewer.
func Suite() []Workload {
	var all []Workload
	for _, sessions := range []int{1, 8} {
		for _, streams := range []int{1, 16, 256} {
			for _, packet := range []int{4 << 10, 64 << 10, 1 << 20} {
				all = append(all, Workload{Cell: Cell{sessions, streams, packet}, Index: Pipelined})
			}
		}
	}
	for _, sessions := range []int{1, 8} {
		all = append(all, Workload{Cell: Cell{sessions, 16, 4 << 10}, Index: Sync})
	}
	for _, sessions := range []int{1, 8} {
		for _, packet := range []int{4 << 10, 64 << 10, 1 << 20} {
			all = append(all, Workload{Cell: Cell{sessions, 16, packet}, Index: Pipelined, Viewers: 1})
		}
	}
	return all
}

// QuickSuite returns a small sample of [Suite] with a smaller volume.
func QuickSuite() []Workload {
	const volume = 64 << 20
	return []Workload{
		{Cell: Cell{1, 16, 4 << 10}, Index: Pipelined, VolumeBytes: volume},
		{Cell: Cell{8, 16, 4 << 10}, Index: Pipelined, VolumeBytes: volume},
		{Cell: Cell{8, 256, 64 << 10}, Index: Pipelined, VolumeBytes: 4 * volume},
		{Cell: Cell{1, 16, 4 << 10}, Index: Sync, VolumeBytes: volume},
		{Cell: Cell{1, 16, 4 << 10}, Index: Pipelined, Viewers: 1, VolumeBytes: volume},
	}
}
