// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package statbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
	"github.com/weir-io/weir/internal/procstat"
)

// scrapeLimit bounds a page, in bytes and in time.
const (
	scrapeLimit = 16 << 20
	scrapeTime  = 10 * time.Second
)

// endOfExporter ends node_exporter, which knows no end in order.
const endOfExporter = syscall.SIGTERM

// page is what a program serves to Prometheus.
type page struct {
	url string
	pid int
	cpu []float64 // µs of a scrape, of each run
}

// fetch reads the page on the client's one connection.
func (p *page) fetch(ctx context.Context, client *http.Client) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", p.url, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, scrapeLimit))
}

// run scrapes many times, and adds what one cost.
func (p *page) run(ctx context.Context, client *http.Client, scrapes int) error {
	before, err := procstat.ReadClock(procstat.Host(), p.pid)
	if err != nil {
		return err
	}
	for range scrapes {
		if _, err := p.fetch(ctx, client); err != nil {
			return err
		}
	}
	after, err := procstat.ReadClock(procstat.Host(), p.pid)
	p.cpu = append(p.cpu, float64(after.Since(before))/1e3/float64(scrapes))
	return err
}

// scrape measures /metrics/node in turn with node_exporter, which is made to show
// the same families, those of itself among them.
func (b *Bench) scrape(ctx context.Context) ([]bench.Row, error) {
	row := bench.Row{Name: "/metrics/node, a scrape", Unit: "µs of CPU", Bar: &bench.Bar{OfRatio: true, Most: true, Must: 0.125, Aim: 0.067}}
	d, err := b.startDaemon("--metrics", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	err = d.Explain(b.scrapeBoth(ctx, d, &row))
	return []bench.Row{row}, errors.Join(err, d.end())
}

func (b *Bench) scrapeBoth(ctx context.Context, d *daemon, row *bench.Row) (err error) {
	client := newScraper()
	defer client.CloseIdleConnections()
	own := page{url: d.metrics + "/node", pid: d.PID()}
	text, err := own.fetch(ctx, client)
	if err != nil {
		return err
	}
	pages := []*page{&own}
	if b.Exporter != "" {
		x, at, err := b.startExporter(ctx, collectors(text))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, x.End(endOfExporter)) }()
		pages = append(pages, &page{url: at, pid: x.PID()})
	}
	for _, p := range pages { // warm
		if err := p.run(ctx, client, b.sizes.scrapes); err != nil {
			return err
		}
		p.cpu = nil
	}
	for range b.Runs {
		for _, p := range pages {
			if err := p.run(ctx, client, b.sizes.scrapes); err != nil {
				return err
			}
		}
	}
	row.Set(own.cpu)
	row.Note = fmt.Sprintf("%d samples, %d bytes", samples(text), len(text))
	if len(pages) > 1 {
		other, err := pages[1].fetch(ctx, client)
		if err != nil {
			return err
		}
		row.Against("node_exporter", pages[1].cpu)
		row.Note += fmt.Sprintf("; node_exporter: %d, %d", samples(other), len(other))
	}
	return nil
}

// newScraper returns a client that asks as Prometheus does, on a connection that stays.
func newScraper() *http.Client {
	return &http.Client{Timeout: scrapeTime, Transport: &http.Transport{DisableCompression: true}}
}

// collector finds the names of node_exporter's collectors on a page.
var collector = regexp.MustCompile(`(?m)^node_scrape_collector_success\{collector="([a-z0-9_]+)"\}`)

// collectors are those that a page has.
func collectors(page []byte) []string {
	var names []string
	for _, m := range collector.FindAllSubmatch(page, -1) {
		names = append(names, string(m[1]))
	}
	slices.Sort(names)
	return names
}

// samples counts the lines that are no comments.
func samples(page []byte) (n int) {
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// startExporter starts node_exporter with some collectors and none of the others.
func (b *Bench) startExporter(ctx context.Context, names []string) (_ *benchproc.Process, url string, err error) {
	if len(names) == 0 {
		return nil, "", errors.New("weir's page names no collectors")
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	address := l.Addr().String()
	l.Close() // the exporter takes its place
	args := []string{b.Exporter, "--web.listen-address=" + address, "--collector.disable-defaults"}
	for _, n := range names {
		args = append(args, "--collector."+n)
	}
	x, err := benchproc.Program{Name: "node_exporter", Command: args, Dir: b.Dir}.Start()
	if err != nil {
		return nil, "", err
	}
	answers := func() bool {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}
	if err := x.Await(ctx, "it answers", answers); err != nil {
		return nil, "", errors.Join(err, x.End(endOfExporter))
	}
	return x, "http://" + address + "/metrics", nil
}

// readMetrics reads where a daemon serves metrics: a line "metrics at http://…/metrics, …".
func readMetrics(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	urls, ok := strings.CutPrefix(strings.TrimSpace(line), "metrics at ")
	if err != nil || !ok {
		return "", fmt.Errorf("weir xmlsysd says %q, want where the metrics are", line)
	}
	first, _, _ := strings.Cut(urls, ", ")
	return first, nil
}
