// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import (
	"fmt"
	"strings"
)

// Verb is what a command does.
type Verb uint8

// Verbs.
const (
	VerbNone Verb = iota // an empty line
	VerbInit
	VerbOn
	VerbOff
	VerbSend
	VerbQuit
	VerbVerbose
	VerbQuik
	VerbJobs
	VerbTask
	VerbEvery
	VerbStop
	VerbIndent
	VerbCompress
	VerbAck
	VerbList
	VerbHelp
	VerbTrigger
)

type verbDef struct {
	name     string
	aliases  string
	min, max int // arguments; no end below 0
	parse    func(*Command, []string) error
	syntax   string
	help     string
}

// verbs is the language. Reference section 4.
var verbs = [...]verbDef{
	VerbNone:     {},
	VerbInit:     {name: "init", help: "begin anew: the selection of 2002, no masks, no compression, no acks"},
	VerbOn:       {name: "on", min: 1, max: -1, parse: (*Command).parseSelectors, syntax: "SELECTOR...", help: "select"},
	VerbOff:      {name: "off", min: 1, max: -1, parse: (*Command).parseSelectors, syntax: "SELECTOR...", help: "select no more"},
	VerbSend:     {name: "send", help: "one message of what is selected"},
	VerbQuit:     {name: "quit", aliases: "exit bye", help: "end the session once all is sent"},
	VerbVerbose:  {name: "verbose", min: 1, max: 1, parse: (*Command).parseLevel, syntax: "LEVEL", help: "how much the server logs"},
	VerbQuik:     {name: "quik", help: "one message of proc/stat and proc/loadavg"},
	VerbJobs:     {name: "jobs", help: "one message of proc/tasks"},
	VerbTask:     {name: "task", min: 1, max: -1, parse: (*Command).parseTask, syntax: "clear | [name=GLOB] [user=GLOB] [state=LETTERS] [top=N] [sort=cpu|rss|start] [cmdline] [io]", help: "which processes are sent"},
	VerbEvery:    {name: "every", min: 1, max: 2, parse: (*Command).parseEvery, syntax: "SECONDS [COUNT]", help: "a message now and then on that period"},
	VerbStop:     {name: "stop", help: "end every"},
	VerbIndent:   {name: "indent", min: 1, max: 1, parse: (*Command).parseSwitch, syntax: "on|off", help: "white space between elements"},
	VerbCompress: {name: "compress", min: 1, max: 1, parse: (*Command).parseEncoding, syntax: "none|gzip|zstd", help: "compression of what follows"},
	VerbAck:      {name: "ack", min: 1, max: 1, parse: (*Command).parseSwitch, syntax: "on|off", help: "a reply to each command"},
	VerbList:     {name: "list", max: 1, parse: (*Command).parsePattern, syntax: "[SELECTOR]", help: "the sections"},
	VerbHelp:     {name: "help", help: "this"},
	VerbTrigger:  {name: "trigger", min: 1, max: 4, parse: (*Command).parseTrigger, syntax: "off | cpu|memory|io|irq some|full STALL WINDOW", help: "a message at once when tasks have waited for STALL of WINDOW seconds"},
}

// String returns the verb as it is written in commands.
func (v Verb) String() string { return verbs[v].name }

func verbNamed(word string) Verb {
	word = strings.ToLower(word)
	for v, def := range verbs {
		if def.name == word {
			return Verb(v)
		}
		for alias := range strings.FieldsSeq(def.aliases) {
			if alias == word {
				return Verb(v)
			}
		}
	}
	return VerbNone
}

// line returns what help says of a verb.
func (d *verbDef) line() string {
	if d.syntax == "" {
		return d.help
	}
	return d.syntax + ": " + d.help
}

func (d *verbDef) arguments() string {
	if d.syntax == "" {
		return "no arguments"
	}
	return fmt.Sprintf("the arguments %s", d.syntax)
}
