// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/xmlsysd"
)

// parser reads a text as a section does.
type parser struct {
	name  string
	files []string // of /proc whose texts it is for
	seeds []string
	parse func(e *Engine, r *request, text []byte) error
}

// parserOf is the parser of a section that is one text.
func parserOf(path string, seeds ...string) parser {
	return parser{path, []string{"/" + path}, seeds, func(e *Engine, r *request, text []byte) error {
		return e.sectionOf(path).reader.(interface {
			parser() func(*request, []byte) error
		}).parser()(r, text)
	}}
}

func (t *textReader) parser() func(*request, []byte) error { return t.parse }

// parsers are all of the package.
var parsers = []parser{
	parserOf("proc/stat", manyCPUs(3, 1)),
	parserOf("proc/meminfo", meminfoText),
	parserOf("proc/net/dev", netDevText),
	parserOf("proc/net/sockstat", sockstatText),
	parserOf("proc/net/sockstat6", "TCP6: inuse 1\nFRAG6: inuse 0 memory 0\n"),
	parserOf("proc/net/snmp", snmpText),
	parserOf("proc/net/snmp6", "Ip6InReceives 1\nIp6 x\n"),
	parserOf("proc/net/netstat", "TcpExt: A B\nTcpExt: 1 2\nMPTcpExt: C\nMPTcpExt: 3\n"),
	parserOf("proc/net/softnet_stat", softnetOld+"\n"+softnetNew),
	parserOf("proc/loadavg", "0.21 0.05 0.02 3/97 4711\n"),
	parserOf("proc/uptime", "1.00 2.00\n"),
	parserOf("proc/diskstats", diskstatsText),
	parserOf("proc/interrupts", manyInterrupts(3, 3)),
	parserOf("proc/softirqs", "      CPU0 CPU1\n  HI: 1 2\n"),
	parserOf("proc/schedstat", schedText),
	parserOf("proc/swaps", swapsText),
	parserOf("proc/mdstat", mdstatText),
	{"vmstat", []string{"/proc/vmstat"}, []string{"pgpgin 1\npgpgout 2\npswpin 3\npswpout 4\n"}, func(e *Engine, r *request, text []byte) error {
		v := e.sectionOf("proc/vmstat").reader.(*vmstatReader)
		v.text, v.whole, v.vmText.at = text, true, r.now
		v.vmText.interval = time.Hour
		_, _ = v.paging(r)
		return v.read(r)
	}},
	{"cpuinfo", []string{"/proc/cpuinfo"}, []string{x86Text, armText}, func(e *Engine, r *request, text []byte) error {
		c := e.sectionOf("proc/cpuinfo").reader.(*cpuinfoReader)
		c.list, c.at = c.parseCPUInfo(text), r.now
		return c.read(r)
	}},
	{"pressure", []string{"/proc/pressure/cpu"}, []string{pressureText}, func(e *Engine, r *request, text []byte) error {
		return e.sectionOf("proc/pressure").reader.(*pressureReader).resources[0].add(r.tape, r.at, text)
	}},
	{"sysvipc", []string{"/proc/sysvipc/shm"}, []string{ipcText}, func(_ *Engine, _ *request, text []byte) error { sumIPC(text); return nil }},
	{"mounts", []string{"/proc/self/mountinfo"}, []string{mountText}, func(_ *Engine, _ *request, text []byte) error { parseMounts(text, nil); return nil }},
	{"task", []string{"/proc/self/stat"}, []string{taskText}, func(_ *Engine, _ *request, text []byte) error { parseTask(text); return nil }},
	{"utmp", nil, []string{utmp(7, "pts/0")}, func(_ *Engine, _ *request, text []byte) error {
		eachRecord(text, func(b []byte) { parseRecord(b) })
		parseSession("x", text)
		return nil
	}},
	{"node", nil, []string{"Node 0 MemTotal: 16 kB\n"}, func(e *Engine, r *request, text []byte) error {
		n := e.sectionOf("system/numa").reader.(*numaReader)
		r.tape.Open(n.meminfo.parent, xmlsysd.Stamp{})
		n.meminfo.addNodeLines(r.tape, text)
		r.tape.Close()
		return nil
	}},
	{"cmdline", []string{"/proc/self/cmdline", "/proc/self/cgroup"}, []string{"a\x00b\x00"}, func(_ *Engine, _ *request, text []byte) error {
		cmdline(nil, text)
		cgroupOf(text)
		unescape(nil, text)
		cutSensor(string(text))
		return nil
	}},
	{"raw", nil, []string{"a b\n\nc\td"}, func(e *Engine, r *request, text []byte) error {
		e.sectionOf("proc/file").reader.(*rawReader).addLines(r.tape, r.at, "/proc/x", text)
		return nil
	}},
}

const taskText = "7 (a) S 1)\n<\x01\xff) S 1 2 3 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 5 0 900 1000 25 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0\n"

// run parses a text, and checks the tape.
func (p *parser) run(t testing.TB, e *Engine, text []byte) {
	t.Helper()
	now := time.Now()
	r := request{tape: new(xmlsysd.Tape), at: stampOf(now), now: now, need: 0xff}
	if err := p.parse(e, &r, text); err != nil && !isParse(err) {
		t.Errorf("%s: %q gave %v", p.name, text, err)
	}
	flat(t, e.model, r.tape)
}

// texts are the seeds, and the files of this host.
func (p *parser) texts() []string {
	list := slices.Clone(p.seeds)
	for _, path := range p.files {
		if b, err := os.ReadFile(path); err == nil {
			list = append(list, string(b))
		}
	}
	return list
}

// A file that ends anywhere gives what is before its end, and no more.
func TestCutAtEveryByte(t *testing.T) {
	const enough = 6000 // of a long file
	for _, p := range parsers {
		t.Run(strings.ReplaceAll(p.name, "/", "-"), func(t *testing.T) {
			e := files{}.engine(t)
			for _, text := range p.texts() {
				text = text[:min(len(text), enough)]
				for i := range len(text) + 1 {
					p.run(t, e, []byte(text[:i]))
				}
			}
		})
	}
}

func FuzzParsers(f *testing.F) {
	for i, p := range parsers {
		for _, text := range p.texts() {
			f.Add(uint8(i), []byte(text))
		}
	}
	e := files{}.engine(f)
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		p := &parsers[int(which)%len(parsers)]
		p.run(t, e, text)
	})
}

func FuzzRawPatterns(f *testing.F) {
	for _, p := range []string{"sys/vm/*", "/sys/class/net/*/mtu", "**", "../x", "self/**", "/proc/[0-9]*/stat", "a//b"} {
		f.Add(p)
	}
	e := files{"proc/sys/vm/swappiness": "60\n", "proc/1/stat": "x", "host/secret": "x"}.engine(f)
	f.Fuzz(func(t *testing.T, pattern string) {
		s := e.NewSession()
		defer s.Close()
		samples := s.Sample(t.Context(), within(e.model, "proc/file"), &Query{Raw: []xmlsysd.RawRule{{On: true, Pattern: pattern}}})
		defer samples.Release()
		for _, p := range samples.Parts() {
			for _, x := range flat(t, e.model, p.Tape) {
				if strings.Contains(x.path, "secret") || strings.Contains(x.path, "/1/stat") {
					t.Errorf("%q: %s", pattern, x.path)
				}
			}
		}
	})
}
