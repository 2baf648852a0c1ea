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
	duplex    uint8
	_         [5]byte // port … mdio_support
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

// Port is what a driver says of a link that is up.
type Port struct {
	Speed  uint32 // in Mb/s; 0: not known
	Duplex string // half, full or unknown
}

// PortOf asks the driver of a link. It reports false where there is nothing to ask
// about. The driver may take its time.
func PortOf(name string) (Port, bool) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Port{}, false
	}
	defer unix.Close(fd)
	cmd := &ethtoolCmd{cmd: unix.ETHTOOL_GSET}
	request := &ifreqData{data: unsafe.Pointer(cmd)}
	if copy(request.name[:unix.IFNAMSIZ-1], name) != len(name) {
		return Port{}, false
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(request)))
	runtime.KeepAlive(cmd)
	if errno != 0 {
		return Port{}, false
	}
	p := Port{Speed: uint32(cmd.speedHigh)<<16 | uint32(cmd.speed), Duplex: "unknown"}
	if p.Speed == unknownSpeed || p.Speed == unknownSpeed>>16 {
		p.Speed = 0
	}
	if int(cmd.duplex) < len(duplexes) {
		p.Duplex = duplexes[cmd.duplex]
	}
	return p, true
}

// duplexes are the kernel's numbers of them.
var duplexes = [...]string{"half", "full"}
