// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"cmp"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/internal/version"
	"github.com/weir-io/weir/xmlsysd"
)

// live is what node_exporter's names have of this host that is in no section: the
// engine's other clients have no use for it. It is read with each scrape, of files
// for which the kernel waits for nothing. It has one user at a time.
type live struct {
	arp         *reread.File
	net         *reread.Dir
	selinux     string // the directory of SELinux's files
	selinuxFile string // its configuration
	attr        string // where this program's label is
	counts      []neighbours

	isOn   bool // SELinux was enabled
	isOnAt time.Time

	lane *lane
	own  *own

	// Of the present exposition, to stand behind its families.
	shown    []*collected // of the lane's last page
	showsOwn bool
}

// neighbours are how many addresses are known behind an interface.
type neighbours struct {
	device []byte
	count  uint64
}

func newLive(e *hoststat.Engine, root string, background *lane, a *answers) *live {
	const arpRoom = 4 << 10 // the kernel gives no more at a time
	return &live{
		arp: e.ProcFile("net/arp", arpRoom, reread.Lines), net: reread.NewDir(e.SysPath("class/net")), selinux: e.SysPath("fs/selinux"),
		selinuxFile: filepath.Join(root, "etc/selinux/config"), attr: e.ProcPath("self/attr/current"),
		lane: background, own: newOwn(a),
	}
}

// close gives descriptors back.
func (l *live) close() {
	l.arp.Close()
	l.net.Close()
	l.own.close()
}

// append appends what stands behind the families of the plan.
func (l *live) append(b []byte, f format) []byte {
	for _, c := range l.shown {
		b = append(b, c.text[f]...)
	}
	if l.showsOwn {
		b = l.own.append(b, f)
	}
	return b
}

// collect takes what the lane has found of what a selection wants, and returns it; nil
// selects all.
func (l *live) collect(sel *xmlsysd.Selection) []*collected {
	l.shown = l.shown[:0]
	if p := l.lane.take(); p != nil {
		for i := range p.collectors {
			if c := &p.collectors[i]; sel == nil || sel.Wants(c.section) {
				l.shown = append(l.shown, c)
			}
		}
	}
	return l.shown
}

// neighbours reads how many addresses are known, by interface: the last column of the
// lines below the heading. It is valid until the next call.
func (l *live) neighbours() ([]neighbours, error) {
	text, err := l.arp.Read()
	if err != nil {
		return nil, err
	}
	l.counts = l.counts[:0]
	_, text, _ = bytes.Cut(text, []byte("\n"))
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, " \t\r\n")
		device := line[bytes.LastIndexAny(line, " \t")+1:]
		if len(device) == 0 {
			continue
		}
		at := slices.IndexFunc(l.counts, func(n neighbours) bool { return bytes.Equal(n.device, device) })
		if at < 0 {
			at = len(l.counts)
			l.counts = append(l.counts, neighbours{device: device})
		}
		l.counts[at].count++
	}
	slices.SortFunc(l.counts, func(a, b neighbours) int { return bytes.Compare(a.device, b.device) })
	return l.counts, nil
}

// unhandled reads how many packets nobody wanted that an interface has received; nil
// where the kernel does not say. The file is opened anew: interfaces come and go, and
// the kernel makes it of the same numbers as the interface's line of /proc/net/dev,
// without the lock of configuration.
func (l *live) unhandled(name []byte) []byte {
	text, err := l.net.ReadBelow(name, "/statistics/rx_nohandler")
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(text)
}

// selinuxOn reports what isSELinux does, which is decided when a host is booted, as of
// a time within the last minute.
func (l *live) selinuxOn(now time.Time) bool {
	if l.isOnAt.IsZero() || now.Sub(l.isOnAt) >= factAge {
		l.isOn, l.isOnAt = l.isSELinux(), now
	}
	return l.isOn
}

// isSELinux reports whether SELinux is enabled: its files are there to be written, and
// this program has a label of its policy.
func (l *live) isSELinux() bool {
	var st unix.Statfs_t
	if unix.Statfs(l.selinux, &st) != nil || uint32(st.Type) != unix.SELINUX_MAGIC || st.Flags&unix.ST_RDONLY != 0 {
		return false
	}
	label, _ := reread.Read(0, l.attr, nil)
	return string(bytes.TrimRight(label, "\x00\n")) != "kernel"
}

// selinuxModes returns how SELinux is configured and how it works now: 1 it forbids, 0
// it only tells, -1 it is off or does not say.
func (l *live) selinuxModes() (configured, current string) {
	configured, current = "-1", "-1"
	text, _ := reread.Read(0, l.selinuxFile, nil)
	switch property(text, "SELINUX") {
	case "enforcing":
		configured = "1"
	case "permissive":
		configured = "0"
	}
	text, _ = reread.Read(0, l.selinux+"/enforce", nil)
	if s := strings.TrimSpace(string(text)); s == "0" || s == "1" {
		current = s
	}
	return configured, current
}

// liveCollectors are node_exporter's parts that show the same.
var liveCollectors = [...]string{"arp", "selinux", "textfile"}

// nodeLive makes the families of what is in no section. What it returns adds their
// samples, and tells how long the collectors took that node_exporter has for them.
func nodeLive(g *grow, duration, success familyID) func(*scrape) {
	arp := g.family("node_arp_entries", gauge, "")
	enabled := g.family("node_selinux_enabled", gauge, "")
	configured, current := g.family("node_selinux_config_mode", gauge, ""), g.family("node_selinux_current_mode", gauge, "")
	textfile := g.family("node_textfile_scrape_error", gauge, "")
	build := g.family("node_exporter_build_info", gauge, "")
	net, host, agent := g.placeOf("proc/net/dev"), g.placeOf(hostAt), g.placeOf("system/agent")
	labels, device := buildLabels(), labelName("device")
	var fixed [len(liveCollectors)]string
	for i, name := range liveCollectors {
		fixed[i] = fixedLabels("collector", name)
	}
	tell := func(s *scrape, collector int, since time.Time, err error) {
		s.number = strconv.AppendInt(s.number[:0], time.Since(since).Microseconds(), 10)
		s.add(duration, fixed[collector], microseconds, s.number)
		s.flag(success, fixed[collector], err == nil)
	}
	return func(s *scrape) {
		if s.live == nil {
			return
		}
		for _, c := range s.live.collect(s.sel) {
			for _, j := range c.joined {
				s.bufs[j.family] = append(s.bufs[j.family], j.text...)
			}
			if c.labels != "" {
				s.add(duration, c.labels, microseconds, c.took)
				s.flag(success, c.labels, c.ok)
			}
		}
		if s.ok[net] == good {
			begin := time.Now()
			list, err := s.live.neighbours()
			for _, n := range list {
				s.labels = appendLabel(s.labels[:0], device, n.device)
				s.number = strconv.AppendUint(s.number[:0], n.count, 10)
				s.add(arp, "", plain, s.number)
			}
			s.labels = s.labels[:0]
			tell(s, 0, begin, err)
		}
		if s.ok[host] == good {
			begin, on := time.Now(), s.live.selinuxOn(s.now)
			s.flag(enabled, "", on)
			if on {
				c, now := s.live.selinuxModes()
				s.add(configured, "", plain, []byte(c))
				s.add(current, "", plain, []byte(now))
			}
			tell(s, 1, begin, nil)
		}
		s.live.showsOwn = s.ok[agent] == good
		if s.ok[agent] == good { // no text files are read: none is wrong
			s.add(textfile, "", plain, zero)
			s.add(build, labels, plain, one)
			tell(s, 2, time.Now(), nil)
		}
	}
}

// buildLabels are those of node_exporter_build_info, of weir. A build of Go does not
// know its branch.
func buildLabels() string {
	v := version.Get()
	return fixedLabels("branch", "", "goarch", runtime.GOARCH, "goos", runtime.GOOS, "goversion", v.Go, "revision", cmp.Or(v.Revision, "unknown"), "version", v.Version)
}

// placeOf returns the place of a section.
func (g *grow) placeOf(path string) int {
	return slices.IndexFunc(g.sections, func(p planned) bool { return p.path == path })
}
