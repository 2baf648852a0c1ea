// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// MaxLine is the bytes of a line of commands, its end included.
const MaxLine = 1024

// Limits of "every".
const (
	MinPeriod = 100 * time.Millisecond
	MaxPeriod = 24 * time.Hour
)

// Command is a line of the language. Which fields have a meaning depends on the
// verb.
type Command struct {
	Verb      Verb
	Selectors []string      // on, off
	Level     int           // verbose
	On        bool          // indent, ack; trigger: false for off
	Encoding  Encoding      // compress
	Period    time.Duration // every
	Count     int           // every: messages, 0 for no end
	Pattern   string        // list: a selector, empty for all
	Task      TaskMask      // task
	Trigger   Trigger       // trigger
}

// ParseCommand reads a line, with or without its end. Of a line of nothing but
// blanks the verb is [VerbNone]. It refuses with a [*CommandError].
func ParseCommand(line []byte) (Command, error) {
	text := bytes.TrimSuffix(line, []byte("\n"))
	if len(text) >= MaxLine {
		return Command{}, refuse(CodeLine, "", "a line is too long")
	}
	text = bytes.TrimSuffix(text, []byte("\r"))
	for _, b := range text {
		if b < ' ' && b != '\t' || b == 0x7f {
			return Command{}, refuse(CodeArg, "", "a control byte in a line")
		}
	}
	words := strings.FieldsFunc(string(text), func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 {
		return Command{}, nil
	}
	v := verbNamed(words[0])
	if v == VerbNone {
		return Command{}, refuse(CodeVerb, words[0], "no such verb")
	}
	c := Command{Verb: v}
	args, def := words[1:], &verbs[v]
	if len(args) < def.min || def.max >= 0 && len(args) > def.max {
		return Command{}, refuse(CodeArg, words[0], "takes "+def.arguments())
	}
	if def.parse != nil {
		if err := def.parse(&c, args); err != nil {
			return Command{}, err
		}
	}
	return c, nil
}

// IsHTTP tells a line that a browser or the like has sent.
func IsHTTP(line []byte) bool {
	for _, method := range []string{"GET ", "POST ", "HEAD "} {
		if bytes.HasPrefix(line, []byte(method)) {
			return true
		}
	}
	return false
}

func (c *Command) parseSelectors(args []string) error {
	c.Selectors = args
	return nil
}

func (c *Command) parseLevel(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 {
		return refuse(CodeArg, args[0], "no level")
	}
	c.Level = n
	return nil
}

func (c *Command) parseSwitch(args []string) error {
	switch strings.ToLower(args[0]) {
	case "on":
		c.On = true
	case "off":
	default:
		return refuse(CodeArg, args[0], "neither on nor off")
	}
	return nil
}

func (c *Command) parseEncoding(args []string) error {
	e, ok := ParseEncoding(strings.ToLower(args[0]))
	if !ok {
		return refuse(CodeArg, args[0], "none of none, gzip and zstd")
	}
	c.Encoding = e
	return nil
}

func (c *Command) parseEvery(args []string) error {
	for _, r := range args[0] {
		if (r < '0' || r > '9') && r != '.' {
			return refuse(CodeArg, args[0], "no number of seconds")
		}
	}
	s, err := strconv.ParseFloat(args[0], 64)
	if err != nil || s < MinPeriod.Seconds() || s > MaxPeriod.Seconds() {
		return refuse(CodeArg, args[0], "not from 0.1 to 86400 seconds")
	}
	c.Period = time.Duration(s * float64(time.Second)).Round(time.Microsecond)
	if len(args) == 2 {
		n, err := strconv.ParseUint(args[1], 10, 31)
		if err != nil || n == 0 {
			return refuse(CodeArg, args[1], "no count of messages")
		}
		c.Count = int(n)
	}
	return nil
}

func (c *Command) parsePattern(args []string) error {
	if len(args) == 1 {
		c.Pattern = args[0]
	}
	return nil
}

func (c *Command) parseTask(args []string) error { return c.Task.parse(args) }
