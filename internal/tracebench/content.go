// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-io/weir/client/agent"
	"github.com/weir-io/weir/internal/bench"
	"github.com/weir-io/weir/internal/benchproc"
)

// happened is an event, as far as both recorders say the same of it.
type happened struct {
	cpu, tid int
	name     string
}

// multiset counts what has happened.
type multiset map[happened]int

// content records a load with both recorders at once, and compares what they have
// of its threads: these live when both record, from their first event to their
// last.
func (b *Bench) content(ctx context.Context) (_ []bench.Row, err error) {
	if b.TraceCmd == "" {
		return nil, nil
	}
	dir, err := os.MkdirTemp(b.scratch, "trace-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var ours, theirs multiset
	err = b.withDaemon(ctx, func(d *daemon) (err error) {
		out := filepath.Join(dir, "out")
		s, err := d.open(ctx, wanted{
			rules: []agent.EventRule{rule(agent.AllEvents, "*")}, context: []string{"tid"}, naming: "tracefs", to: out,
			// The kernel counts what happens between the event of a switch and the
			// switch itself to the thread that comes: each recorder would lack
			// what the load does when it makes room for that one's own threads.
			self: true,
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		if err := s.start(ctx); err != nil {
			return err
		}
		t, err := b.startTraceCmd(ctx, []string{"all"}, contentRing, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		tids, err := b.shortLife(ctx, Load{Kind: Storm, Count: b.sizes.content})
		if err != nil {
			return err
		}
		r, err := t.stop()
		if err != nil {
			return err
		}
		if err := s.stop(ctx); err != nil {
			return err
		}
		n, err := s.counts(ctx)
		if err != nil {
			return err
		}
		if n.discarded > 0 || r.lost > 0 {
			return fmt.Errorf("lost events cannot be compared: weir %d, trace-cmd %d", n.discarded, r.lost)
		}
		if ours, err = b.readOurs(ctx, out, tids); err != nil {
			return err
		}
		theirs, err = b.readTheirs(ctx, t.file, tids)
		return err
	})
	if err != nil {
		return nil, err
	}
	row := bench.Row{Name: "content: events that differ", Unit: "events", Runs: 1, Bar: &bench.Bar{Most: true}}
	var all int
	for _, n := range ours {
		all += n
	}
	different, first := difference(ours, theirs)
	row.Weir, row.Note = float64(different), fmt.Sprintf("of %d of the load's, by processor, thread and name%s", all, first)
	if all == 0 {
		return nil, errors.New("no event of the load's")
	}
	return []bench.Row{row}, nil
}

// contentRing is large enough for trace-cmd to lose nothing.
const contentRing = 64 << 20

// shortLife runs a load and returns the threads that it had.
func (b *Bench) shortLife(ctx context.Context, l Load) ([]int, error) {
	g, err := b.startLoad(l)
	if err != nil {
		return nil, err
	}
	defer g.end()
	_, _, err = g.run(ctx)
	return g.tids, err
}

// difference returns how many events only one of two has, and the first kind.
func difference(a, b multiset) (n int, first string) {
	kinds := make(map[happened]bool)
	for k := range a {
		kinds[k] = true
	}
	for k := range b {
		kinds[k] = true
	}
	var words []string
	for k := range kinds {
		if d := a[k] - b[k]; d != 0 {
			n += max(d, -d)
			words = append(words, fmt.Sprintf("%s of thread %d on processor %d: %d and %d", k.name, k.tid, k.cpu, a[k], b[k]))
		}
	}
	if n > 0 {
		slices.Sort(words)
		first = "; " + strings.Join(words[:min(3, len(words))], ", ")
	}
	return n, first
}

// readOurs counts the events of threads in a trace of weir's.
func (b *Bench) readOurs(ctx context.Context, dir string, tids []int) (multiset, error) {
	all := multiset{}
	err := b.lines(ctx, func(out io.Reader) error {
		r := csv.NewReader(out)
		r.ReuseRecord = true
		for first := true; ; first = false {
			cells, err := r.Read()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if first || cells[1] == "" { // the state of the host has no thread
				continue
			}
			cpu, err1 := strconv.Atoi(cells[0])
			tid, err2 := strconv.Atoi(cells[1])
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if slices.Contains(tids, tid) {
				_, name, _ := strings.Cut(cells[2], ":")
				all[happened{cpu, tid, name}]++
			}
		}
	}, b.Weir, "view", "--no-progress", "--output", "csv", "--fields", "cpu,context.tid,name", dir)
	return all, err
}

// readTheirs counts the events of threads in a file of trace-cmd's.
func (b *Bench) readTheirs(ctx context.Context, file string, tids []int) (multiset, error) {
	all := multiset{}
	err := b.lines(ctx, func(out io.Reader) error {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			h, ok := parseReported(lines.Text())
			if ok && slices.Contains(tids, h.tid) {
				all[h]++
			}
		}
		return lines.Err()
	}, b.TraceCmd, "report", "-R", "-q", "-i", file)
	return all, err
}

// reported is a line of "trace-cmd report": COMM-TID [CPU] TIME: NAME: …
var reported = regexp.MustCompile(`^.*-(\d+) +\[(\d+)\] .*?\d+\.\d+: ([a-zA-Z_]\w*):( |$)`)

func parseReported(line string) (h happened, ok bool) {
	m := reported.FindStringSubmatch(line)
	if m == nil {
		return h, false
	}
	tid, err1 := strconv.Atoi(m[1])
	cpu, err2 := strconv.Atoi(m[2])
	return happened{cpu, tid, m[3]}, errors.Join(err1, err2) == nil
}

// lines runs a program and reads what it prints.
func (b *Bench) lines(ctx context.Context, read func(io.Reader) error, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint benchproc.Tail
	c.Stderr = &complaint
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	err = read(out)
	if err != nil {
		_ = c.Process.Kill()
	}
	if werr := c.Wait(); werr != nil && err == nil {
		err = fmt.Errorf("%w (%s)", werr, complaint.LastLine())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv[:2], " "), err)
	}
	return nil
}
