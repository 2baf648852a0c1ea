// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/peer"
)

// ovn is ovn-trace's daemon with a network like that of benchNetwork.
type ovn struct {
	dir  string
	env  []string
	pids []int
	conn net.Conn
	dec  *json.Decoder
}

// newOVN starts the daemons in a directory of the test.
func newOVN(b *testing.B, rules, routes int) *ovn {
	b.Helper()
	server, tool, northd := peer.Need(b, "ovsdb-server"), peer.Need(b, "ovsdb-tool"), peer.Need(b, "ovn-northd")
	nbctl, trace := peer.Need(b, "ovn-nbctl"), peer.Need(b, "ovn-trace")
	dir, err := os.MkdirTemp("", "ovn") // names of sockets are short
	if err != nil {
		b.Fatal(err)
	}
	o := &ovn{dir: dir, env: append(os.Environ(), "OVN_RUNDIR="+dir, "OVS_RUNDIR="+dir, "OVN_LOGDIR="+dir, "OVS_LOGDIR="+dir)}
	b.Cleanup(o.stop)
	nb, sb := "unix:"+filepath.Join(dir, "nb.sock"), "unix:"+filepath.Join(dir, "sb.sock")
	for name, schema := range map[string]string{"nb": "/usr/share/ovn/ovn-nb.ovsschema", "sb": "/usr/share/ovn/ovn-sb.ovsschema"} {
		db := filepath.Join(dir, name+".db")
		o.run(b, tool, "create", db, schema)
		o.daemon(b, server, name, db, "--remote=p"+map[string]string{"nb": nb, "sb": sb}[name])
	}
	o.daemon(b, northd, "northd", "--ovnnb-db="+nb, "--ovnsb-db="+sb)
	args := strings.Fields(`ls-add b1 -- ls-add b2 -- lr-add r
		-- lrp-add r r1 02:00:00:00:00:01 10.0.0.1/24 -- lrp-add r r2 02:00:00:00:00:02 10.0.1.1/24
		-- lsp-add b1 b1r -- lsp-set-type b1r router -- lsp-set-addresses b1r router -- lsp-set-options b1r router-port=r1
		-- lsp-add b2 b2r -- lsp-set-type b2r router -- lsp-set-addresses b2r router -- lsp-set-options b2r router-port=r2
		-- lsp-add b1 w1 -- lsp-add b2 w2`)
	args = append(args, "--", "lsp-set-addresses", "w1", "02:00:00:00:00:0a 10.0.0.10", "--", "lsp-set-addresses", "w2", "02:00:00:00:00:0b 10.0.1.10")
	for i := range rules {
		args = append(args, "--", "acl-add", "b1", "from-lport", "1000", fmt.Sprintf("tcp.dst==%d", 1000+i), "drop")
	}
	for i := range routes {
		args = append(args, "--", "lr-route-add", "r", fmt.Sprintf("10.%d.%d.0/24", 100+i/250, i%250), "10.0.0.9")
	}
	o.run(b, nbctl, append([]string{"--db=" + nb, "--wait=sb"}, args...)...)
	o.daemon(b, trace, "trace", "--db="+sb)
	o.conn, err = net.Dial("unix", filepath.Join(dir, "trace.ctl"))
	if err != nil {
		b.Fatal(err)
	}
	o.dec = json.NewDecoder(o.conn)
	return o
}

func (o *ovn) run(b *testing.B, program string, args ...string) {
	b.Helper()
	c := exec.Command(program, args...)
	c.Env = o.env
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", program, err, out)
	}
}

// daemon starts a program that goes into the background by itself.
func (o *ovn) daemon(b *testing.B, program, name string, args ...string) {
	b.Helper()
	pidfile := filepath.Join(o.dir, name+".pid")
	o.run(b, program, append(args, "--detach", "--no-chdir", "--unixctl="+filepath.Join(o.dir, name+".ctl"), "--pidfile="+pidfile, "-vconsole:off")...)
	text, err := os.ReadFile(pidfile)
	if err != nil {
		b.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		b.Fatal(err)
	}
	o.pids = append(o.pids, pid)
}

// stop ends the daemons and removes what they wrote.
func (o *ovn) stop() {
	if o.conn != nil {
		_ = o.conn.Close()
	}
	for _, pid := range o.pids {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	_ = os.RemoveAll(o.dir)
}

// trace asks for the way of a packet, in the shortest form.
func (o *ovn) trace(b *testing.B) {
	b.Helper()
	request := map[string]any{"id": 0, "method": "trace", "params": []string{
		"--minimal", "b1",
		`inport=="w1" && eth.src==02:00:00:00:00:0a && eth.dst==02:00:00:00:00:01 && ip4.src==10.0.0.10 && ip4.dst==10.0.1.10 && ip.ttl==64 && tcp.src==40000 && tcp.dst==80`,
	}}
	if err := json.NewEncoder(o.conn).Encode(request); err != nil {
		b.Fatal(err)
	}
	var answer struct {
		Result string `json:"result"`
		Error  any    `json:"error"`
	}
	if err := o.dec.Decode(&answer); err != nil || !strings.Contains(answer.Result, `output("w2")`) {
		b.Fatalf("%v, %v: %s", err, answer.Error, answer.Result)
	}
}

// cpu is what the trace daemon has run.
func (o *ovn) cpu(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", o.pids[len(o.pids)-1]))
	if err != nil {
		b.Fatal(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	ticks := 0
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.Atoi(string(fields[i]))
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	const perTick = 10 * time.Millisecond
	return time.Duration(ticks) * perTick
}

// BenchmarkAgainstOVN takes the same packet through the same network by ovn-trace's
// daemon and by the simulator, in turn.
func BenchmarkAgainstOVN(b *testing.B) {
	o := newOVN(b, 20, 1000)
	n := benchNetwork(b, 20, 1000, 0)
	n.learned(b)
	k := &keeper{}
	c := NewContext(n.state)
	w1 := n.port(b, "w1")
	simulate := func(recorded bool) {
		c.Recorder, c.RecordAll = nil, recorded
		if recorded {
			k.records = k.records[:0]
			c.Recorder = k
		}
		if err := c.Ingress(n.Network, benchFrame, w1, 0); err != nil {
			b.Fatal(err)
		}
		if o := c.Run(); o != Forward {
			b.Fatal(o)
		}
	}
	const perTurn = 200 // packets of the simulator for each of ovn-trace
	var wall [3]time.Duration
	ovnCPU := o.cpu(b)
	for b.Loop() {
		start := time.Now()
		o.trace(b)
		wall[0] += time.Since(start)
		for i, recorded := range []bool{false, true} {
			start = time.Now()
			for range perTurn {
				simulate(recorded)
			}
			wall[i+1] += time.Since(start)
		}
	}
	rate := func(d time.Duration, packets int) float64 { return float64(packets) / d.Seconds() }
	them := rate(wall[0], b.N)
	b.ReportMetric(them, "ovn-packets/s")
	b.ReportMetric(rate(wall[1], b.N*perTurn)/them, "x")
	b.ReportMetric(rate(wall[2], b.N*perTurn)/them, "x-with-records")
	if spent := o.cpu(b) - ovnCPU; spent > 0 {
		b.ReportMetric(rate(spent, b.N), "ovn-packets/cpu-s")
	}
}
