// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/weir-io/weir/client"
)

// none stands for a figure that is not known or does not apply.
const none = "-"

// table writes rows in columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(header...)
	return t
}

// row adds a row. Its error, the writer's, is returned by end.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) end() error { return t.w.Flush() }

// printable replaces what would move the cursor or break the table: names come
// from the wire.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return '?'
		}
		return r
	}, s)
}

// writeSessions prints the table of "weir sessions".
func writeSessions(w io.Writer, sessions []client.Session, now time.Time) error {
	t := newTable(w, "ID", "SESSION", "HOST", "STATE", "LIVE", "STREAMS", "PACKETS", "BYTES", "RATE", "VIEWERS", "AGE")
	for _, s := range sessions {
		live, streams, packets, rate := none, none, none, none
		bytes := s.Stored.Bytes
		if r := s.Received; r != nil {
			streams, packets = fmt.Sprint(r.Streams), fmt.Sprint(r.Packets)
			rate = rateText(r.Rate)
			live = "no"
		}
		if s.Live {
			live = "yes"
		}
		t.row(s.ID, s.Name, s.Host, string(s.State), live, streams, packets, bytesText(float64(bytes)), rate,
			fmt.Sprint(s.Viewers), ageText(now.Sub(s.Created)))
	}
	return t.end()
}

// writeSession prints "weir sessions show".
func writeSession(w io.Writer, d sessionDetails, now time.Time) error {
	s := d.Session
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s%s\n", name+":", printable(fmt.Sprintf(format, args...)))
	}
	line("Session", "%s on %s (%s)", s.Name, s.Host, s.ID)
	line("State", "%s", s.State)
	line("Directory", "%s", s.Directory)
	line("Created", "%s, %s ago", s.Created.Format(time.RFC3339), ageText(now.Sub(s.Created)))
	line("Stored", "%s in %d files, %d chunks", bytesText(float64(s.Stored.Bytes)), s.Stored.Files, s.Stored.Chunks)
	if r := s.Received; r != nil {
		line("Received", "%d packets, %s, %s; %d packets dropped, %d events discarded",
			r.Packets, bytesText(float64(r.Bytes)), rateText(r.Rate), r.DroppedPackets, r.DiscardedEvents)
		line("Viewers", "%d", s.Viewers)
	}
	for _, p := range s.Producers {
		line("Producer", "%s, protocol %s, live timer %v", p.Address, p.Protocol, time.Duration(p.LiveTimer)*time.Microsecond)
	}
	for _, e := range s.MetadataErrors {
		line("Metadata", "%s: %s", e.Trace, e.Message)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if err := writeStreams(w, d.Streams); err != nil {
		return err
	}
	return writeChunks(w, d.Chunks)
}

func writeStreams(w io.Writer, streams []client.Stream) error {
	if len(streams) == 0 {
		return nil
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	t := newTable(w, "STREAM", "TRACE", "CHANNEL", "PACKETS", "BYTES", "RATE", "DROPPED", "DISCARDED")
	for _, s := range streams {
		t.row(s.ID, s.Trace, s.Channel, fmt.Sprint(s.Packets), bytesText(float64(s.Bytes)), rateText(s.Rate),
			fmt.Sprint(s.DroppedPackets), fmt.Sprint(s.Discarded))
	}
	return t.end()
}

func writeChunks(w io.Writer, chunks []client.Chunk) error {
	if len(chunks) == 0 {
		return nil
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	t := newTable(w, "CHUNK", "STATE", "BYTES", "FILES")
	for _, c := range chunks {
		t.row(c.ID, string(c.State), bytesText(float64(c.Bytes)), fmt.Sprint(c.Files))
	}
	return t.end()
}

func rateText(r *client.Rate) string {
	if r == nil {
		return none
	}
	return bytesText(r.Bytes) + "/s"
}

// bytesText writes a size with three digits at most.
func bytesText(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1000 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if i == 0 || n >= 9.95 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// ageText writes a time span with its largest unit.
func ageText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return none
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	}
	return fmt.Sprintf("%dd", int(d/day))
}
