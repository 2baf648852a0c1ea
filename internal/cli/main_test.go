// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestMainExitCodes(t *testing.T) {
	tests := []struct {
		args []string
		want int
	}{
		{[]string{"weir", "version"}, 0},
		{[]string{"/usr/bin/weir", "--version"}, 0},
		{[]string{"weir", "nosuch"}, 2},
		{[]string{"weir", "config", "check", "--config", t.TempDir()}, 1},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		if got := Main(tt.args, &stdout, &stderr); got != tt.want {
			t.Errorf("Main(%q) = %d, want %d; stderr %q", tt.args, got, tt.want, &stderr)
		}
		if lines := bytes.Count(stderr.Bytes(), []byte("\n")); (tt.want == 0) != (lines == 0) || lines > 1 {
			t.Errorf("Main(%q) wrote %d lines to standard error: %q", tt.args, lines, &stderr)
		}
	}
}

// The name that the program was called by decides who it is.
func TestProgram(t *testing.T) {
	tests := map[string]bool{
		"weir": false, "/usr/bin/weir": false, "lttng-relayd": true, "/usr/bin/lttng-relayd": true,
		"/src/.libs/lt-lttng-relayd": true, "lttng-relayd-old": false, "lttng-sessiond": false,
		"xmlsysd": true, "/usr/sbin/xmlsysd": true,
		"wulfstat": true, "/usr/bin/wulflogger": true,
	}
	for name, want := range tests {
		if got := program(name) != nil; got != want {
			t.Errorf("program(%q) found %v, want %v", name, got, want)
		}
	}
}

func TestExitError(t *testing.T) {
	cause := errors.New("cause")
	e := &exitError{code: 3, err: cause}
	if !errors.Is(e, cause) || e.Error() != "cause" {
		t.Errorf("exitError = %v, want its cause", e)
	}
	if got, want := (&exitError{code: 3}).Error(), "exit code 3"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := oneLine(errors.Join(cause, fmt.Errorf("a\n\nb"))), "cause; a; b"; got != want {
		t.Errorf("oneLine = %q, want %q", got, want)
	}
}

// A person finds every command by its help: what, how, and one example.
func TestEveryCommandIsExplained(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || !c.Hidden && (c.Long == "" || c.Example == "") {
			t.Errorf("%s: Short %q, Long of %d and Example of %d characters, want all three", c.CommandPath(), c.Short, len(c.Long), len(c.Example))
		}
		if c.Run == nil && c.RunE == nil {
			t.Errorf("%s does nothing when it is called", c.CommandPath())
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRootCommand())
}

// What a command's usage line names it takes: the rule that refuses what nobody asked for must
// not refuse that.
func TestUsageIsAccepted(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		words := strings.Fields(c.Use)[1:]
		if i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "-") }); i >= 0 {
			words = words[:i] // flags and what belongs to them
		}
		if len(words) > 0 && c.ValidArgs == nil && !c.DisableFlagParsing {
			if err := c.Args(c, words); err != nil {
				t.Errorf("%s with %q, as in its usage: %v", c.CommandPath(), words, err)
			}
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	root := newRootCommand()
	prepare(root)
	walk(root)
}
