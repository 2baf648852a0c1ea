// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"fmt"
	"strconv"
	"time"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// cpuinfoAge is for how long /proc/cpuinfo is not read again: it takes longer with
// each CPU, and nothing in it changes but clocks, and CPUs that come and go.
const cpuinfoAge = 10 * time.Second

// cpuinfoReader reads /proc/cpuinfo.
type cpuinfoReader struct {
	engine *Engine
	file   *reread.File
	errs   sourceErrors

	cpuinfo, processor xmlsysd.NodeID
	leaves             []cpuLeaf // in the order of the elements

	at   time.Time // when it was read
	list []processor
}

// cpuLeaf is a line that makes a leaf.
type cpuLeaf struct {
	key  string
	node xmlsysd.NodeID
}

// processor is a CPU with the texts of its leaves; nil: it has none.
type processor struct {
	id    []byte
	texts [][]byte
}

// cpuKeys are the kernel's keys and the tags. ARM has those of the second half.
var cpuKeys = [...][2]string{
	{"vendor_id", "vendor_id"},
	{"cpu family", "family"},
	{"model", "model_num"},
	{"model name", "model_name"},
	{"cpu MHz", "clock"},
	{"cache size", "cachesize"},
	{"stepping", "stepping"},
	{"microcode", "microcode"},
	{"physical id", "physical_id"},
	{"core id", "core_id"},
	{"CPU implementer", "implementer"},
	{"CPU architecture", "architecture"},
	{"CPU variant", "variant"},
	{"CPU part", "part"},
	{"CPU revision", "revision"},
}

// Places in cpuKeys of what is not the text of its line.
const (
	cpuClock = 4
	cpuCache = 5
)

func newCPUInfoReader(e *Engine) reader {
	const at = "proc/cpuinfo"
	c := &cpuinfoReader{
		engine: e, file: reread.New(e.proc("cpuinfo"), largeSize, reread.Pieces),
		cpuinfo: e.model.Must(at), processor: e.model.Must(at + "/processor"),
	}
	for _, k := range cpuKeys {
		c.leaves = append(c.leaves, cpuLeaf{k[0], e.model.Must(at + "/processor/" + k[1])})
	}
	return c
}

func (c *cpuinfoReader) close() { c.file.Close() }

func (c *cpuinfoReader) read(r *request) error {
	if c.list == nil || r.now.Sub(c.at) >= cpuinfoAge {
		text, err := c.file.Read()
		if err != nil {
			return c.errs.of(c.file.Path(), err)
		}
		r.bytes += len(text)
		c.list, c.at = c.parseCPUInfo(text), r.now
		c.addClocks()
	}
	t := r.tape
	t.Open(c.cpuinfo, stampOf(c.at))
	defer t.Close()
	for i := range c.list {
		p := &c.list[i]
		t.Open(c.processor, xmlsysd.Stamp{}, p.id)
		for k, text := range p.texts {
			if text != nil {
				t.Leaf(c.leaves[k].node, text)
			}
		}
		t.Close()
	}
	return nil
}

// parseCPUInfo reads lines "cpu MHz\t\t: 801.824"; one with the key processor
// begins a CPU. What a kernel of another architecture says otherwise is left out.
func (c *cpuinfoReader) parseCPUInfo(text []byte) []processor {
	list := make([]processor, 0, len(c.list))
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, value, ok := cutColon(line)
		if !ok {
			continue
		}
		value = trim(value)
		if string(key) == "processor" && digits(value) {
			list = append(list, processor{id: clone(value), texts: make([][]byte, len(c.leaves))})
			continue
		}
		if len(list) > 0 {
			c.take(&list[len(list)-1], key, value)
		}
	}
	return list
}

// take keeps the text of a line.
func (c *cpuinfoReader) take(p *processor, key, value []byte) {
	if string(key) == "clock" { // of POWER: 2166.000000MHz
		key, value = []byte("cpu MHz"), value[:max(0, len(value)-len("MHz"))]
	}
	for k := range c.leaves {
		if c.leaves[k].key != string(key) {
			continue
		}
		switch k {
		case cpuCache: // 512 KB
			value, _ = cutWord(value)
			fallthrough
		case cpuClock:
			if !isNumber(value) {
				return
			}
		}
		p.texts[k] = clone(value)
		return
	}
}

// addClocks takes clocks from the frequency governor where there is one: that of
// /proc/cpuinfo is a measurement on some CPUs, and missing on others.
func (c *cpuinfoReader) addClocks() {
	var room []byte
	for i := range c.list {
		p := &c.list[i]
		path := c.engine.sys(fmt.Sprintf("devices/system/cpu/cpu%s/cpufreq/scaling_cur_freq", p.id))
		var err error
		if room, err = reread.Read(0, path, room); err != nil {
			continue
		}
		if kHz, ok := number(trimEnd(room)); ok {
			p.texts[cpuClock] = strconv.AppendFloat(nil, float64(kHz)/1000, 'f', 3, 64)
		}
	}
}

func clone(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }
