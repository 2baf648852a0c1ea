// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// builder gathers one set of options. It lives as long as a call of Parse.
type builder struct {
	in    Input
	env   environ
	flags []Flag
	opts  Options

	urls    map[string][]candidate // by option, in order
	dynamic bool
	grouped bool
}

// candidate is a listener URL as it was given. Each one is checked, the last
// usable one counts.
type candidate struct {
	url      string
	fromFile bool
}

func newBuilder(in Input) *builder {
	b := &builder{in: in, env: newEnviron(in.Env), flags: Flags(), urls: map[string][]candidate{}}
	b.opts = Options{
		Home:    in.absolute(firstNonEmpty(b.env[envHome], b.env[envUserHome], in.UserHome)),
		GroupBy: GroupByHost, AllowClear: true, TracingGroup: defaultTracingGroup, HTTP: defaultHTTP,
		Given: map[string]bool{},
	}
	return b
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (b *builder) warn(format string, args ...any) {
	b.opts.Warnings = append(b.opts.Warnings, fmt.Sprintf(format, args...))
}

// readFiles applies the INI files. Only the one of --config has to exist and
// be readable.
func (b *builder) readFiles(settings []setting) error {
	defaults := []string{b.in.SystemINI}
	if b.opts.Home != "" {
		defaults = append(defaults, filepath.Join(b.opts.Home, homeINI))
	}
	for _, path := range defaults {
		text, err := readINI(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			b.warn("%v", err)
			continue
		}
		if err := b.applyINI(path, text); err != nil {
			return err
		}
	}
	for _, s := range slices.Backward(settings) {
		if s.flag.Long != optConfig {
			continue
		}
		path := b.in.absolute(s.value)
		text, err := readINI(path)
		if err != nil {
			return err
		}
		return b.applyINI(path, text) // of several, the last one counts
	}
	return nil
}

func readINI(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open daemon configuration file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxINIBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read daemon configuration file: %w", err)
	}
	if len(text) > maxINIBytes {
		return nil, fmt.Errorf("daemon configuration file %s is longer than %d bytes", path, maxINIBytes)
	}
	return text, nil
}

func (b *builder) applyINI(path string, text []byte) error {
	entries, complaints := parseINI(text, "relayd")
	for _, c := range complaints {
		b.warn("%s: %s", path, c)
	}
	for _, e := range entries {
		if ignoredInFile(e.key) {
			continue
		}
		s, err := b.fromFile(e)
		if err == nil && s.flag.Long != "" {
			err = b.apply(s, true)
		}
		var fatal *fatalError
		if errors.As(err, &fatal) {
			return fmt.Errorf("%s: line %d: %w", path, e.line, err)
		}
		if err != nil {
			b.warn("%s: line %d: %v", path, e.line, err)
		}
	}
	return nil
}

// fromFile makes a setting of a file's entry. A switch that is turned off
// yields the zero setting.
func (b *builder) fromFile(e iniEntry) (setting, error) {
	for _, f := range b.flags {
		if f.Long != e.key {
			continue
		}
		if f.Arg != "" {
			return setting{f, e.value}, nil
		}
		n, ok := parseSwitch(e.value)
		switch {
		case !ok:
			return setting{}, fmt.Errorf("invalid configuration value %q for option %s", e.value, e.key)
		case n == 0:
			return setting{}, nil
		case f.Long == optVerbose:
			b.opts.Verbosity = min(n, 3) - 1
		}
		return setting{flag: f}, nil
	}
	return setting{}, fmt.Errorf("unrecognized option %q in daemon configuration file", e.key)
}

// fatalError marks what stops the start even when it stands in a file.
type fatalError struct{ msg string }

func (e *fatalError) Error() string { return e.msg }

// apply takes one option over.
func (b *builder) apply(s setting, fromFile bool) error {
	o := &b.opts
	switch s.flag.Long {
	case optControlPort, optDataPort, optLivePort:
		b.urls[s.flag.Long] = append(b.urls[s.flag.Long], candidate{s.value, fromFile})
		return nil // given only when it turns out to be usable
	case optDynamicPorts:
		b.dynamic = true
	case optOutput:
		o.OutputDir = s.value
	case optGroupByHost:
		if err := b.group(GroupByHost, s.flag.Long); err != nil {
			return err
		}
	case optGroupBySess:
		if err := b.group(GroupBySession, s.flag.Long); err != nil {
			return err
		}
	case optWorkingDir:
		if s.value == "" {
			return &fatalError{"empty path for -w, --working-directory"}
		}
		o.WorkingDir = b.in.absolute(s.value)
	case optNoClear:
		o.AllowClear = false
	case optFDPoolSize:
		n, err := parsePoolSize(s.value)
		if err != nil {
			return err
		}
		o.FDPoolSize = n
	case optGroup:
		o.TracingGroup = s.value
	case optDaemonize:
		if o.Start == Foreground { // with both, the console is kept
			o.Start = Daemonize
		}
	case optBackground:
		o.Start = Background
	case optPIDFile:
		o.PIDFile = b.in.absolute(s.value)
	case optSigParent:
		o.SignalParent = true
	case optVerbose:
		o.Verbosity = min(o.Verbosity+1, 3)
	case optVersion:
		o.Action = ShowVersion
	case optHelp:
		o.Action = ShowHelp
	case optHTTP:
		addr, err := parseHTTP(s.value)
		if err != nil {
			return err
		}
		o.HTTP = addr
	case optDataUDP:
		o.DataUDP = true
	case optHopListen:
		o.HopListen = s.value
	case optHopAllow:
		o.HopAllow = s.value
	case optWeirConfig:
		o.WeirConfig = b.in.absolute(s.value)
	}
	o.Given[s.flag.Long] = true
	return nil
}

func (b *builder) group(by Grouping, option string) error {
	if b.grouped {
		return &fatalError{fmt.Sprintf("cannot set --%s, another --group-output-by argument is present", option)}
	}
	b.grouped = true
	b.opts.GroupBy = by
	return nil
}

// parsePoolSize reads a number in C's notation, as the original does with strtoul.
func parsePoolSize(text string) (int, error) {
	digits, base := text, 10
	switch {
	case strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X"):
		digits, base = text[2:], 16
	case len(text) > 1 && text[0] == '0':
		digits, base = text[1:], 8
	}
	n, err := strconv.ParseUint(digits, base, 31)
	if err != nil {
		return 0, fmt.Errorf("wrong value in --fd-pool-size parameter: %q", text)
	}
	return int(n), nil
}

// parseHTTP checks HOST:PORT, or returns "" for none.
func parseHTTP(text string) (string, error) {
	if text == httpNone {
		return "", nil
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", fmt.Errorf("wrong value in --http parameter: %q, want HOST:PORT or %s", text, httpNone)
	}
	return text, nil
}
