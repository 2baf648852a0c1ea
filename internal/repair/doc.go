// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package repair makes traces readable again whose host has crashed, or whose
// writer was killed, while they were written: it takes away what is behind the last
// whole packet, declaration and index record. What readers could have read stays.
//
// # What may be left behind
//
// A packet is written whole, its index record after it, and metadata before the first
// event that they declare. When the host crashes, each file is on the disk up to some
// byte of its own; a file system may have made it longer than what it has, with
// zeros: where these reach to the end of the last packet, that is not to be decoded from
// where they begin, and goes. Then an index may tell of packets that are not there, and
// metadata may lack events that packets have: these are told, and stay.
//
// # Limits
//
// Nobody may write the files: one that another process has open is left alone, on
// file systems that tell. Links are. What is in the middle of a packet is not seen
// but by reading all events, which is done at the end.
package repair
