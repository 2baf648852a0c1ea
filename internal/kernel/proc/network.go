// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package proc

import "net"

// Interface is a network interface with one of its addresses.
type Interface struct {
	Name string
	IPv4 [4]byte // zeros: none
}

// SystemInterfaces asks the kernel for the interfaces of this process's name
// space: one entry for each address of version 4, or one without.
func SystemInterfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []Interface
	for i := range all {
		addresses, err := all[i].Addrs()
		if err != nil {
			continue // it is gone
		}
		entry, found := Interface{Name: all[i].Name}, false
		for _, a := range addresses {
			network, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if v4 := network.IP.To4(); v4 != nil {
				copy(entry.IPv4[:], v4)
				list, found = append(list, entry), true
			}
		}
		if !found {
			list = append(list, entry)
		}
	}
	return list, nil
}
