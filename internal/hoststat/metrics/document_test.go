// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/hoststat/collect"
	"github.com/weir-io/weir/xmlsysd"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/metrics.md")

// row is a family in the document.
type row struct {
	kind, help string
	labels     map[string]bool
	from       map[string]bool // sections
}

var labelPattern = regexp.MustCompile(`([a-z_]+)="`)

// written are the sections of families whose samples are not leaves as they are.
var written = []struct{ name, section string }{
	{"_network_", "proc/net/dev"},
	{"_hwmon_", "system/sensors"},
	{"weir_host_", hostAt},
	{"_time_seconds", clockAt},
	{"weir_section_", "system/agent"},
	{"node_disk_", "proc/diskstats"},
	{"node_md_", "proc/mdstat"},
	{"node_filesystem_", "system/filesystems"},
	{"node_uname_", hostAt},
	{"node_os_", hostAt},
	{"node_scrape_", "system/agent"},
	{"node_arp_", "proc/net/dev"},
	{"node_selinux_", hostAt},
	{"node_textfile_", "system/agent"},
	{"node_exporter_build_info", "system/agent"},
}

// rowsOf describes the families of a plan, with the labels that their samples have
// in expositions.
func rowsOf(v *view, expositions ...string) map[string]*row {
	rows := make(map[string]*row)
	st := v.plan.now.Load()
	for i := range st.families {
		f := &st.families[i]
		r := &row{labels: map[string]bool{}, from: map[string]bool{}}
		for line := range strings.Lines(f.heads[text]) {
			if words := strings.SplitN(strings.TrimSpace(line), " ", 4); words[1] == "TYPE" {
				r.kind = words[3]
			} else {
				r.help = words[3]
			}
		}
		rows[f.name] = r
	}
	for _, e := range expositions {
		addOwn(rows, e)
		for line := range strings.Lines(e) {
			name, labels, _ := strings.Cut(line, "{")
			if r := rows[name]; r != nil {
				for _, m := range labelPattern.FindAllStringSubmatch(labels, -1) {
					r.labels[m[1]] = true
				}
			}
		}
	}
	for id, steps := range st.steps {
		for _, s := range steps {
			if s.action == sample {
				rows[st.families[s.family].name].from[v.plan.model.Node(sectionOf(v.plan, xmlsysd.NodeID(id))).Path] = true
			}
		}
	}
	for name, r := range rows {
		for _, w := range written {
			if len(r.from) == 0 && strings.Contains(name, w.name) {
				r.from[w.section] = true
			}
		}
		if strings.HasSuffix(name, "_network_speed_bytes") { // few hosts have it
			r.labels["device"] = true
		}
	}
	return rows
}

// addOwn adds the families that the program shows of itself: they are in no plan.
func addOwn(rows map[string]*row, exposition string) {
	for line := range strings.Lines(exposition) {
		words := strings.Fields(line)
		if len(words) == 4 && words[1] == "TYPE" && slices.ContainsFunc(ofExporter, func(p string) bool { return strings.HasPrefix(words[2], p) }) {
			rows[words[2]] = &row{kind: words[3], labels: map[string]bool{}, from: map[string]bool{"system/agent": true}}
		}
	}
}

// backgroundTable is what is read in the background, by collector.
func backgroundTable(o hoststat.Options) string {
	var b strings.Builder
	b.WriteString("| collector | metrics | section |\n|---|---|---|\n")
	for _, c := range collect.New(collect.Options{Proc: o.ProcRoot, Sys: o.SysRoot}).Read() {
		var names []string
		for _, f := range c.Families {
			names = append(names, "`"+f.Name+"`")
		}
		slices.Sort(names)
		name := c.Name
		if name == "" {
			name = "cpu"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", name, cmp.Or(strings.Join(names, ", "), "none"), c.Section)
	}
	return b.String()
}

func sectionOf(p *plan, id xmlsysd.NodeID) xmlsysd.NodeID {
	for p.model.Node(id).Section == "" {
		id = p.model.Node(id).Parent
	}
	return id
}

func ticked(list map[string]bool) string {
	var b []string
	for _, s := range slices.Sorted(maps.Keys(list)) {
		b = append(b, "`"+s+"`")
	}
	return strings.Join(b, ", ")
}

// dynamic are the names of families that are made of the kernel's names.
var dynamic = []struct{ begin, name, kind, from string }{
	{"node_memory_", "`node_memory_KEY_bytes`, `node_memory_HugePages_…`", "gauge", "`proc/meminfo`"},
	{"node_netstat_", "`node_netstat_PROTOCOL_FIELD`", "untyped", "`proc/net/snmp`, `proc/net/snmp6`, `proc/net/netstat`"},
}

func TestDocument(t *testing.T) {
	o := documented().write(t)
	s := newServer(t, o)
	var b strings.Builder
	b.WriteString("\n## Host\n\n" +
		"Written by `go test ./internal/hoststat/metrics -update`.\n\n" +
		"Where host statistics run in the same process (`weir up`), `GET /metrics` has the host's figures behind the hub's, and `GET /metrics/node`\n" +
		"has them by the names of node_exporter. `weir xmlsysd --metrics ADDRESS` serves both alone, at loopback where the address has no host.\n\n" +
		"Of the hosts that a hub asks (`[hosts]` of its configuration) it has the same families with the label `host`, as of their last answers: `on` and `off`\n" +
		"hold for them, too. What is in no message, such as a disk's model, the sources\n" +
		"of the clock, the name of the time zone, neighbours, how an interface came to its name or what is read in the background, they do not have. A host has some 70 KB by weir's names and\n" +
		"20 KB by node_exporter's: who scrapes a hub of many chooses, or switches that off (`hosts.metrics`).\n\n" +
		"Both answer in the text format or, where the header `Accept` likes it as much, in OpenMetrics 1.0; with gzip when asked. Four scrapes of\n" +
		"each are served at a time. What cannot be read is left out, and a section that hangs holds up a scrape once, by its time limit:\n" +
		"`weir_section_up` is 0 for it from then on until it answers.\n\n" +
		"`?on=SELECTOR` and `?off=SELECTOR` choose what is shown, with selectors of [xmlsysd](protocol/xmlsysd.md) in their order: a first `on`\n" +
		"leaves everything else out, a first `off` leaves everything else in. `/metrics/node?on=/proc/diskstats/disk[id=nvme*]&on=loadavg` is an\n" +
		"example. The hub's own figures are always there.\n\n" +
		"| metric | type | labels | section | meaning |\n|---|---|---|---|---|\n")
	live := newServer(t, hoststat.Options{})
	rows := rowsOf(s.views[0], exposition(t, s.Native, ""), exposition(t, live.Native, ""))
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := rows[name]
		if r.help == "" || len(r.from) == 0 || !strings.HasPrefix(name, "weir_") {
			t.Errorf("%s: help %q, from %v", name, r.help, r.from)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, r.kind, ticked(r.labels), ticked(r.from), r.help)
	}
	b.WriteString("\n### Names of node_exporter\n\n" +
		"`/metrics/node` has the series that Debian's node_exporter 1.5 has by default on the same host, with its labels, values and\n" +
		"default filters (no traffic of `lo`; no partitions, `loop` and `ram` devices; no file systems below `/dev`, `/proc`, `/run`, `/sys`, `/mnt` and\n" +
		"`/media`), and without help. A file system that does not answer has `node_filesystem_device_error` 1.\n" +
		"The labels of `node_exporter_build_info` are those of weir, and `go_…`, `process_…` and `promhttp_…` tell of the process that answers.\n" +
		"What node_exporter has and weir has not:\n\n" +
		exceptionTable() +
		"| metric | type | labels | section |\n|---|---|---|---|\n")
	node := rowsOf(s.views[1], exposition(t, s.Node, ""), exposition(t, live.Node, ""))
	for _, d := range dynamic {
		fmt.Fprintf(&b, "| %s | %s |  | %s |\n", d.name, d.kind, d.from)
	}
	for _, name := range slices.Sorted(maps.Keys(node)) {
		r := node[name]
		if strings.HasPrefix(name, dynamic[0].begin) || strings.HasPrefix(name, dynamic[1].begin) {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, r.kind, ticked(r.labels), ticked(r.from))
	}
	b.WriteString("\nBeside these, devices, file systems and services that a host may have are read in the background, when a scrape comes whose\n" +
		"values would be older than 5 seconds: some wait for hardware. The scrape waits for them, for at most a second the first time, and shows none if they are not there.\n" +
		"If older ones are from the last 11 seconds, it waits for 10 ms and shows these. Where a reading takes longer than that, it is done every 5 seconds as long as someone\n" +
		"scrapes. The queues of UDP, for which the kernel goes through all its sockets, are read every 12 seconds at most. Sections that may wait for hardware or\n" +
		"servers are read for a scrape as well, if that took at most 10 ms the last time, and no file system needs a server; else every 5 seconds. What a host does\n" +
		"not have is looked for once a minute.\n" +
		"A selection that has the section has what was read in the background, too. Of hosts that a hub asks there are only those of\n" +
		"hwmon that measure. Of a host that has one of each they are:\n\n" + backgroundTable(o))
	fresh(t, b.String())
}

// exceptionTable is the list of what is not shown, and why.
func exceptionTable() string {
	var b strings.Builder
	b.WriteString("| not shown | why |\n|---|---|\n")
	for _, x := range exceptions {
		var names []string
		for _, begin := range x.begins {
			name, whole := strings.CutSuffix(begin, " ")
			if !whole {
				name += "…"
			}
			names = append(names, "`"+name+"`")
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(names, ", "), x.reason)
	}
	return b.String() + "\n"
}

// documented is a host that has everything.
func documented() files {
	f := devices()
	f["proc/1/mountinfo"] = "36 35 8:1 / / rw - ext4 /dev/sda1 rw\n"
	f["proc/net/dev"] = ""
	f["proc/uptime"] = "1.00 2.00\n"
	f["proc/swaps"] = "Filename Type Size Used Priority\n/dev/sda2 partition 1024 0 -2\n"
	f["proc/pressure/irq"] = "full avg10=0.00 avg60=0.00 avg300=0.00 total=4\n"
	f["sys/class/thermal/thermal_zone0/temp"] = "40000\n"
	f["sys/class/thermal/thermal_zone0/type"] = "x86_pkg_temp\n"
	return f
}

// fresh compares the part of docs/metrics.md that is this package's.
func fresh(t *testing.T, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "docs", "metrics.md")
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(all), "\n## Host\n")
	if found {
		rest = "\n## Host\n" + rest
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if rest != want {
		g, w := strings.Split(rest, "\n"), strings.Split(want, "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("docs/metrics.md is stale (-update): %s\nwant %s", g[i], w[i])
			}
		}
		t.Fatalf("docs/metrics.md is stale (-update): %d lines, want %d", len(g), len(w))
	}
}
