// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/packet"
	"github.com/weir-io/weir/internal/flow/topology"
)

// TestSimulations runs the files of testdata, whose language README.md there tells.
func TestSimulations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{t: t, lines: strings.Split(string(data), "\n")}
			s.run()
		})
	}
}

// script is a test file that is being run.
type script struct {
	t     *testing.T
	lines []string
	at    int // number of the next line, from 0

	doc   string
	lab   *Lab
	frame map[string]station
}

// station is what a name stands for.
type station struct {
	mac  packet.MAC
	addr packet.IPv4
}

func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: %s", s.at, fmt.Sprintf(format, args...))
}

// next returns the next line that says something, without its comment.
func (s *script) next() (line string, indented, ok bool) {
	for s.at < len(s.lines) {
		line := s.lines[s.at]
		s.at++
		if i := strings.Index(line, "#"); i >= 0 {
			line = line[:i]
		}
		if strings.TrimSpace(line) != "" {
			return strings.TrimSpace(line), line[0] == ' ' || line[0] == '\t', true
		}
	}
	return "", false, false
}

func (s *script) run() {
	for {
		line, _, ok := s.next()
		if !ok {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "topology":
			s.topology()
		case "change":
			s.change(rest)
		case "send":
			s.send(rest)
		default:
			s.fatalf("unknown verb %q", verb)
		}
	}
}

// topology reads a document: the lines up to "end".
func (s *script) topology() {
	var b strings.Builder
	for ; s.at < len(s.lines) && s.lines[s.at] != "end"; s.at++ {
		b.WriteString(s.lines[s.at] + "\n")
	}
	s.at++
	s.doc = b.String()
	s.load(s.doc)
}

// change begins anew with the document, in which a text takes the place of another.
func (s *script) change(args string) {
	from, to, ok := strings.Cut(args, " => ")
	if !ok || strings.Count(s.doc, from) != 1 {
		s.fatalf("change: want TEXT => TEXT, the first once in the document; got %q, %d times", from, strings.Count(s.doc, from))
	}
	s.load(strings.Replace(s.doc, from, to, 1))
}

func (s *script) load(doc string) {
	d, err := topology.ReadDocument(strings.NewReader(doc))
	if err != nil {
		s.fatalf("%v", err)
	}
	if s.lab, err = New(d); err != nil {
		s.fatalf("%v", err)
	}
	s.frame = map[string]station{
		"all": {mac: packet.Broadcast, addr: packet.AllHosts}, "group": {mac: packet.MAC{1, 0, 0x5e, 0, 0, 1}, addr: 0xe0000001},
	}
	for _, h := range s.lab.hosts {
		s.frame[h.name] = station{h.mac, h.addr}
	}
	for _, p := range d.Ports {
		if !p.MAC.IsZero() {
			s.frame[p.Name] = station{p.MAC, packet.FromAddr(p.Address.Addr())}
		}
	}
}

// send plays a frame and compares what became of it with the lines below, which are
// indented.
func (s *script) send(args string) {
	line := s.at
	port, text, _ := strings.Cut(args, " ")
	step, err := s.lab.Play(port, s.parse(text))
	if err != nil {
		s.fatalf("%v", err)
	}
	var deliveries []string
	for s.at < len(s.lines) {
		before := s.at
		expect, indented, ok := s.next()
		if !ok || !indented {
			s.at = before
			break
		}
		verb, rest, _ := strings.Cut(expect, " ")
		switch verb {
		case "result":
			if got := s.result(step, rest); got != rest {
				s.t.Errorf("line %d: result %s, want %s", s.at, got, rest)
			}
		case "hops":
			s.equal("hops", hopText(step.Hops), rest)
		case "reached":
			s.reached(step, rest)
		case "deliver":
			deliveries = append(deliveries, rest)
		case "event":
			s.event(step, rest)
		default:
			s.fatalf("unknown expectation %q", verb)
		}
	}
	s.deliveries(line, step, deliveries)
}

func (s *script) equal(what, got, want string) {
	if got != want {
		s.t.Errorf("line %d: %s\n got  %s\n want %s", s.at, what, got, want)
	}
}

// result is the result of a step, as exactly as it is wanted: with a reason, and that
// with a rule.
func (s *script) result(step *Step, want string) string {
	words := strings.Fields(want)
	got := []string{step.Result, string(step.Decided.Reason)}
	if step.Decided.Position > 0 {
		got = append(got, s.lab.names.Of(step.Decided.Chain)+":"+strconv.Itoa(step.Decided.Position))
	}
	return strings.Join(got[:min(len(words), len(got))], " ")
}

func hopText(hops []Hop) string {
	var b []string
	for _, h := range hops {
		b = append(b, h.Dir+":"+h.Port)
	}
	return strings.Join(b, " ")
}

// reached compares how often filters were reached: NAME=N, those of devices alone if
// no port is among them.
func (s *script) reached(step *Step, want string) {
	for _, w := range strings.Fields(want) {
		name, n, _ := strings.Cut(w, "=")
		if got := strconv.Itoa(step.FilterReached[name]); got != n {
			s.t.Errorf("line %d: filters of %s were reached %s times, want %s", s.at, name, got, n)
		}
	}
}

// event looks for a record whose JSON has all the words.
func (s *script) event(step *Step, want string) {
	negated := strings.HasPrefix(want, "no ")
	words := strings.Fields(strings.TrimPrefix(want, "no "))
	var all []string
	found := false
	for i := range step.Events {
		b, _ := step.Events[i].MarshalJSON()
		all = append(all, string(b))
		found = found || !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(string(b), w) })
	}
	if found == negated {
		s.t.Errorf("line %d: event %s: found %v, among\n%s", s.at, want, found, strings.Join(all, "\n"))
	}
}

// deliveries compares what was delivered.
func (s *script) deliveries(line int, step *Step, want []string) {
	for i := range max(len(want), len(step.Delivered)) {
		var got, expected, text string
		if i < len(step.Delivered) {
			d := &step.Delivered[i]
			got = fmt.Sprintf("%s %x generated=%v", d.Port, d.Frame, d.Generated)
			text = d.describe()
		}
		if i < len(want) {
			port, frame, _ := strings.Cut(want[i], " ")
			frame, made := strings.CutSuffix(frame, " generated")
			expected = fmt.Sprintf("%s %x generated=%v", port, s.parse(frame), made)
		}
		if got != expected {
			s.t.Errorf("line %d: delivery %d\n got  %s\n want %s\n got in words: %s", line, i+1, got, expected, text)
		}
	}
}

// parse makes a frame of words.
func (s *script) parse(text string) []byte {
	w := &words{s: s, left: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))}
	if w.peek() == "hex" {
		w.take()
		b, err := hex.DecodeString(w.take())
		if err != nil {
			s.fatalf("%v", err)
		}
		return b
	}
	w.want("eth")
	r := packet.Route{EthSrc: w.mac()}
	w.want(">")
	r.EthDst = w.mac()
	var tags []uint16
	for w.peek() == "vlan" {
		w.take()
		tags = append(tags, uint16(w.number()))
	}
	frame := w.payload(r)
	if len(w.left) > 0 {
		s.fatalf("words left over: %v", w.left)
	}
	for _, tag := range slices.Backward(tags) {
		frame = edit(frame, func(m *packet.Match) { m.Push(tag) })
	}
	return frame
}

// edit rewrites headers of a frame.
func edit(frame []byte, change func(m *packet.Match)) []byte {
	var from packet.Match
	if err := from.Parse(frame); err != nil {
		panic(err)
	}
	to := from
	change(&to)
	return packet.AppendRewritten(nil, frame, &from, &to)
}

// words are the words of a frame that are left.
type words struct {
	s    *script
	left []string
}

func (w *words) peek() string {
	if len(w.left) == 0 {
		return ""
	}
	return w.left[0]
}

func (w *words) take() string {
	if len(w.left) == 0 {
		w.s.fatalf("the frame ends early")
	}
	word := w.left[0]
	w.left = w.left[1:]
	return word
}

func (w *words) want(word string) {
	if got := w.take(); got != word {
		w.s.fatalf("got %q, want %q", got, word)
	}
}

func (w *words) number() int {
	word := w.take()
	n, err := strconv.ParseInt(word, 0, 32)
	if err != nil {
		w.s.fatalf("%v", err)
	}
	return int(n)
}

func (w *words) mac() packet.MAC {
	word := w.take()
	if st, ok := w.s.frame[word]; ok {
		return st.mac
	}
	m, err := packet.ParseMAC(word)
	if err != nil {
		w.s.fatalf("%v", err)
	}
	return m
}

func (w *words) addr() packet.IPv4 { return w.address(w.take()) }

func (w *words) address(word string) packet.IPv4 {
	if st, ok := w.s.frame[word]; ok {
		return st.addr
	}
	a, err := netip.ParseAddr(word)
	if err != nil {
		w.s.fatalf("%v", err)
	}
	return packet.FromAddr(a)
}

// endpoint reads ADDR:PORT.
func (w *words) endpoint() (packet.IPv4, uint16) {
	word := w.take()
	i := strings.LastIndex(word, ":")
	if i < 0 {
		w.s.fatalf("got %q, want ADDR:PORT", word)
	}
	n, err := strconv.ParseUint(word[i+1:], 10, 16)
	if err != nil {
		w.s.fatalf("%v", err)
	}
	return w.address(word[:i]), uint16(n)
}

// payload reads what is behind an Ethernet header.
func (w *words) payload(r packet.Route) []byte {
	kind := w.take()
	switch kind {
	case "arp":
		return w.arp(r)
	case "type":
		n := w.number()
		b := append(append([]byte(nil), r.EthDst[:]...), r.EthSrc[:]...)
		return append(binary.BigEndian.AppendUint16(b, uint16(n)), 1, 2, 3, 4)
	case "udp", "tcp":
		var sport, dport uint16
		r.Src, sport = w.endpoint()
		w.want(">")
		r.Dst, dport = w.endpoint()
		if kind == "udp" {
			return w.options(packet.AppendUDP(nil, r, sport, dport, []byte("data")))
		}
		return w.options(packet.AppendTCP(nil, r, sport, dport, 2))
	}
	r.Src = w.addr()
	w.want(">")
	r.Dst = w.addr()
	switch kind {
	case "ping", "pong":
		id := uint16(1)
		if w.peek() == "id" {
			w.take()
			id = uint16(w.number())
		}
		b := packet.AppendEchoRequest(nil, r, id, 1)
		if kind == "pong" {
			var m packet.Match
			_ = m.Parse(b)
			b = packet.AppendEchoReply(nil, r, b, &m)
		}
		return w.options(b)
	case "proto":
		return w.options(packet.AppendIPv4(nil, r, uint8(w.number()), []byte("data")))
	case "error":
		return w.options(w.icmpError(r))
	}
	w.s.fatalf("unknown kind of packet %q", kind)
	return nil
}

// arp reads "ask SPA for TPA" or "tell SPA to TPA", and the station that is told.
func (w *words) arp(r packet.Route) []byte {
	a := packet.ARP{SHA: r.EthSrc}
	switch verb := w.take(); verb {
	case "ask":
		a.Opcode, a.SPA = packet.ARPRequest, w.addr()
		w.want("for")
		a.TPA = w.addr()
	case "tell":
		a.Opcode, a.SPA = packet.ARPReply, w.addr()
		w.want("to")
		a.TPA, a.THA = w.addr(), r.EthDst
	default:
		w.s.fatalf("arp: got %q, want ask or tell", verb)
	}
	return packet.AppendARP(nil, r.EthDst, r.EthSrc, a)
}

// icmpError reads TYPE CODE ( PACKET ).
func (w *words) icmpError(r packet.Route) []byte {
	kind, code := uint8(w.number()), uint8(w.number())
	w.want("(")
	quoted := w.payload(packet.Route{})
	w.want(")")
	var m packet.Match
	if err := m.Parse(quoted); err != nil {
		w.s.fatalf("%v", err)
	}
	return packet.AppendICMPError(nil, r, kind, code, quoted, &m)
}

// options reads what differs from an ordinary packet.
func (w *words) options(frame []byte) []byte {
	for {
		switch w.peek() {
		case "ttl":
			w.take()
			ttl := uint8(w.number())
			frame = edit(frame, func(m *packet.Match) { m.TTL = ttl })
		case "tos":
			w.take()
			tos := uint8(w.number())
			frame = edit(frame, func(m *packet.Match) { m.TOS = tos })
		case "first", "later":
			flags := map[string]uint16{"first": 0x2000, "later": 0x2004}[w.take()]
			binary.BigEndian.PutUint16(frame[14+6:], flags)
			frame = edit(frame, func(m *packet.Match) { m.TTL-- }) // computes the checksum
			frame = edit(frame, func(m *packet.Match) { m.TTL++ })
		default:
			return frame
		}
	}
}
