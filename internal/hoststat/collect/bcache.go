// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// bcacheValues are the files of a cache set.
var bcacheValues = [...]struct {
	file, name string
	unit       float64
	kind       Kind
}{
	{"average_key_size", "average_key_size_sectors", 1, Gauge},
	{"btree_cache_size", "btree_cache_size_bytes", 1, Gauge},
	{"cache_available_percent", "cache_available_percent", 1, Gauge},
	{"congested", "congested", 1, Gauge},
	{"root_usage_percent", "root_usage_percent", 1, Gauge},
	{"tree_depth", "tree_depth", 1, Gauge},
	{"internal/active_journal_entries", "active_journal_entries", 1, Gauge},
	{"internal/btree_nodes", "btree_nodes", 1, Gauge},
	{"internal/btree_read_average_duration_us", "btree_read_average_duration_seconds", nano, Gauge},
	{"internal/cache_read_races", "cache_read_races_total", 1, Counter},
}

// bcacheTotals are the counters of a backing device.
var bcacheTotals = [...][2]string{
	{"bypassed", "bypassed_bytes_total"},
	{"cache_hits", "cache_hits_total"},
	{"cache_misses", "cache_misses_total"},
	{"cache_bypass_hits", "cache_bypass_hits_total"},
	{"cache_bypass_misses", "cache_bypass_misses_total"},
	{"cache_miss_collisions", "cache_miss_collisions_total"},
	{"cache_readaheads", "cache_readaheads_total"},
}

// bcacheRates are the lines of a backing device's file of rates.
var bcacheRates = [...][2]string{
	{"target", "dirty_target_bytes"},
	{"rate", "writeback_rate"},
	{"proportional", "writeback_rate_proportional_term"},
	{"integral", "writeback_rate_integral_term"},
	{"change", "writeback_change"},
}

// bcacheDevice are the files of a cache device.
var bcacheDevice = [...]struct {
	file, name string
	kind       Kind
}{
	{"io_errors", "io_errors", Gauge},
	{"metadata_written", "metadata_written_bytes_total", Counter},
	{"written", "written_bytes_total", Counter},
}

// bcache shows caches of disks on other disks.
func (r *Reader) bcache(p *page) error {
	dir := r.sys("fs/bcache")
	entries, err := list(dir)
	if err != nil && !errors.Is(err, errAbsent) {
		return err
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), "-") {
			continue // not a set of caches, which has the name of its id
		}
		if err := p.cacheSet(dir+"/"+e.Name(), e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) cacheSet(dir, uuid string) error {
	for _, v := range bcacheValues {
		n, err := human(dir + "/" + v.file)
		if err != nil {
			return err
		}
		p.add("bcache_"+v.name, v.kind, n/v.unit, []string{"uuid", uuid})
	}
	names, _ := numbered(dir, "bdev")
	for _, name := range names {
		at, labels := dir+"/"+name, []string{"uuid", uuid, "backing_device", name}
		dirty, err := human(at + "/dirty_data")
		if err != nil {
			return err
		}
		p.gauge("bcache_dirty_data_bytes", dirty, labels...)
		if err := p.rates(at+"/writeback_rate_debug", labels); err != nil {
			return err
		}
		for _, c := range bcacheTotals {
			n, err := human(at + "/stats_total/" + c[0])
			if err != nil {
				return err
			}
			p.counter("bcache_"+c[1], n, labels...)
		}
	}
	names, _ = numbered(dir, "cache")
	for _, name := range names {
		for _, v := range bcacheDevice {
			n, err := human(dir + "/" + name + "/" + v.file)
			if err != nil {
				return err
			}
			p.add("bcache_"+v.name, v.kind, n, []string{"uuid", uuid, "cache_device", name})
		}
	}
	return nil
}

// rates reads lines "rate:	1.1M/sec".
func (p *page) rates(path string, labels []string) error {
	s, err := text(path)
	if err != nil {
		return err
	}
	values := make(map[string]float64)
	for line := range strings.Lines(s) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSuffix(strings.TrimSpace(value), "/sec")
		if name == "next io" || value == "" {
			continue
		}
		negative := strings.HasPrefix(value, "-")
		n, err := humanNumber(strings.TrimPrefix(value, "-"))
		if err != nil {
			return fmt.Errorf("%s: line %s: %w", path, name, err)
		}
		if negative {
			n = -n
		}
		values[name] = n
	}
	for _, r := range bcacheRates {
		p.gauge("bcache_"+r[1], values[r[0]], labels...)
	}
	return nil
}

// human reads a file of a number for people; 0 of one that is not there.
func human(path string) (float64, error) {
	s, err := text(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := humanNumber(s)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// humanNumber reads 1.5k. What is behind the point counts 1024ths by hundreds: bcache
// divides them so, and writes no zero before them.
func humanNumber(s string) (float64, error) {
	const units = "kMGTPEZY"
	if s == "" {
		return 0, errors.New("no number")
	}
	at := strings.IndexByte(units, s[len(s)-1])
	if at < 0 {
		return strconv.ParseFloat(s, 64)
	}
	whole, part, pointed := strings.Cut(s[:len(s)-1], ".")
	n, err := strconv.ParseFloat(whole, 64)
	if err != nil {
		return 0, err
	}
	if pointed {
		const full = 10.24
		fraction, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0, err
		}
		n += fraction / full
	}
	for range at + 1 {
		n *= 1024
	}
	return float64(uint64(n)), nil
}
