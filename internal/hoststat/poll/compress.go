// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/xmlsysd"
)

// Compression says when hosts are asked to compress their messages.
type Compression string

// Ways of compression. Compressing costs a host more than reading what it sends,
// so that it pays on long ways only: see reference section 12.
const (
	CompressAuto Compression = "auto" // by zstd, if the host is further away than farAway
	CompressNone Compression = "none"
	CompressGzip Compression = "gzip"
	CompressZstd Compression = "zstd"
)

// Compressions lists the ways.
func Compressions() []string {
	return []string{string(CompressAuto), string(CompressNone), string(CompressGzip), string(CompressZstd)}
}

// farAway is the round trip from which on messages are compressed by themselves.
const farAway = 20 * time.Millisecond

// planKey is what the lines that begin a session depend on.
type planKey struct {
	want   Want
	packed bool
}

// line has messages compressed.
func (z Compression) line(packed bool) string {
	if !packed {
		return ""
	}
	if z == CompressGzip {
		return "compress " + xmlsysd.Gzip.String() + "\n"
	}
	return "compress " + xmlsysd.Zstd.String() + "\n"
}

// measure decides with the first message whether the next ones are asked for
// compressed. A daemon of 2002 does not do so, and goes on as before.
func (l *link) measure() {
	if l.measured || l.c.cfg.Compress != CompressAuto || l.secure != nil {
		return
	}
	l.measured = true
	if l.c.cfg.RTT(l.fd) > farAway {
		l.pack()
	}
}

// pack has the selection sent again with the next request, with compression.
func (l *link) pack() { l.packed, l.begun = true, false }

// roundTrip is the time that the kernel has measured to the peer of a socket; 0 if
// it has none.
func roundTrip(fd int) time.Duration {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Rtt) * time.Microsecond
}
