// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// sysfsReader has what readers of small files below /sys share.
type sysfsReader struct {
	room []byte
}

// value reads a file of one line. It reports false where there is none, or where
// the hardware does not answer.
func (s *sysfsReader) value(r *request, path string) ([]byte, bool) {
	b, err := reread.Read(0, path, s.room)
	if cap(b) > cap(s.room) {
		s.room = b[:cap(b)]
	}
	if err != nil {
		return nil, false
	}
	r.bytes += len(b)
	b = trimEnd(b)
	return b, len(b) > 0
}

// leaf adds a leaf of a file's text.
func (s *sysfsReader) leaf(r *request, n xmlsysd.NodeID, path string) {
	if b, ok := s.value(r, path); ok {
		r.tape.Leaf(n, b)
	}
}

// scaledLeaf adds a leaf of a file's number, which counts parts of the unit.
func (s *sysfsReader) scaledLeaf(r *request, n xmlsysd.NodeID, path string, unit int64) {
	b, ok := s.value(r, path)
	if !ok {
		return
	}
	if v, ok := integer(b); ok {
		var room [32]byte
		r.tape.Leaf(n, scaled(room[:0], v, unit))
	}
}

// numbered lists the directories that begin with a prefix and end in a number, by
// number.
func numbered(dir, prefix string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || len(digits) > 9 {
			continue
		}
		if n, err := strconv.ParseUint(digits, 10, 31); err == nil && strconv.FormatUint(n, 10) == digits {
			list = append(list, int(n))
		}
	}
	slices.Sort(list)
	return list, nil
}

// thermalReader reads /sys/class/thermal.
type thermalReader struct {
	sysfsReader
	dir                    string
	thermal, zone, cooling xmlsysd.NodeID
	zoneLeaves, coolLeaves []xmlsysd.NodeID // type temp; type cur_state max_state
}

func newThermalReader(e *Engine) reader {
	const at = "system/thermal"
	m := e.model
	return &thermalReader{
		dir: e.sys("class/thermal"), thermal: m.Must(at), zone: m.Must(at + "/zone"), cooling: m.Must(at + "/cooling"),
		zoneLeaves: nodesOf(m, at+"/zone", "type", "temp"), coolLeaves: nodesOf(m, at+"/cooling", "type", "cur_state", "max_state"),
	}
}

func (t *thermalReader) read(r *request) error {
	zones, err := numbered(t.dir, "thermal_zone")
	if err != nil {
		return err
	}
	coolers, err := numbered(t.dir, "cooling_device")
	if err != nil {
		return err
	}
	if len(zones)+len(coolers) == 0 {
		return errAbsent
	}
	var room digitRoom
	r.tape.Open(t.thermal, r.at)
	defer r.tape.Close()
	for _, n := range zones {
		dir := t.dir + "/thermal_zone" + strconv.Itoa(n)
		r.tape.Open(t.zone, xmlsysd.Stamp{}, room.of(uint64(n)))
		t.leaf(r, t.zoneLeaves[0], dir+"/type")
		t.scaledLeaf(r, t.zoneLeaves[1], dir+"/temp", 1000)
		r.tape.Close()
	}
	for _, n := range coolers {
		dir := t.dir + "/cooling_device" + strconv.Itoa(n)
		r.tape.Open(t.cooling, xmlsysd.Stamp{}, room.of(uint64(n)))
		t.leaf(r, t.coolLeaves[0], dir+"/type")
		t.scaledLeaf(r, t.coolLeaves[1], dir+"/cur_state", 1)
		t.scaledLeaf(r, t.coolLeaves[2], dir+"/max_state", 1)
		r.tape.Close()
	}
	return nil
}

// cpufreqReader reads /sys/devices/system/cpu/cpufreq.
type cpufreqReader struct {
	sysfsReader
	dir             string
	cpufreq, policy xmlsysd.NodeID
	leaves          []xmlsysd.NodeID // cur min max governor driver
}

func newCPUFreqReader(e *Engine) reader {
	const at = "system/cpufreq"
	return &cpufreqReader{
		dir: e.sys("devices/system/cpu/cpufreq"), cpufreq: e.model.Must(at), policy: e.model.Must(at + "/policy"),
		leaves: nodesOf(e.model, at+"/policy", "cur", "min", "max", "governor", "driver"),
	}
}

func (c *cpufreqReader) read(r *request) error {
	policies, err := numbered(c.dir, "policy")
	if err != nil {
		return err
	}
	if len(policies) == 0 {
		return errAbsent
	}
	var room digitRoom
	r.tape.Open(c.cpufreq, r.at)
	defer r.tape.Close()
	for _, n := range policies {
		dir := c.dir + "/policy" + strconv.Itoa(n) + "/scaling_"
		r.tape.Open(c.policy, xmlsysd.Stamp{}, room.of(uint64(n)))
		for i, file := range [...]string{"cur_freq", "min_freq", "max_freq"} {
			c.scaledLeaf(r, c.leaves[i], dir+file, 1)
		}
		c.leaf(r, c.leaves[3], dir+"governor")
		c.leaf(r, c.leaves[4], dir+"driver")
		r.tape.Close()
	}
	return nil
}
