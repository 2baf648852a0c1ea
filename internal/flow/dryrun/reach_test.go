// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package dryrun

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-io/weir/internal/flow/packet"
)

// stops makes a table of who is stopped by what.
func stops(m *Matrix) map[string]string {
	t := map[string]string{}
	for i := range m.Cells {
		if c := &m.Cells[i]; !c.Reached {
			t[c.From+" > "+c.To+" "+c.Probe] = c.Stopped.String()
		}
	}
	return t
}

const reachDocument = `{"bridges":[{"name":"lan"}],
	"routers":[{"name":"r","routes":[{"dst":"10.0.0.0/24","port":"r1"},{"dst":"10.0.1.0/24","port":"r2"},{"dst":"10.0.2.0/24","type":"BlackHole"}]}],
	"ports":[
		{"name":"lanr","device":"lan","peer":"r1"},{"name":"r1","device":"r","mac":"02:00:00:00:00:01","address":"10.0.0.1/24"},
		{"name":"r2","device":"r","mac":"02:00:00:00:00:02","address":"10.0.1.1/24","workload":{"mac":"02:00:00:00:00:0a","address":"10.0.1.10/24","gateway":"10.0.1.1"}},
		{"name":"w","device":"lan","inboundFilter":"ssh","workload":{"mac":"02:00:00:00:00:0b","address":"10.0.0.11/24","gateway":"10.0.0.1"}},
		{"name":"quiet","device":"lan","outboundFilter":"nothing","workload":{"mac":"02:00:00:00:00:0c","address":"10.0.0.12/24","gateway":"10.0.0.1"}},
		{"name":"lost","device":"lan","workload":{"mac":"02:00:00:00:00:0d","address":"10.0.2.13/24","gateway":"10.0.2.1"}}],
	"chains":[
		{"name":"ssh","rules":[{"type":"accept","condition":{"nwProto":17}},{"type":"drop","condition":{"nwProto":6,"tpDst":{"start":22,"end":22}}}]},
		{"name":"nothing","rules":[{"type":"drop"}]}]}`

func TestReach(t *testing.T) {
	d := document(t, reachDocument)
	probes, err := Probes(d)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(probes); got != "[icmp tcp/9 tcp/22 udp/9]" {
		t.Errorf("probes %s: want the port that a rule names, and others", got)
	}
	m, err := Reach(d, []Probe{{Proto: packet.ProtoTCP, DstPort: 22}, {Proto: packet.ProtoUDP, DstPort: 22}})
	if err != nil {
		t.Fatal(err)
	}
	// Nobody reaches quiet, which hears no ARP, nor can it reach anybody: it does not hear the answer. Lost has
	// a gateway that is not there, and is behind a black hole for the others.
	const hole, lost, quiet = "black-hole at r", "ARP: arp-unanswered", "ARP: rule 1 of chain nothing at quiet"
	want := map[string]string{
		"w > r2 tcp/22":     "rule 2 of chain ssh at w",
		"r2 > quiet tcp/22": quiet, "r2 > quiet udp/22": quiet,
	}
	for _, probe := range []string{"tcp/22", "udp/22"} {
		for _, to := range []string{"r2", "w", "lost"} {
			want["quiet > "+to+" "+probe] = quiet
		}
		want["w > quiet "+probe] = quiet
		for _, from := range []string{"r2", "w"} {
			want[from+" > lost "+probe] = hole
		}
		for _, to := range []string{"r2", "w", "quiet"} {
			want["lost > "+to+" "+probe] = lost
		}
	}
	want["w > lost tcp/22"] = "rule 2 of chain ssh at w"
	got := stops(m)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stops (-want +got)\n%s", diff)
	}
	if len(m.Cells) != 4*3*2 {
		t.Errorf("%d cells, want one for each of 4 workloads, 3 others and 2 probes", len(m.Cells))
	}
}

func TestDiff(t *testing.T) {
	before := document(t, reachDocument)
	after := document(t, strings.Replace(reachDocument, `"start":22,"end":22`, `"start":20,"end":20`, 1))
	probes, err := Probes(before, after)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Diff(before, after, probes)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := d.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	const want = `- w to r2, tcp/20: stopped by rule 2 of chain ssh at w, was delivered
+ w to r2, tcp/22: delivered, was stopped by rule 2 of chain ssh at w
~ w to lost, tcp/20: stopped by rule 2 of chain ssh at w, was stopped by black-hole at r
~ w to lost, tcp/22: stopped by black-hole at r, was stopped by rule 2 of chain ssh at w
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", text.String(), want)
	}
}

func TestLetters(t *testing.T) {
	for n, want := range map[int]string{0: "a", 25: "z", 26: "aa", 27: "ab", 52: "ba", 701: "zz", 702: "aaa"} {
		if got := letter(n); got != want {
			t.Errorf("letter(%d) = %s, want %s", n, got, want)
		}
	}
}

// matrixDocument is workloads on bridges around one router.
func matrixDocument(workloads, bridges int) string {
	var b, routes, ports strings.Builder
	for i := range bridges {
		fmt.Fprintf(&b, `{"name":"b%d"},`, i)
		fmt.Fprintf(&routes, `{"dst":"10.0.%d.0/24","port":"r%d"},`, i, i)
		fmt.Fprintf(&ports, `{"name":"b%dr","device":"b%d","peer":"r%d"},{"name":"r%d","device":"r","mac":"02:01:00:00:00:%02x","address":"10.0.%d.1/24"},`, i, i, i, i, i, i)
	}
	for i := range workloads {
		n := i % bridges
		fmt.Fprintf(&ports, `{"name":"w%d","device":"b%d","workload":{"mac":"02:00:00:00:%02x:%02x","address":"10.0.%d.%d/24","gateway":"10.0.%d.1"}},`, i, n, i>>8, i&0xff, n, 10+i/bridges, n)
	}
	cut := func(b *strings.Builder) string { return strings.TrimSuffix(b.String(), ",") }
	return `{"bridges":[` + cut(&b) + `],"routers":[{"name":"r","inboundFilter":"c","routes":[` + cut(&routes) + `]}],"ports":[` + cut(&ports) + `],
	"chains":[{"name":"c","rules":[{"type":"drop","condition":{"nwProto":6,"tpDst":{"start":22,"end":22}}},{"type":"drop","condition":{"nwProto":17}}]}]}`
}

// The whole matrix of 200 workloads, with reading the document.
func BenchmarkReach(b *testing.B) {
	for _, bridges := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("workloads=200/bridges=%d", bridges), func(b *testing.B) {
			text := matrixDocument(200, bridges)
			for b.Loop() {
				d := document(b, text)
				probes, err := Probes(d)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := Reach(d, probes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
