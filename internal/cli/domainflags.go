// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/weir-io/weir/client/agent"
)

// Names of domains.
const (
	domainKernel = "kernel"
	domainWeir   = "weir"
	domainStat   = "stat"
	domainFS     = "fs"
	domainUST    = "ust"
	domainPython = "python"
	domainJUL    = "jul"
	domainLog4j  = "log4j"
)

// domainFlags choose what is traced.
type domainFlags struct {
	kernel, user, weir, stat, fs bool
	python, jul, log4j           bool
}

func (f *domainFlags) add(fl *pflag.FlagSet) {
	fl.BoolVarP(&f.kernel, "kernel", "k", false, "the Linux kernel")
	fl.BoolVarP(&f.user, "userspace", "u", false, "applications")
	fl.BoolVarP(&f.weir, "weir", "w", false, "weir's own events")
	fl.BoolVar(&f.stat, "stat", false, "samples of the host's statistics")
	fl.BoolVar(&f.fs, "fs", false, "changes of file systems")
}

// addLoggers adds those that choose loggers, where these can be meant.
func (f *domainFlags) addLoggers(fl *pflag.FlagSet) {
	fl.BoolVarP(&f.python, "python", "p", false, "loggers of Python programs")
	fl.BoolVarP(&f.jul, "jul", "j", false, "loggers of Java programs: java.util.logging")
	fl.BoolVarP(&f.log4j, "log4j", "l", false, "loggers of Java programs: log4j 1.2")
}

// loggers reports whether loggers were chosen.
func (f *domainFlags) loggers() bool { return f.python || f.jul || f.log4j }

// one returns the domain that was chosen.
func (f *domainFlags) one() (string, error) {
	switch *f {
	case domainFlags{user: true}:
		return domainUST, nil
	case domainFlags{kernel: true}:
		return domainKernel, nil
	case domainFlags{weir: true}:
		return domainWeir, nil
	case domainFlags{stat: true}:
		return domainStat, nil
	case domainFlags{fs: true}:
		return domainFS, nil
	case domainFlags{python: true}:
		return domainPython, nil
	case domainFlags{jul: true}:
		return domainJUL, nil
	case domainFlags{log4j: true}:
		return domainLog4j, nil
	}
	if f.loggers() {
		return "", usageErrorf("want one domain: loggers of --python, --jul or --log4j alone")
	}
	return "", usageErrorf("want one domain: -k (kernel), -u (applications), -w (weir), --stat or --fs")
}

// domainTitle begins a sentence about a domain. Those of programs are told as LTTng does: no
// words, their names have no capitals.
func domainTitle(domain string) string {
	if domain == "" || domain == domainUST || loggerTitles[domain] != "" {
		return domain
	}
	return strings.ToUpper(domain[:1]) + domain[1:]
}

// sizeFlag is a size as LTTng takes it: with k, M or G.
type sizeFlag uint64

// String returns the number of bytes; "" for none, so that help shows no default.
func (s *sizeFlag) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*s), 10)
}

// Set reads a size.
func (s *sizeFlag) Set(text string) error {
	n, err := agent.ParseSize(text)
	*s = sizeFlag(n)
	return err
}

// Type names the kind of value in help texts.
func (s *sizeFlag) Type() string { return "SIZE" }

// microsFlag is a time as LTTng takes it: a number of microseconds, or with one
// of the units us, ms, s, m and h.
type microsFlag time.Duration

// String returns the microseconds; "" for none.
func (m *microsFlag) String() string {
	if *m == 0 {
		return ""
	}
	return strconv.FormatInt(time.Duration(*m).Microseconds(), 10)
}

// Set reads a time.
func (m *microsFlag) Set(text string) error {
	units := []struct {
		suffix string
		unit   time.Duration
	}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}
	digits, unit := text, time.Microsecond
	for _, u := range units {
		if d, ok := strings.CutSuffix(text, u.suffix); ok {
			digits, unit = d, u.unit
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("want microseconds, or a time such as 500ms, 2s or 1h, got %q", text)
	}
	if n > int64(math.MaxInt64/unit) {
		return fmt.Errorf("time %q is too long", text)
	}
	*m = microsFlag(time.Duration(n) * unit)
	return nil
}

// Type names the kind of value in help texts.
func (m *microsFlag) Type() string { return "TIME" }

// blockingFlag is a time, or "inf".
type blockingFlag time.Duration

const infinite = "inf"

// String returns the microseconds; "" for none.
func (b *blockingFlag) String() string {
	if time.Duration(*b) == agent.Forever {
		return infinite
	}
	return (*microsFlag)(b).String()
}

// Set reads a time.
func (b *blockingFlag) Set(text string) error {
	if text == infinite {
		*b = blockingFlag(agent.Forever)
		return nil
	}
	return (*microsFlag)(b).Set(text)
}

// Type names the kind of value in help texts.
func (b *blockingFlag) Type() string { return "TIME" }

// splitNames splits "a,b" of an argument; an escaped comma belongs to a name.
func splitNames(list string) []string {
	var names []string
	var name strings.Builder
	escaped := false
	for _, r := range list {
		switch {
		case escaped:
			if r != ',' {
				name.WriteRune('\\')
			}
			name.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == ',':
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteRune(r)
		}
	}
	if escaped {
		name.WriteRune('\\')
	}
	return append(names, name.String())
}

// checkNames refuses names that are none.
func checkNames(what string, names []string) error {
	for _, n := range names {
		if n == "" {
			return usageErrorf("%s: an empty name", what)
		}
	}
	return nil
}
