// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tcpowner

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// tables are the kernel's lists of the sockets of this network namespace.
var tables = [...]string{"/proc/net/tcp", "/proc/net/tcp6"}

// Owner returns the user whose process has the socket of a connection, with the two
// addresses as that process sees them. It is not found where the process is on another
// host, or has closed it.
func Owner(local, remote netip.AddrPort) (uid uint32, found bool, err error) {
	for _, table := range tables {
		f, err := os.Open(table)
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		if err != nil {
			return 0, false, err
		}
		uid, found, err := Find(f, local, remote)
		f.Close()
		if err != nil {
			return 0, false, fmt.Errorf("%s: %w", table, err)
		}
		if found {
			return uid, true, nil
		}
	}
	return 0, false, nil
}

// Columns of a table.
const (
	columnLocal  = 1
	columnRemote = 2
	columnUID    = 7
	columnInode  = 9
	columns      = 10
)

// Find is Owner for one table. A socket without an inode has no process any more: the
// kernel then tells root for its owner.
func Find(table io.Reader, local, remote netip.AddrPort) (uid uint32, found bool, err error) {
	s := bufio.NewScanner(table)
	for line := 1; s.Scan(); line++ {
		f := strings.Fields(s.Text())
		if line == 1 { // headings
			continue
		}
		if len(f) < columns {
			return 0, false, fmt.Errorf("line %d: %d columns, want %d at least", line, len(f), columns)
		}
		l, err := parseAddress(f[columnLocal])
		if err != nil {
			return 0, false, fmt.Errorf("line %d: %w", line, err)
		}
		r, err := parseAddress(f[columnRemote])
		if err != nil {
			return 0, false, fmt.Errorf("line %d: %w", line, err)
		}
		if l != plain(local) || r != plain(remote) || f[columnInode] == "0" {
			continue
		}
		n, err := strconv.ParseUint(f[columnUID], 10, 32)
		if err != nil {
			return 0, false, fmt.Errorf("line %d: user: %w", line, err)
		}
		return uint32(n), true, nil
	}
	return 0, false, s.Err()
}

// plain makes addresses comparable: an IPv4 address within IPv6 is one of IPv4, and
// tables know no zones.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// parseAddress parses an address of a table: words of 32 bits in the host's order, a
// colon, the port.
func parseAddress(text string) (netip.AddrPort, error) {
	words, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(words)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q: want 8 or 32 hex digits, a colon and a port", text)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: port: %w", text, err)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b) // of a size that there is
	return plain(netip.AddrPortFrom(a, uint16(n))), nil
}
