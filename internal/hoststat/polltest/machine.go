// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package polltest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Machine is a host whose counters are functions of the time.
type Machine struct {
	Name   string
	IP     string
	Boot   time.Time
	BootID string
	CPUs   int

	User, Sys, Wait float64 // shares of a CPU in percent
	Load            float64
	MemTotal        uint64
	MemUsed         uint64
	Rx, Tx          float64 // bytes/s of eth0
	Read, Write     float64 // bytes/s of sda
	Tasks           []string
	Brief           bool // the message has only what monitors always ask for
}

// Default is a machine of ordinary size.
func Default(name string) *Machine {
	return &Machine{
		Name: name, IP: "192.0.2.1", Boot: time.Unix(1700000000, 0), BootID: "b1", CPUs: 2,
		User: 30, Sys: 10, Wait: 5, Load: 0.5, MemTotal: 8 << 30, MemUsed: 2 << 30,
		Rx: 1000, Tx: 500, Read: 1 << 20, Write: 2 << 20, Tasks: []string{"init", "worker"},
	}
}

// Message returns the body of a message that the machine sends at a time. It has
// all that a monitor may ask for.
func (m *Machine) Message(now time.Time) []byte {
	up := now.Sub(m.Boot).Seconds()
	count := func(perSecond float64) uint64 { return uint64(math.Round(perSecond * up)) }
	tv := fmt.Sprintf(`tv_sec="%d" tv_usec="%d"`, now.Unix(), now.Nanosecond()/1000)
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(`<?xml version="1.0"?>`)
	p(`<xmlsysd init="1">`)
	p("<system>")
	p("<time %s>%s</time>", tv, now.UTC().Format("3:04:05 pm"))
	p("<identity><hostname>%s</hostname><hostip>%s</hostip></identity>", m.Name, m.IP)
	p("<users %s>3</users>", tv)
	p("<host %s><boot_id>%s</boot_id><page_size>4096</page_size></host>", tv, m.BootID)
	p("<clock %s><monotonic>%d</monotonic><hz>100</hz></clock>", tv, now.Sub(m.Boot).Microseconds())
	if !m.Brief {
		p(`<filesystems %s><fs id="/"><device>/dev/sda1</device><type>ext4</type><size>1000000</size><free>600000</free><avail>500000</avail><files>1000</files><files_free>900</files_free></fs></filesystems>`, tv)
		p(`<sensors %s><sensor id="coretemp.0/temp1"><chip>coretemp</chip><kind>temp</kind><label>Package</label><input>55</input><crit>100</crit></sensor></sensors>`, tv)
	}
	p("</system>")
	p("<proc>")
	p("<stat %s>", tv)
	cpu := func(n float64) {
		ticks := func(share float64) uint64 { return count(n * share) }
		idle := 100 - m.User - m.Sys - m.Wait
		user, sys, wait, rest := ticks(m.User), ticks(m.Sys), ticks(m.Wait), ticks(idle)
		p("<user>%d</user><nice>0</nice><sys>%d</sys><tot>%d</tot><idle>%d</idle><iowait>%d</iowait><irq>0</irq><softirq>0</softirq><steal>0</steal>",
			user, sys, user+sys+wait+rest, rest, wait)
	}
	for i := range m.CPUs {
		p(`<cpu id="%d">`, i)
		if m.Brief {
			p("<tot>%d</tot>", count(100))
		} else {
			cpu(1)
		}
		p("</cpu>")
	}
	p("<page><in>%d</in><out>%d</out></page><swap><in>0</in><out>0</out></swap>", count(m.Read/1024), count(m.Write/1024))
	p("<intr>%d</intr><ctxt>%d</ctxt><processes>%d</processes>", count(400), count(900), count(2))
	p("<cpu_total>")
	cpu(float64(m.CPUs))
	p("</cpu_total>")
	p("<btime>%d</btime><procs_running>2</procs_running><procs_blocked>1</procs_blocked></stat>", m.Boot.Unix())
	free := m.MemTotal - m.MemUsed
	p("<meminfo %s><memory><total>%d</total><used>%d</used><free>%d</free><shared>0</shared><buffers>1048576</buffers><cached>4194304</cached><available>%d</available></memory><swap><total>1073741824</total><used>0</used><free>1073741824</free></swap></meminfo>",
		tv, m.MemTotal, m.MemUsed, free, free)
	p("<net><dev %s>", tv)
	m.netdev(&b, 0, "lo", "", 7000, 7000, count)
	m.netdev(&b, 1, "eth", "0", m.Rx, m.Tx, count)
	if m.Brief {
		p("</dev></net>")
	} else {
		p("</dev><sockstat %s><used>45</used><tcp><inuse>13</inuse><orphan>0</orphan><timewait>2</timewait></tcp><udp><inuse>6</inuse></udp></sockstat></net>", tv)
	}
	p("<loadavg %s><load1>%.2f</load1><load5>%.2f</load5><load15>%.2f</load15><running>1</running><threads>120</threads></loadavg>", tv, m.Load, m.Load/2, m.Load/4)
	if !m.Brief {
		p(`<cpuinfo %s><processor id="0"><model_name>Example CPU</model_name><clock units="MHz">2400</clock><cachesize units="KB">4096</cachesize></processor></cpuinfo>`, tv)
		p("<version>6.18.0</version>")
	}
	p("<uptime %s><up>%.2f</up></uptime>", tv, up)
	p("<vmstat %s><oom_kill>0</oom_kill></vmstat>", tv)
	p(`<diskstats %s>`, tv)
	for _, name := range []string{"sda", "sda1"} {
		p(`<disk id="%s"><reads><completed>%d</completed><sectors>%d</sectors><time>%d</time></reads><writes><completed>%d</completed><sectors>%d</sectors><time>%d</time></writes><io><inflight>0</inflight><time>%d</time><weighted>%d</weighted></io></disk>`,
			name, count(10), count(m.Read/512), count(20), count(20), count(m.Write/512), count(40), count(250), count(500))
	}
	p("</diskstats>")
	p("<pressure>")
	for _, name := range []string{"cpu", "memory", "io"} {
		p("<%s %s><some><avg10>1.50</avg10><total>%d</total></some><full><avg10>0.50</avg10><total>0</total></full></%s>", name, tv, count(20000), name)
	}
	p("</pressure>")
	if !m.Brief {
		p(`<swaps %s><swapdev id="/dev/sda2"><type>partition</type><size>1073741824</size><used>0</used></swapdev></swaps>`, tv)
		p(`<mdstat %s><array id="md0"><state>recovering</state><level>raid1</level><disks_total>2</disks_total><disks_active>1</disks_active><disks_failed>1</disks_failed><blocks>1000</blocks><blocks_synced>126</blocks_synced></array></mdstat>`, tv)
		p("<sys %s><fs><file_nr><allocated>1024</allocated><max>1631329</max></file_nr></fs></sys>", tv)
		p("<tasks %s>", tv)
		for i, name := range m.Tasks {
			p(`<task id="%d"><name>%s</name><user>root</user><state>R</state><utime>%d</utime><stime>0</stime><start>%d</start><rss>1048576</rss><threads>1</threads><cmdline>%s --now</cmdline></task>`,
				i+1, name, count(10*float64(i+1)), i, name)
		}
		p("</tasks>")
	}
	p("</proc>")
	p("</xmlsysd>")
	return []byte(b.String())
}

func (m *Machine) netdev(b *strings.Builder, id int, kind, number string, rx, tx float64, count func(float64) uint64) {
	fmt.Fprintf(b, `<interface id="%d" devtype="%s" devid="%s"><name>%s%s</name><receive><bytes>%d</bytes><packets>%d</packets><errs>0</errs><drop>0</drop></receive>`+
		"<transmit><bytes>%d</bytes><packets>%d</packets><errs>0</errs><drop>0</drop><collisions>0</collisions></transmit></interface>\n",
		id, kind, number, kind, number, count(rx), count(rx/100), count(tx), count(tx/100))
}

// Frame puts the header before a body.
func Frame(body []byte) []byte {
	return append([]byte("Content-Length: "+strconv.Itoa(len(body))+"\n\n"), body...)
}
