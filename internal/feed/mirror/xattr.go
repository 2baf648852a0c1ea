// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrRules tell, by the kind of a target's file system, which extended attributes are none
// that a copy is to have there.
type xattrRules struct{ kind int64 }

// rulesAt are the rules of the file system at a path.
func rulesAt(path string) (xattrRules, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return xattrRules{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return xattrRules{fs.Type}, nil
}

// leaveOut reports whether an attribute is left out. XFS shows an access control list as an
// attribute of its own, too: who removes that, removes the list. What btrfs keeps of a file,
// as how it is compressed, nothing else takes.
func (r xattrRules) leaveOut(name string) bool {
	switch {
	case name == "trusted.SGI_ACL_FILE", name == "trusted.SGI_ACL_DEFAULT":
		return r.kind == unix.XFS_SUPER_MAGIC
	case strings.HasPrefix(name, "btrfs."):
		return r.kind != unix.BTRFS_SUPER_MAGIC
	}
	return false
}

// of returns those that a copy is to have.
func (r xattrRules) of(all map[string][]byte) map[string][]byte {
	maps.DeleteFunc(all, func(name string, _ []byte) bool { return r.leaveOut(name) })
	return all
}

// setXattrs makes the extended attributes of a path, through /proc, those that are wanted.
// Access control lists are among them. One that is refused does not keep it from the others.
func setXattrs(to string, rules xattrRules, want map[string][]byte) (refused error) {
	have, err := xattrs(to)
	if err != nil {
		return err
	}
	have, want = rules.of(have), rules.of(want)
	for _, k := range sortedKeys(have) {
		if _, ok := want[k]; ok {
			continue
		}
		if err := unix.Removexattr(to, k); err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("extended attribute %s: remove: %w", k, err)
		}
	}
	for _, k := range sortedKeys(want) {
		if v, ok := have[k]; ok && bytes.Equal(v, want[k]) {
			continue
		}
		if err := setXattr(to, k, want[k]); err != nil {
			refused = fmt.Errorf("extended attribute %s (--no-xattr leaves them out): %w", k, err)
			if !isOneOf(err, objectErrors) {
				return refused
			}
		}
	}
	return refused
}

// setXattr sets an extended attribute. That it has no room beside its file is another
// error than that the file system has none.
func setXattr(to, k string, v []byte) error {
	err := unix.Setxattr(to, k, v, 0)
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	var fs unix.Statfs_t
	if unix.Statfs(to, &fs) == nil && fs.Bavail*uint64(fs.Bsize) > roomForXattr {
		return unix.E2BIG
	}
	return err
}

// roomForXattr is where a file system has room for any extended attribute.
const roomForXattr = 16 << 20

func sortedKeys(m map[string][]byte) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// xattrs reads all extended attributes of a path.
func xattrs(path string) (map[string][]byte, error) {
	n, err := unix.Listxattr(path, nil) // most have none, and need no room for them
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && n == 0 {
		return nil, nil
	}
	buf := make([]byte, 64<<10)
	if err == nil {
		n, err = unix.Listxattr(path, buf)
	}
	if err != nil {
		return nil, fmt.Errorf("extended attributes: %w", err)
	}
	all := map[string][]byte{}
	value := make([]byte, 64<<10)
	for _, k := range bytes.FieldsFunc(buf[:n], func(r rune) bool { return r == 0 }) {
		v, err := unix.Getxattr(path, string(k), value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %s: %w", k, err)
		}
		all[string(k)] = bytes.Clone(value[:v])
	}
	return all, nil
}
