// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestScripts runs testdata/*.test, which testdata/README.md explains.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".test"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s := script{t: t, name: name, layout: newLayout()}
			for i, line := range strings.Split(string(text), "\n") {
				s.line = i + 1
				s.run(strings.TrimLeft(line, " "))
			}
		})
	}
}

// script is a test file that is being run.
type script struct {
	t      *testing.T
	name   string
	line   int
	layout *layout
}

func (s *script) errorf(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("%s:%d: "+format, append([]any{s.name, s.line}, args...)...)
}

func (s *script) run(line string) {
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "row":
		s.layout = newLayout()
		s.declare(EventScope, false, rest)
	case "packet":
		s.declare(PacketScope, false, rest)
	case "const":
		s.declare(EventScope, true, rest)
	case "yes", "no":
		s.match(View, rest, verb == "yes")
	case "lttng-yes", "lttng-no":
		s.match(LTTng, rest, verb == "lttng-yes")
	case "bad", "bad-quoted", "lttng-refused":
		s.bad(verb, rest)
	case "prints", "folds":
		s.prints(verb, rest)
	case "problem":
		s.problem(rest)
	default:
		s.errorf("unknown verb %q", verb)
	}
}

func (s *script) declare(scope Scope, constant bool, text string) {
	if err := s.layout.declare(scope, constant, text); err != nil {
		s.t.Fatalf("%s:%d: %v", s.name, s.line, err)
	}
}

// parse returns nil if the expression is wrong, which it reports.
func (s *script) parse(text string) *Expr {
	e, err := Parse(text)
	if err != nil {
		s.errorf("Parse(%s): %v", text, err)
		return nil
	}
	return e
}

func (s *script) compile(d Dialect, text string) *Program {
	e := s.parse(text)
	if e == nil {
		return nil
	}
	p, err := Compile(e, d, s.layout.resolve)
	if err != nil {
		s.errorf("Compile(%s): %v", text, err)
		return nil
	}
	return p
}

func (s *script) match(d Dialect, text string, want bool) {
	p := s.compile(d, text)
	if p == nil {
		return
	}
	if got := p.Match(&s.layout.row); got != want {
		s.errorf("%s: match = %v, want %v", text, got, want)
	}
	if d == View {
		if got := s.layout.truth(s.parse(text).root) == yes; got != want {
			s.errorf("%s: reference = %v, want %v", text, got, want)
		}
	}
	if got, ok := p.Constant(); ok && got != want {
		s.errorf("%s: constant = %v, want %v", text, got, want)
	}
}

func (s *script) bad(verb, rest string) {
	at, text, _ := strings.Cut(rest, " ")
	want, err := strconv.Atoi(at)
	if err != nil {
		s.t.Fatalf("%s:%d: %v", s.name, s.line, err)
	}
	if verb == "bad-quoted" {
		if text, err = strconv.Unquote(text); err != nil {
			s.t.Fatalf("%s:%d: %v", s.name, s.line, err)
		}
	}
	e, err := Parse(text)
	if verb == "lttng-refused" && err == nil {
		_, err = Compile(e, LTTng, s.layout.resolve)
	}
	got, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		s.errorf("%s: error = %v, want one at %d", text, err, want)
	case got.Offset != want:
		s.errorf("%s: offset %d, want %d (%v)\n%s", text, got.Offset, want, got, got.Caret())
	}
}

func (s *script) prints(verb, rest string) {
	text, want, _ := strings.Cut(rest, " => ")
	e := s.parse(text)
	if e == nil {
		return
	}
	if verb == "folds" {
		e = e.Fold()
	}
	if got := e.String(); got != want {
		s.errorf("%s %s = %s, want %s", text, verb, got, want)
	}
	if again := s.parse(want); again != nil && again.String() != want {
		s.errorf("%s reads as %s", want, again)
	}
}

func (s *script) problem(rest string) {
	text, want, _ := strings.Cut(rest, " =>")
	p := s.compile(View, text)
	if p == nil {
		return
	}
	var got []string
	for _, problem := range p.Problems() {
		got = append(got, problem.String())
	}
	if got := strings.Join(got, "; "); got != strings.TrimSpace(want) {
		s.errorf("%s: problems %q, want %q", text, got, strings.TrimSpace(want))
	}
}
