// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

// collectors are node_exporter's parts by the sections that hold what they read.
var collectors = [...]struct{ name, section string }{
	{"conntrack", "proc/net/nf_conntrack"},
	{"cpu", statAt},
	{"diskstats", "proc/diskstats"},
	{"entropy", "proc/sys"},
	{"filefd", "proc/sys"},
	{"filesystem", "system/filesystems"},
	{"loadavg", "proc/loadavg"},
	{"mdadm", "proc/mdstat"},
	{"meminfo", "proc/meminfo"},
	{"netclass", "proc/net/dev"},
	{"netdev", "proc/net/dev"},
	{"netstat", "proc/net/netstat"},
	{"os", hostAt},
	{"pressure", "proc/pressure"},
	{"schedstat", "proc/schedstat"},
	{"sockstat", "proc/net/sockstat"},
	{"softnet", "proc/net/softnet_stat"},
	{"stat", statAt},
	{"thermal_zone", "system/thermal"},
	{"time", clockAt},
	{"timex", clockAt},
	{"uname", hostAt},
	{"vmstat", "proc/vmstat"},
}

// quiet is the collector that is well where a host has nothing of what it shows.
const quiet = "thermal_zone"

// nodeCollectors tells how the sections were read.
func nodeCollectors(g *grow) {
	duration := g.family("node_scrape_collector_duration_seconds", gauge, "")
	success := g.family("node_scrape_collector_success", gauge, "")
	g.costs()
	tellLive := nodeLive(g, duration, success)
	var places [len(collectors)]int
	var fixed [len(collectors)]string
	for i, c := range collectors {
		for at, sec := range g.sections {
			if sec.path == c.section {
				places[i] = at
			}
		}
		fixed[i] = fixedLabels("collector", c.name)
	}
	g.finish = func(s *scrape, _ *state) {
		s.labels = s.labels[:0]
		for i, at := range places {
			if s.sel != nil && s.ok[at] == absent {
				continue
			}
			cost := s.costs[at]
			if cost == nil {
				cost = zero
			}
			s.add(duration, fixed[i], microseconds, cost)
			s.flag(success, fixed[i], s.ok[at] == good || s.ok[at] == absent && collectors[i].name == quiet)
		}
		tellLive(s)
	}
}
