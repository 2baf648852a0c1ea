// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package packet knows the headers of frames: Ethernet with VLAN tags, ARP, IPv4,
// TCP, UDP and ICMP, as far as virtual bridges and routers look at them.
package packet
