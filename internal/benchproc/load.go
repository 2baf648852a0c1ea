// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// loadEnd is how long a load may take to end once its input has.
const loadEnd = 10 * time.Second

// Load is a program that works when it is told. It says a line when it is ready, begins
// with a line of its input, and says another line when it is done: by itself, or when
// its input has ended.
type Load struct {
	p     *Process
	in    *os.File
	out   *os.File
	lines *bufio.Scanner
}

// StartLoad starts a program as a load, and returns what it says behind the word ready.
// The caller has to end it.
func (p Program) StartLoad(ready string) (l *Load, said string, err error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer stdin.Close()
	p.Stdin = stdin
	r, out, err := p.StartPiped()
	if err != nil {
		in.Close()
		return nil, "", err
	}
	l = &Load{p: r, in: in, out: out, lines: bufio.NewScanner(out)}
	if said, err = l.hear(ready); err != nil {
		l.End()
		return nil, "", err
	}
	return l, said, nil
}

// hear reads a line, and returns what stands behind a word.
func (l *Load) hear(word string) (string, error) {
	if !l.lines.Scan() {
		return "", l.p.Explain(errors.Join(fmt.Errorf("%s says nothing more", l.p.name), l.lines.Err()))
	}
	said, ok := strings.CutPrefix(l.lines.Text(), word)
	if !ok {
		return "", fmt.Errorf("%s: got %q, want %q", l.p.name, l.lines.Text(), word)
	}
	return strings.TrimSpace(said), nil
}

// Begin lets the load work.
func (l *Load) Begin() error {
	_, err := io.WriteString(l.in, "\n")
	return err
}

// Done waits until the load has worked, and returns what it says behind a word. It is
// killed when ctx ends.
func (l *Load) Done(ctx context.Context, word string) (said string, err error) {
	defer context.AfterFunc(ctx, l.p.Kill)()
	if said, err = l.hear(word); err != nil {
		return "", errors.Join(err, context.Cause(ctx))
	}
	return said, nil
}

// Stop ends the work of a load that has no other end, and returns as Done does.
func (l *Load) Stop(ctx context.Context, word string) (string, error) {
	if err := l.in.Close(); err != nil {
		return "", err
	}
	return l.Done(ctx, word)
}

// End ends the program, which is to end with its input.
func (l *Load) End() {
	_ = l.in.Close() // Stop may have
	defer l.out.Close()
	defer time.AfterFunc(loadEnd, l.p.Kill).Stop()
	_ = l.p.Status() // one that is ended before its time may end in any way
}
