// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"os"
	"strconv"
	"strings"
)

const cpus = "devices/system/cpu"

// frequencies are the files of a CPU's frequencies, in kHz.
var frequencies = [...]struct{ file, name string }{
	{"cpuinfo_cur_freq", "cpu_frequency_hertz"},
	{"cpuinfo_min_freq", "cpu_frequency_min_hertz"},
	{"cpuinfo_max_freq", "cpu_frequency_max_hertz"},
	{"scaling_cur_freq", "cpu_scaling_frequency_hertz"},
	{"scaling_min_freq", "cpu_scaling_frequency_min_hertz"},
	{"scaling_max_freq", "cpu_scaling_frequency_max_hertz"},
}

// governing are files without which node_exporter shows no frequency at all.
var governing = [...]string{"scaling_available_governors", "scaling_driver", "scaling_governor", "related_cpus", "scaling_setspeed"}

// policy are the frequencies of the CPUs that run at the same speed.
type policy struct {
	hertz [len(frequencies)]float64
	known [len(frequencies)]bool
	err   error
}

// cpufreq shows the frequencies of CPUs. Those of one policy are read once: the kernel
// may ask a CPU that sleeps.
func (r *Reader) cpufreq(p *page) error {
	dir := r.sys(cpus)
	names, numbers := numbered(dir, "cpu")
	policies := make(map[string]*policy)
	var shown []*policy
	var of []string
	for i, name := range names {
		path := dir + "/" + name + "/cpufreq"
		if !isDir(path) {
			continue
		}
		key, err := os.Readlink(path)
		if err != nil {
			key = path // a directory of its own
		}
		if policies[key] == nil {
			policies[key] = readPolicy(path)
		}
		if err := policies[key].err; err != nil {
			return err
		}
		shown, of = append(shown, policies[key]), append(of, numbers[i])
	}
	for i, known := range shown {
		for k, f := range frequencies {
			if known.known[k] {
				p.gauge(f.name, known.hertz[k], "cpu", of[i])
			}
		}
	}
	return nil
}

func readPolicy(dir string) *policy {
	const kHz = 1000
	var p policy
	for i, f := range frequencies {
		n, err := count(dir + "/" + f.file)
		if err != nil && !isMissing(err) {
			p.err = err
			return &p
		}
		p.hertz[i], p.known[i] = n*kHz, err == nil
	}
	for _, file := range governing {
		if _, err := text(dir + "/" + file); err != nil {
			p.err = err
			return &p
		}
	}
	return &p
}

// throttles shows how often cores and packages were made slower because they were
// hot, as the first CPU of each says, and which CPUs are kept for who asks for them.
func (r *Reader) throttles(p *page) error {
	dir := r.sys(cpus)
	names, _ := numbered(dir, "cpu")
	type core struct{ pkg, core float64 }
	cores, packages := make(map[core]bool), make(map[float64]bool)
	for _, name := range names {
		at := dir + "/" + name
		pkg, err := count(at + "/topology/physical_package_id")
		if err != nil {
			continue
		}
		id, err := count(at + "/topology/core_id")
		if err != nil {
			continue
		}
		if c := (core{pkg, id}); !cores[c] {
			if n, err := count(at + "/thermal_throttle/core_throttle_count"); err == nil {
				cores[c] = true
				p.counter("cpu_core_throttles_total", n, "package", whole(pkg), "core", whole(id))
			}
		}
		if !packages[pkg] {
			if n, err := count(at + "/thermal_throttle/package_throttle_count"); err == nil {
				packages[pkg] = true
				p.counter("cpu_package_throttles_total", n, "package", whole(pkg))
			}
		}
	}
	isolated, err := text(dir + "/isolated")
	if err != nil || isolated == "" {
		return nil
	}
	for part := range strings.SplitSeq(isolated, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return err
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			return err
		}
		for n := from; n <= to; n++ {
			p.gauge("cpu_isolated", 1, "cpu", strconv.FormatUint(n, 10))
		}
	}
	return nil
}

// whole writes a number that is whole.
func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }
