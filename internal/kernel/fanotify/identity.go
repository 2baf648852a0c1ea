// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kind is a kind of file system, by the magic number of statfs(2).
type Kind int64

// Kinds of file systems whose changes can be watched without doubt.
const (
	Ext4  Kind = unix.EXT4_SUPER_MAGIC
	XFS   Kind = unix.XFS_SUPER_MAGIC
	Btrfs Kind = unix.BTRFS_SUPER_MAGIC
	Tmpfs Kind = unix.TMPFS_MAGIC
)

// Kind tells what the file system is.
func (r *Root) Kind() (Kind, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(r.FD(), &st); err != nil {
		return 0, fmt.Errorf("%s: statfs: %w", r.Dir(), err)
	}
	return Kind(st.Type), nil
}

// FSID is what events of the file system carry in their handles.
func (r *Root) FSID() (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(r.FD(), &st); err != nil {
		return 0, fmt.Errorf("%s: statfs: %w", r.Dir(), err)
	}
	return uint64(uint32(st.Fsid.Val[0])) | uint64(uint32(st.Fsid.Val[1]))<<32, nil
}

// Requests for the UUID of a file system: FS_IOC_GETFSUUID of linux/fs.h, and that of
// btrfs, which has not got it.
const (
	ioctlUUID      = 0x80111500
	ioctlBtrfsInfo = 0x8400941f
)

// fsUUID is struct fsuuid2 of linux/fs.h.
type fsUUID struct {
	len  uint8
	uuid [16]byte
}

// btrfsInfo is the begin of struct btrfs_ioctl_fs_info_args, which has 1024 bytes.
type btrfsInfo struct {
	maxID, devices uint64
	uuid           [16]byte
	rest           [1024 - 32]byte
}

// UUID is the file system's own: it stays when it is mounted anew, but for tmpfs,
// which is made anew at each mount.
func (r *Root) UUID() ([16]byte, error) {
	var u fsUUID
	err := ioctl(r.FD(), ioctlUUID, unsafe.Pointer(&u))
	if err == nil && u.len == 16 {
		if u.uuid == [16]byte{} { // of ext4; another may have it, too
			return u.uuid, &UnsupportedError{
				fmt.Sprintf("UUID of the file system at %s, which is all zeros (tune2fs -U random gives it one)", r.Dir()), errors.ErrUnsupported,
			}
		}
		return u.uuid, nil
	}
	var b btrfsInfo
	if btrfsErr := ioctl(r.FD(), ioctlBtrfsInfo, unsafe.Pointer(&b)); btrfsErr == nil {
		return b.uuid, nil
	}
	return [16]byte{}, &UnsupportedError{fmt.Sprintf("UUID of the file system at %s", r.Dir()), err}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
