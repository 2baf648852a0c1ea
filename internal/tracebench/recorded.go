// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tracebench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/internal/benchproc"
)

// forkName is the event of a thread that is made.
const forkName = "sched_process_fork"

// findThreads completes the load's threads by those that they have made.
func (r *both) findThreads(ctx context.Context) error {
	var forks [][2]int
	isFork := func(name string, _ int) bool { return name == forkName }
	err := r.walk(ctx, isFork, func(_ happened, payload ctf.Value) error {
		parent, ok1 := payload.Field("parent_pid")
		child, ok2 := payload.Field("child_pid")
		if !ok1 || !ok2 {
			return fmt.Errorf("event %s has no threads", forkName)
		}
		forks = append(forks, [2]int{int(parent.Int()), int(child.Int())})
		return nil
	})
	for before := -1; before != len(r.tids); { // those of each processor come one behind the other
		before = len(r.tids)
		for _, f := range forks {
			r.tids.fork(f[0], f[1])
		}
	}
	return err
}

// readOurs hands on the events of the load in weir's trace.
func (r *both) readOurs(ctx context.Context, each func(happened, ctf.Value) error) error {
	return r.walk(ctx, func(_ string, tid int) bool { return r.tids[tid] }, each)
}

// interest reports whether an event of a name and a thread is of interest. Most are not.
type interest func(name string, tid int) bool

// walk hands on the events of interest of the kernel's in weir's trace, stream by
// stream.
func (r *both) walk(ctx context.Context, of interest, each func(happened, ctf.Value) error) error {
	t, err := ctf.OpenTrace(filepath.Join(r.ours, domain), ctf.Options{})
	if err != nil {
		return err
	}
	const window = 256 << 10
	for _, s := range t.Streams {
		c := ctf.NewCursor(s, window)
		err := walkStream(ctx, c, of, each)
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}

func walkStream(ctx context.Context, c *ctf.Cursor, of interest, each func(happened, ctf.Value) error) error {
	for {
		kind, err := c.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case kind == ctf.PacketBegin && ctx.Err() != nil:
			return context.Cause(ctx)
		case kind != ctf.EventRecord:
			continue
		}
		e := c.Event()
		_, name, ours := strings.Cut(e.Class.Name, ":")
		if !ours { // the state of the host
			continue
		}
		tid, ok := threadOf(e)
		if !ok {
			return fmt.Errorf("event %s has no thread", e.Class.Name)
		}
		if !of(name, tid) {
			continue
		}
		scope, ok1 := e.Scope(schema.PacketContext)
		cpu, ok2 := ctf.Value{}, false
		if ok1 {
			cpu, ok2 = scope.Field("cpu_id")
		}
		payload, ok3 := e.Scope(schema.EventPayload)
		if !ok2 || !ok3 {
			return fmt.Errorf("event %s has no processor or fields", e.Class.Name)
		}
		if err := each(happened{int(cpu.Uint()), tid, name}, payload); err != nil {
			return err
		}
	}
}

// threadOf is the one that an event happened in: the context of that name, since an
// event may have such a field, too.
func threadOf(e *ctf.Event) (int, bool) {
	tid, ok := ctf.Value{}, false
	if context, has := e.Scope(schema.EventContext); has {
		tid, ok = context.Field("tid")
	} else {
		tid, ok = e.Field("tid")
	}
	if !ok {
		return 0, false
	}
	return int(tid.Int()), true
}

// readTheirs hands on the events of the load in trace-cmd's file. What it prints of one
// may have line breaks. It prints those of the whole host: the first reading keeps the
// lines of the load for those that follow.
func (r *both) readTheirs(ctx context.Context, each func(happened, string) error) (err error) {
	kept := r.file + ".load"
	f, err := os.Open(kept)
	if err == nil {
		defer f.Close()
		return r.scan(f, io.Discard, each)
	}
	if f, err = os.Create(kept); err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(kept))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	err = r.b.lines(ctx, func(out io.Reader) error { return r.scan(out, w, each) }, r.b.TraceCmd, "report", "-R", "-q", "-i", r.file)
	return errors.Join(err, w.Flush())
}

// scan hands on the load's events among lines of "trace-cmd report", and writes their
// lines to kept.
func (r *both) scan(in io.Reader, kept io.Writer, each func(happened, string) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	var last happened
	var text string
	have := false
	flush := func() error {
		if !have {
			return nil
		}
		return each(last, text)
	}
	for lines.Scan() {
		if h, rest, begins := parseReported(lines.Text()); begins {
			if err := flush(); err != nil {
				return err
			}
			last, text, have = h, rest, r.tids[h.tid]
		} else if have {
			text += "\n" + lines.Text()
		}
		if !have {
			continue
		}
		if _, err := io.WriteString(kept, lines.Text()+"\n"); err != nil {
			return err
		}
	}
	return errors.Join(flush(), lines.Err())
}

// parseReported reads a line of "trace-cmd report" that begins an event, such as
// "COMM-TID [CPU] FLAGS TIME: NAME: …". Programs may be named like such a line's begin.
func parseReported(line string) (h happened, rest string, ok bool) {
	for from := 0; ; {
		at := strings.Index(line[from:], " [")
		if at < 0 {
			return h, "", false
		}
		from += at + len(" [")
		if h, rest, ok = parseBehindProcessor(line[from:]); !ok {
			continue
		}
		who := strings.TrimRight(line[:from-len(" [")], " ")
		tid, err := strconv.Atoi(who[strings.LastIndexByte(who, '-')+1:])
		if h.tid = tid; err == nil && len(who) > 0 && strings.Contains(who, "-") {
			return h, rest, true
		}
	}
}

// parseBehindProcessor reads "CPU] FLAGS TIME: NAME: …".
func parseBehindProcessor(s string) (h happened, rest string, ok bool) {
	number, s, _ := strings.Cut(s, "] ")
	when, s, ok := strings.Cut(s, ": ")
	if !ok {
		return h, "", false
	}
	name, rest, _ := strings.Cut(s, ":")
	if rest, ok = strings.CutPrefix(rest, " "); !ok && rest != "" || name == "" || strings.Contains(name, " ") {
		return h, "", false
	}
	if words := strings.Fields(when); len(words) == 0 || len(words) > 2 || !isTime(words[len(words)-1]) {
		return h, "", false
	}
	cpu, err := strconv.Atoi(number)
	return happened{cpu: cpu, name: name}, rest, err == nil
}

// isTime reports whether a word is seconds with a fraction.
func isTime(word string) bool {
	seconds, fraction, ok := strings.Cut(word, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && digits(seconds) && digits(fraction)
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
