// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolCmd is the kernel's struct ethtool_cmd, 44 bytes.
type ethtoolCmd struct {
	cmd       uint32
	_         [2]uint32 // supported, advertising
	speed     uint16
	_         [6]byte // duplex … mdio_support
	_         [2]uint32
	speedHigh uint16
	_         [2]byte
	_         [3]uint32
}

// ifreqData is the kernel's struct ifreq with a pointer.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// unknownSpeed is what drivers say of a link that is down.
const unknownSpeed = 0xffffffff

// Speed asks the driver of a link for its speed in Mb/s. It reports false where the
// driver does not know one. The driver may take its time.
func Speed(name string) (uint32, bool) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	cmd := &ethtoolCmd{cmd: unix.ETHTOOL_GSET}
	request := &ifreqData{data: unsafe.Pointer(cmd)}
	if copy(request.name[:unix.IFNAMSIZ-1], name) != len(name) {
		return 0, false
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(request)))
	runtime.KeepAlive(cmd)
	speed := uint32(cmd.speedHigh)<<16 | uint32(cmd.speed)
	return speed, errno == 0 && speed != unknownSpeed && speed != 0 && speed != 0xffff
}
