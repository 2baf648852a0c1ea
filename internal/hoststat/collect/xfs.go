// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// xfsLines are the lines of a file system's counters that are shown: the word that
// begins them, how many numbers they have at least, and the names of these; empty:
// not shown.
var xfsLines = [...]struct {
	word  string
	names []string
}{
	{"extent_alloc", []string{
		"extent_allocation_extents_allocated", "extent_allocation_blocks_allocated", "extent_allocation_extents_freed", "extent_allocation_blocks_freed",
	}},
	{"abt", []string{
		"allocation_btree_lookups", "allocation_btree_compares", "allocation_btree_records_inserted", "allocation_btree_records_deleted",
	}},
	{"blk_map", []string{
		"block_mapping_reads", "block_mapping_writes", "block_mapping_unmaps", "block_mapping_extent_list_insertions",
		"block_mapping_extent_list_deletions", "block_mapping_extent_list_lookups", "block_mapping_extent_list_compares",
	}},
	{"bmbt", []string{
		"block_map_btree_lookups", "block_map_btree_compares", "block_map_btree_records_inserted", "block_map_btree_records_deleted",
	}},
	{"dir", []string{
		"directory_operation_lookup", "directory_operation_create", "directory_operation_remove", "directory_operation_getdents",
	}},
	{"ig", []string{
		"inode_operation_attempts", "inode_operation_found", "inode_operation_recycled", "inode_operation_missed", "inode_operation_duplicates",
		"inode_operation_reclaims", "inode_operation_attribute_changes",
	}},
	{"rw", []string{"write_calls", "read_calls"}},
	{"vnodes", []string{
		"vnode_active", "vnode_allocate", "vnode_get", "vnode_hold", "vnode_release", "vnode_reclaim", "vnode_remove", "",
	}},
}

// xfs shows the counters of the mounted file systems of XFS.
func (r *Reader) xfs(p *page) error {
	dir := r.sys("fs/xfs")
	entries, err := list(dir)
	if err != nil && !errors.Is(err, errAbsent) {
		return err
	}
	for _, e := range entries {
		s, err := text(dir + "/" + e.Name() + "/stats/stats")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue // fs/xfs/stats is of all of them
		}
		if err != nil {
			return err
		}
		if err := p.xfsStats(s, e.Name()); err != nil {
			return fmt.Errorf("%s/%s: %w", dir, e.Name(), err)
		}
	}
	return nil
}

func (p *page) xfsStats(s, device string) error {
	found := make(map[string][]string)
	for line := range strings.Lines(s) {
		if words := strings.Fields(line); len(words) > 1 {
			found[words[0]] = words[1:]
		}
	}
	for _, l := range xfsLines {
		values := found[l.word]
		if values != nil && len(values) < len(l.names)-1 {
			return fmt.Errorf("line %s: %d numbers, want %d", l.word, len(values), len(l.names))
		}
		for i, name := range l.names {
			if name == "" {
				continue
			}
			n := uint64(0) // also of what an older kernel does not count
			if i < len(values) {
				var err error
				if n, err = strconv.ParseUint(values[i], 10, 32); err != nil {
					return fmt.Errorf("line %s: %w", l.word, err)
				}
			}
			p.counter("xfs_"+name+"_total", float64(n), "device", device)
		}
	}
	return nil
}

// btrfs shows the file systems of Btrfs, their kinds of blocks and their devices.
func (r *Reader) btrfs(p *page) error {
	dir := r.sys("fs/btrfs")
	entries, err := list(dir)
	if err != nil && !errors.Is(err, errAbsent) {
		return err
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), "-") {
			continue // features
		}
		if err := p.btrfsSystem(dir+"/"+e.Name(), e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) btrfsSystem(dir, uuid string) error {
	devices, err := os.ReadDir(dir + "/devices")
	if err != nil {
		return err
	}
	if id := optional(dir + "/metadata_uuid"); id != "" {
		uuid = id
	}
	const sector = 512
	p.gauge("btrfs_info", 1, "uuid", uuid, "label", optional(dir+"/label"))
	p.gauge("btrfs_global_rsv_size_bytes", optionalCount(dir+"/allocation/global_rsv_size"), "uuid", uuid)
	for _, kind := range [...]string{"data", "metadata", "system"} {
		at := dir + "/allocation/" + kind
		layouts, err := os.ReadDir(at)
		if err != nil {
			return err
		}
		p.gauge("btrfs_reserved_bytes", optionalCount(at+"/bytes_reserved"), "uuid", uuid, "block_group_type", kind)
		for _, l := range layouts {
			if !l.IsDir() {
				continue
			}
			labels := []string{"uuid", uuid, "block_group_type", kind, "mode", l.Name()}
			p.gauge("btrfs_used_bytes", optionalCount(at+"/"+l.Name()+"/used_bytes"), labels...)
			p.gauge("btrfs_size_bytes", optionalCount(at+"/"+l.Name()+"/total_bytes"), labels...)
			p.gauge("btrfs_allocation_ratio", copies(l.Name(), float64(len(devices))), labels...)
		}
	}
	for _, d := range devices {
		p.gauge("btrfs_device_size_bytes", sector*optionalCount(dir+"/devices/"+d.Name()+"/size"), "uuid", uuid, "device", d.Name())
	}
	return nil
}

// copies is how much of the devices a byte takes in a layout; 0 of one that is not
// known.
func copies(layout string, devices float64) float64 {
	switch layout {
	case "single", "raid0":
		return 1
	case "dup", "raid1", "raid10":
		return 2
	case "raid5":
		return devices / (devices - 1)
	case "raid6":
		return devices / (devices - 2)
	}
	return 0
}

// optional reads a file that need not be there.
func optional(path string) string {
	s, _ := text(path)
	return s
}

// optionalCount reads a number that need not be there; 0 then.
func optionalCount(path string) float64 {
	n, _ := count(path)
	return n
}
