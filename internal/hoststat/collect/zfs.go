// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// zfsFiles are the counters of all of ZFS, and what their names begin with.
var zfsFiles = [...][2]string{
	{"abdstats", "zfs_abd"},
	{"arcstats", "zfs_arc"},
	{"dbuf_stats", "zfs_dbuf"},
	{"dmu_tx", "zfs_dmu_tx"},
	{"dnodestats", "zfs_dnode"},
	{"fm", "zfs_fm"},
	{"vdev_cache_stats", "zfs_vdev_cache"},
	{"vdev_mirror_stats", "zfs_vdev_mirror"},
	{"xuio_stats", "zfs_xuio"},
	{"zfetchstats", "zfs_zfetch"},
	{"zil", "zfs_zil"},
}

// zfsStates are the states of a pool.
var zfsStates = [...]string{"online", "degraded", "faulted", "offline", "removed", "unavail"}

// zfs shows what ZFS counts, and its pools.
func (r *Reader) zfs(p *page) error {
	dir := r.proc("spl/kstat/zfs")
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for _, f := range zfsFiles {
		s, err := text(dir + "/" + f[0])
		if err != nil {
			continue // of another version
		}
		found, err := p.kstats(s, f[1], nil)
		if err != nil || !found {
			return fmt.Errorf("%s/%s: no counters: %w", dir, f[0], err)
		}
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := p.pool(dir+"/"+e.Name(), e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// kstats adds the counters of a file of lines "name type data", of those that are
// whole numbers of 64 bits. A data set says its name among them. It reports whether
// there was a heading.
func (p *page) kstats(s, prefix string, labels []string) (found bool, err error) {
	const number = "4"
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		switch {
		case !found:
			found = len(f) == 3 && f[0] == "name" && f[1] == "type" && f[2] == "data"
		case len(f) < 3:
		case f[0] == "dataset_name":
			labels = append(labels[:len(labels):len(labels)], "dataset", f[2])
		case f[1] == number:
			n, err := strconv.ParseUint(f[2], 10, 64)
			if err != nil {
				return found, err
			}
			p.add(prefix+"_"+strings.ReplaceAll(f[0], "-", "_"), Untyped, float64(n), labels)
		}
	}
	return found, nil
}

func (p *page) pool(dir, name string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	labels := []string{"zpool", name}
	for _, f := range files {
		s, err := text(dir + "/" + f.Name())
		if err != nil {
			continue // a pool that goes takes its files along
		}
		switch {
		case f.Name() == "io":
			err = p.poolIO(s, labels)
		case f.Name() == "state":
			for _, state := range zfsStates {
				active := 0.0
				if strings.EqualFold(s, state) {
					active = 1
				}
				p.gauge("zfs_zpool_state", active, "zpool", name, "state", state)
			}
		case strings.HasPrefix(f.Name(), "objset-"):
			_, err = p.kstats(s, "zfs_zpool_dataset", labels)
		}
		if err != nil {
			return fmt.Errorf("%s/%s: %w", dir, f.Name(), err)
		}
	}
	return nil
}

// poolIO reads a line of names, and one of numbers.
func (p *page) poolIO(s string, labels []string) error {
	const columns = 12
	var names []string
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if names == nil {
			if len(f) >= columns && f[0] == "nread" {
				names = f
			}
			continue
		}
		if len(f) < len(names) {
			return fmt.Errorf("%d numbers, want %d", len(f), len(names))
		}
		for i, name := range names {
			n, err := strconv.ParseUint(f[i], 10, 64)
			if err != nil {
				return err
			}
			p.add("zfs_zpool_"+strings.ReplaceAll(name, "-", "_"), Untyped, float64(n), labels)
		}
	}
	return nil
}

// systemd shows nothing: its units are told by a program and not by the kernel, and
// there are hundreds of them.
func (*Reader) systemd(*page) error { return errAbsent }
