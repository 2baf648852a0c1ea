// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fanotify

import (
	"golang.org/x/sys/unix"
)

// Process is what the kernel tells of a process by its descriptor.
type Process struct {
	PID, PPID uint32
	UID, GID  uint32 // real
	FSUID     uint32
	FSGID     uint32
	Cgroup    uint64
	HasIDs    bool // UID to FSGID are known
	HasCgroup bool
}

// Bits of what PIDFD_GET_INFO is asked for and has answered.
const (
	pidfdIDs    = 1 << 0 // PIDFD_INFO_PID
	pidfdCreds  = 1 << 1 // PIDFD_INFO_CREDS
	pidfdCgroup = 1 << 2 // PIDFD_INFO_CGROUPID
)

// ProcessOf asks who a process descriptor stands for. The error is ESRCH where the
// process has ended and been waited for, and ENOTTY or EINVAL on kernels that do not
// tell.
func ProcessOf(pidfd int) (Process, error) {
	info := unix.PidfdInfo{Mask: pidfdIDs | pidfdCreds | pidfdCgroup}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil {
		return Process{}, err
	}
	return Process{
		PID: info.Pid, PPID: info.Ppid,
		UID: info.Ruid, GID: info.Rgid, FSUID: info.Fsuid, FSGID: info.Fsgid,
		Cgroup:    info.Cgroupid,
		HasIDs:    info.Mask&pidfdCreds != 0,
		HasCgroup: info.Mask&pidfdCgroup != 0,
	}, nil
}
