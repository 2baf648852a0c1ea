// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/internal/kernel/sockdiag"
)

// families of addresses: what they are called, and the file of their sockets.
var families = [...]struct {
	family     sockdiag.Family
	name, file string
}{{sockdiag.Inet, "v4", "net/udp"}, {sockdiag.Inet6, "v6", "net/udp6"}}

// udpQueues shows how many bytes wait in the sockets of UDP. The kernel goes through
// all of them to answer, so that no scrape may cause it. Socket monitoring tells it
// without making a text first; a kernel without it has the text only.
func (r *Reader) udpQueues(p *page) error {
	absent := 0
	for _, f := range families {
		q, err := r.queuesOf(f.family, f.file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			absent++
			continue
		case err != nil:
			return err
		}
		p.gauge("udp_queues", float64(q.Send), "queue", "tx", "ip", f.name)
		p.gauge("udp_queues", float64(q.Receive), "queue", "rx", "ip", f.name)
	}
	if absent == len(families) {
		return errAbsent
	}
	return nil
}

func (r *Reader) queuesOf(f sockdiag.Family, file string) (sockdiag.Queues, error) {
	path := r.proc(file)
	if r.queues != nil {
		var st unix.Stat_t // a kernel without the family has no file, but an empty answer
		if err := unix.Stat(path, &st); err != nil {
			return sockdiag.Queues{}, err
		}
		q, err := r.queues(f)
		if err == nil || !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EPROTONOSUPPORT) {
			return q, err
		}
	}
	b, err := reread.Read(0, path, nil)
	if err != nil {
		return sockdiag.Queues{}, err
	}
	return parseUDP(string(b))
}

// parseUDP adds the column "tx_queue:rx_queue" up, in hexadecimal digits.
func parseUDP(s string) (q sockdiag.Queues, err error) {
	const column = 4
	_, s, _ = strings.Cut(s, "\n") // heading
	for line := range strings.Lines(s) {
		fields := strings.Fields(line)
		if len(fields) <= column {
			return q, fmt.Errorf("sockets of UDP: %q, want columns", strings.TrimSpace(line))
		}
		send, receive, _ := strings.Cut(fields[column], ":")
		tx, err := strconv.ParseUint(send, 16, 64)
		if err != nil {
			return q, fmt.Errorf("sockets of UDP: %q: %w", fields[column], err)
		}
		rx, err := strconv.ParseUint(receive, 16, 64)
		if err != nil {
			return q, fmt.Errorf("sockets of UDP: %q: %w", fields[column], err)
		}
		q.Send += tx
		q.Receive += rx
	}
	return q, nil
}
