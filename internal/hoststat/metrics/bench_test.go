// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/hoststat"
	"github.com/weir-io/weir/internal/procstat"
	"github.com/weir-io/weir/internal/wait"
)

// serveEnv makes the test program serve the view of node_exporter's names until it
// is killed: a process of its own has a CPU time of its own.
const serveEnv = "WEIR_TEST_SERVE_METRICS"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		serve()
	}
	os.Exit(m.Run())
}

// serve prints its address and serves.
func serve() {
	e, err := hoststat.New(hoststat.Options{MinInterval: -1})
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	server := &http.Server{Handler: New(Options{Engine: e}).Node, ReadHeaderTimeout: wait.Patience}
	panic(server.Serve(l))
}

// side is one of two programs that are compared.
type side struct {
	url string
	pid int
	cpu []float64 // by block, in us a scrape
}

// block scrapes many times on one connection, and adds the CPU time of the program.
func (s *side) block(b *testing.B, client *http.Client, scrapes int) {
	b.Helper()
	before, err := procstat.ReadClock(procstat.Host(), s.pid)
	if err != nil {
		b.Fatal(err)
	}
	for range scrapes {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.url, nil)
		if err != nil {
			b.Fatal(err)
		}
		r, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if err != nil || n < 10000 {
			b.Fatalf("%s: %d bytes, %v", s.url, n, err)
		}
	}
	after, err := procstat.ReadClock(procstat.Host(), s.pid)
	if err != nil {
		b.Fatal(err)
	}
	s.cpu = append(s.cpu, float64(after.Since(before))/float64(time.Microsecond)/float64(scrapes))
}

// BenchmarkAgainstNodeExporter compares the CPU time of a scrape, by HTTP, with that
// of node_exporter with its defaults, which are what the view shows. Blocks of either follow each other.
func BenchmarkAgainstNodeExporter(b *testing.B) {
	x := newExporter(b)
	own := exec.Command(os.Args[0])
	own.Env = append(os.Environ(), serveEnv+"=1")
	out, err := own.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := own.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = own.Process.Kill()
		_ = own.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	weir := &side{url: "http://" + strings.TrimSpace(address) + "/metrics/node", pid: own.Process.Pid}
	peer := &side{url: x.url, pid: x.pid}
	client := &http.Client{Timeout: wait.Patience, Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	const scrapes = 100
	for _, s := range []*side{weir, peer} { // warm
		s.block(b, client, scrapes)
		s.cpu = nil
	}
	for b.Loop() {
		weir.block(b, client, scrapes)
		peer.block(b, client, scrapes)
	}
	ours, theirs := bench.Median(weir.cpu), bench.Median(peer.cpu)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours, "weir-us/scrape")
	b.ReportMetric(theirs, "node-us/scrape")
	b.ReportMetric(theirs/ours, "times")
	b.Logf("%s", bench.Machine())
}

// BenchmarkFleet makes the exposition of a thousand hosts of their messages, each
// what this host tells who asks for all that is shown.
func BenchmarkFleet(b *testing.B) {
	e, err := hoststat.New(hoststat.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	body := messageOf(b, e)
	const hosts = 1000
	names := make([]string, hosts)
	for i := range names {
		names[i] = fmt.Sprintf("node%04d", i)
	}
	s := New(Options{Engine: e, Fleet: func(yield func(string, []byte) bool) {
		for _, name := range names {
			if !yield(name, body) {
				return
			}
		}
	}})
	b.Cleanup(s.Close)
	for view, h := range map[string]http.Handler{"native": s.Native, "node": s.Node} {
		b.Run(view, func(b *testing.B) {
			size := 0
			for b.Loop() {
				size = get(b, h, "/metrics").Body.Len()
			}
			b.ReportMetric(float64(len(body)), "message-bytes/host")
			b.ReportMetric(float64(size)/hosts, "bytes/host")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/hosts, "us/host")
		})
	}
}
