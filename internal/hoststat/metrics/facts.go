// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
)

// factAge is for how long a fact is not looked up again.
const factAge = time.Minute

// maxFacts bounds how many disks are remembered.
const maxFacts = 4096

// maxClocks bounds the devices of clocks; Linux has one.
const maxClocks = 16

// facts are the labels of the host and its disks that no section has: they hardly
// change, and the engine's clients have no use for them.
type facts struct {
	root string
	now  func() time.Time

	mu sync.Mutex
	// Guarded by mu.
	disks     map[string]*diskFact // by "MAJOR:MINOR"
	links     map[string]*linkFact // by name
	sources   []clockFact
	sourcesAt time.Time
	host      systemFact
	hostAt    time.Time
	scratch   []byte
}

// diskFact are what the device manager says of a disk. It is not changed.
type diskFact struct {
	labels     string
	filesystem string // labels of the file system on it; empty: none
	mapper     string // labels of what it is mapped to; empty: it is no such device
	ata        [len(ataNumbers)][]byte
	at         time.Time
}

// linkFact is how an interface came to what it has.
type linkFact struct {
	numbers [len(assignments)][]byte // nil: not known
	at      time.Time
}

// clockFact is a source of the kernel's time.
type clockFact struct {
	labels  string
	current bool
}

// systemFact is what the distribution calls itself. It is not changed.
type systemFact struct {
	labels  string // all of them; empty: not known
	short   string
	version []byte // the number of it; nil: none
	domain  string // of the host's name
}

func newFacts(root string) *facts {
	return &facts{root: root, now: time.Now, disks: make(map[string]*diskFact), links: make(map[string]*linkFact)}
}

// diskLabels, filesystemLabels and mapperLabels are labels and the device manager's
// names of what they say.
var (
	diskLabels       = [...][2]string{{"model", "ID_MODEL"}, {"path", "ID_PATH"}, {"revision", "ID_REVISION"}, {"serial", "ID_SERIAL_SHORT"}, {"wwn", "ID_WWN"}}
	filesystemLabels = [...][2]string{{"type", "ID_FS_TYPE"}, {"usage", "ID_FS_USAGE"}, {"uuid", "ID_FS_UUID"}, {"version", "ID_FS_VERSION"}}
	mapperLabels     = [...][2]string{
		{"name", "DM_NAME"}, {"uuid", "DM_UUID"}, {"vg_name", "DM_VG_NAME"}, {"lv_name", "DM_LV_NAME"}, {"lv_layer", "DM_LV_LAYER"},
	}
)

// ataNumbers are the metrics of disks of ATA, and the device manager's names of them.
var ataNumbers = [...][2]string{
	{"ata_write_cache", "ID_ATA_WRITE_CACHE"},
	{"ata_write_cache_enabled", "ID_ATA_WRITE_CACHE_ENABLED"},
	{"ata_rotation_rate_rpm", "ID_ATA_ROTATION_RATE_RPM"},
}

// noDisk is what is known of a disk of another host.
var noDisk = new(diskFact)

// disk returns what the device manager says of a disk.
func (f *facts) disk(major, minor []byte) *diskFact {
	if f == nil {
		return noDisk
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scratch = append(append(append(f.scratch[:0], major...), ':'), minor...)
	known, now := f.disks[string(f.scratch)], f.now()
	if known != nil && now.Sub(known.at) < factAge {
		return known
	}
	if known == nil && len(f.disks) >= maxFacts {
		clear(f.disks)
	}
	known = newDiskFact(f.file("run/udev/data/b"+string(f.scratch)), now)
	f.disks[string(f.scratch)] = known
	return known
}

// newDiskFact reads the device manager's file of a disk.
func newDiskFact(text []byte, now time.Time) *diskFact {
	value := func(key string) string { return property(text, "E:"+key) }
	labels := func(list [][2]string) string {
		var pairs []string
		for _, l := range list {
			pairs = append(pairs, l[0], value(l[1]))
		}
		return fixedLabels(pairs...)
	}
	d := &diskFact{labels: labels(diskLabels[:]), at: now}
	if value("ID_FS_TYPE") != "" {
		d.filesystem = labels(filesystemLabels[:])
	}
	if value("DM_NAME") != "" {
		d.mapper = labels(mapperLabels[:])
	}
	if value("ID_ATA") == "" {
		return d
	}
	for i, n := range ataNumbers {
		if text := value(n[1]); isNumber([]byte(text)) {
			d.ata[i] = []byte(text)
		}
	}
	return d
}

// assignments are the files of /sys/class/net that no other source has, by the names of
// their metrics.
var assignments = [...]struct{ name, file string }{
	{"address_assign_type", "addr_assign_type"},
	{"name_assign_type", "name_assign_type"},
	{"device_id", "dev_id"},
}

// assignments returns how an interface came to what it has, nil for what is not known.
func (f *facts) assignments(name []byte) (none [len(assignments)][]byte) {
	if f == nil || len(name) == 0 {
		return none
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	known, now := f.links[string(name)], f.now()
	if known != nil && now.Sub(known.at) < factAge {
		return known.numbers
	}
	if known == nil && len(f.links) >= maxFacts {
		clear(f.links)
	}
	known = &linkFact{at: now}
	for i, a := range assignments {
		text := strings.TrimSpace(string(f.file("sys/class/net/" + string(name) + "/" + a.file)))
		if n, err := strconv.ParseUint(text, 0, 32); err == nil { // dev_id is hexadecimal
			known.numbers[i] = strconv.AppendUint(nil, n, 10)
		}
	}
	f.links[string(name)] = known
	return known.numbers
}

// clocks returns the sources of the kernel's time.
func (f *facts) clocks() []clockFact {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if !f.sourcesAt.IsZero() && now.Sub(f.sourcesAt) < factAge {
		return f.sources
	}
	f.sources, f.sourcesAt = nil, now
	for n := 0; n < maxClocks; n++ {
		dir := "sys/devices/system/clocksource/clocksource" + strconv.Itoa(n) + "/"
		current := strings.TrimSpace(string(f.file(dir + "current_clocksource")))
		for _, name := range strings.Fields(string(f.file(dir + "available_clocksource"))) {
			f.sources = append(f.sources, clockFact{fixedLabels("clocksource", name, "device", strconv.Itoa(n)), name == current})
		}
		if current == "" {
			break
		}
	}
	return f.sources
}

// systemLabels are the labels of the distribution, which are the keys of its file in
// small letters.
var systemLabels = [...]string{
	"build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version", "version_codename",
	"version_id",
}

// system returns what the host's distribution is; nothing without facts, of
// another host.
func (f *facts) system() systemFact {
	if f == nil {
		return systemFact{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if !f.hostAt.IsZero() && now.Sub(f.hostAt) < factAge {
		return f.host
	}
	f.hostAt = now
	var u unix.Utsname
	_ = unix.Uname(&u) // it cannot fail with a valid address
	f.host = systemFact{domain: fixedLabels("domainname", unix.ByteSliceToString(u.Domainname[:]))}
	text := f.file("etc/os-release")
	if text == nil {
		text = f.file("usr/lib/os-release")
	}
	if text == nil {
		return f.host
	}
	var pairs, short []string
	for _, l := range systemLabels {
		value := unquote(property(text, strings.ToUpper(l)))
		pairs = append(pairs, l, value)
		if l == "id" || l == "id_like" || l == "name" {
			short = append(short, l, value)
		}
		if l == "version_id" {
			f.host.version = majorMinor(value)
		}
	}
	f.host.labels, f.host.short = fixedLabels(pairs...), fixedLabels(short...)
	return f.host
}

// file returns a file's text, nil if there is none.
func (f *facts) file(path string) []byte {
	text, err := reread.Read(0, filepath.Join(f.root, path), nil)
	if err != nil {
		return nil
	}
	return text
}

// property finds KEY=value in a file of such lines.
func property(text []byte, key string) string {
	for line := range bytes.Lines(text) {
		if name, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte("=")); ok && string(name) == key {
			return string(value)
		}
	}
	return ""
}

// unquote takes the shell's quotes off.
func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// majorMinor returns the number at the begin of a version, 22.04 of "22.04.3 LTS";
// nil if there is none.
func majorMinor(version string) []byte {
	end, points := 0, 0
	for ; end < len(version); end++ {
		c := version[end]
		if c == '.' && end > 0 && points == 0 {
			points++
			continue
		}
		if c < '0' || c > '9' {
			break
		}
	}
	if end == 0 {
		return nil
	}
	return []byte(version[:end])
}
