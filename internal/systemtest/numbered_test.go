// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/relaytest"
	"github.com/weir-io/weir/lttng"
)

// producer is weir's own one, with packets that each hold one event, its number.
type producer struct {
	m        *machine
	session  *relay.Session
	data     []*relay.Stream
	metadata *relay.Stream
}

// produce opens a session at the relay under test.
func (m *machine) produce(o relay.Options) *producer {
	m.Helper()
	o.Hostname = hostName
	s, err := relay.Dial(m.Context(), m.relayAt(relayURL), lttng.URL{}, o)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(s.Abort)
	return &producer{m: m, session: s}
}

func (m *machine) relayAt(url string) lttng.URL {
	m.Helper()
	u, err := lttng.ParseURL(url)
	if err != nil {
		m.Fatal(err)
	}
	return u
}

// add adds streams ch_0, ch_1 and so on, and their metadata.
func (p *producer) add(streams int) {
	p.m.Helper()
	var options []relay.StreamOptions
	for i := range streams {
		options = append(options, relay.StreamOptions{Channel: fmt.Sprint("ch_", i), Path: "kernel", Instance: uint64(i)})
	}
	all, err := p.session.AddStreams(p.m.Context(), append(options, relay.StreamOptions{Channel: "metadata", Path: "kernel"})...)
	if err != nil {
		p.m.Fatal(err)
	}
	p.data, p.metadata = all[:streams], all[streams]
	p.describe()
}

// name begins the snapshot of that name.
func (p *producer) name(snapshot string) {
	p.m.Helper()
	if _, err := p.session.CreateChunk(p.m.Context(), relay.Chunk{Name: snapshot}); err != nil {
		p.m.Fatal(err)
	}
}

func (p *producer) describe() {
	p.m.Helper()
	if err := p.metadata.SendMetadata(p.m.Context(), relaytest.Metadata()); err != nil {
		p.m.Fatal(err)
	}
}

// send sends the packets from..to-1, of a size, of a stream.
func (p *producer) send(stream int, from, to uint64, size int) error {
	for n := from; n < to; n++ {
		x := relaytest.Index(0, stream, n, n, size)
		err := p.data[stream].SendPacket(p.m.Context(), relaytest.Packet(stream, n, size), ctf.PacketInfo{
			Has:  ctf.HasBegin | ctf.HasEnd | ctf.HasSequence,
			Size: x.PacketSize, ContentSize: x.ContentSize, Begin: x.TimestampBegin, End: x.TimestampEnd, Sequence: n,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *producer) mustSend(stream int, from, to uint64) {
	p.m.Helper()
	if err := p.send(stream, from, to, 4096); err != nil {
		p.m.Fatal(err)
	}
}

func (p *producer) close() {
	p.m.Helper()
	if err := p.session.Close(p.m.Context()); err != nil {
		p.m.Error(err)
	}
}

// rotate rotates, and waits until the relay says that it is done.
func (p *producer) rotate() { p.m.Helper(); p.turn(lttng.CloseMove) }

// clear does so and drops what was recorded.
func (p *producer) clear() { p.m.Helper(); p.turn(lttng.CloseDelete) }

func (p *producer) turn(command lttng.CloseCommand) {
	p.m.Helper()
	done, err := p.session.Rotate(p.m.Context(), relay.Rotation{
		Command: command, Metadata: func(*relay.Stream) []byte { return relaytest.Metadata() },
	})
	if err == nil {
		err = p.session.AwaitChunk(p.m.Context(), done.Old)
	}
	if err != nil {
		p.m.Fatal(err)
	}
}

var packetNumber = regexp.MustCompile(`test:packet:.* number = (\d+) `)

// printed returns the numbers in lines of babeltrace2, in order of size.
func (m *machine) printed(lines []string) []int {
	m.Helper()
	var all []int
	for _, line := range lines {
		if found := packetNumber.FindStringSubmatch(line); found != nil {
			n, err := strconv.Atoi(found[1])
			if err != nil {
				m.Fatal(err)
			}
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// wantNumbers reads a directory with babeltrace2 and checks that it holds the
// events from..to-1, each so many times.
func (m *machine) wantNumbers(dir string, from, to, times int) {
	m.Helper()
	out, errs, code := m.try("babeltrace2", dir)
	if code != 0 || errs != "" {
		m.Errorf("babeltrace2 %s: exit code %d\n%s", dir, code, lastLines(errs, 20))
	}
	m.compareNumbers(dir, m.printed(strings.Split(out, "\n")), from, to, times)
}

func (m *machine) compareNumbers(where string, got []int, from, to, times int) {
	m.Helper()
	var want []int
	for n := from; n < to; n++ {
		want = append(want, slices.Repeat([]int{n}, times)...)
	}
	if !slices.Equal(got, want) {
		m.Errorf("%s: %d events, want %d to %d %d times", where, len(got), from, to, times)
	}
}
