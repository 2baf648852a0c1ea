// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"sync"
	"time"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// vmText is the text of /proc/vmstat, the dearest file of the message of 2002,
// which two sections share.
type vmText struct {
	interval time.Duration

	mu sync.Mutex
	// Guarded by mu.
	file *reread.File
	text []byte // the file's, until the next reading
	at   time.Time
	errs sourceErrors
}

// vmText returns the engine's one.
func (e *Engine) vmText() *vmText {
	if e.vm == nil {
		e.vm = &vmText{interval: e.o.MinInterval, file: reread.New(e.proc("vmstat"), largeSize, reread.Lines)}
	}
	return e.vm
}

// use calls a function with a text that is young enough and when it was read.
func (v *vmText) use(r *request, f func(text []byte, at time.Time) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.text == nil || r.now.Sub(v.at) >= v.interval {
		text, err := v.file.Read()
		if err != nil {
			v.text = nil
			return v.errs.of(v.file.Path(), err)
		}
		v.text, v.at = text, r.now
		r.bytes += len(text)
	}
	return f(v.text, v.at)
}

func (v *vmText) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.file.Close()
	v.text = nil
}

// paging returns pgpgin, pgpgout, pswpin and pswpout.
func (v *vmText) paging(r *request) (in, out, swapIn, swapOut uint64, ok bool) {
	found := 0
	err := v.use(r, func(text []byte, _ time.Time) error {
		for len(text) > 0 && found < 4 {
			var line []byte
			line, text = cutLine(text)
			if len(line) == 0 || line[0] != 'p' { // most begin otherwise
				continue
			}
			key, rest := cutWord(line)
			var to *uint64
			switch string(key) {
			case "pgpgin":
				to = &in
			case "pgpgout":
				to = &out
			case "pswpin":
				to = &swapIn
			case "pswpout":
				to = &swapOut
			default:
				continue
			}
			word, _ := cutWord(rest)
			if *to, ok = number(word); ok {
				found++
			}
		}
		return nil
	})
	return in, out, swapIn, swapOut, err == nil && found == 4
}

// vmstatReader reads /proc/vmstat.
type vmstatReader struct {
	*vmText
	names
}

func newVmstatReader(e *Engine) reader {
	return &vmstatReader{e.vmText(), newNames(e.model, "proc/vmstat")}
}

func (v *vmstatReader) read(r *request) error {
	return v.use(r, func(text []byte, at time.Time) error {
		r.tape.Open(v.parent, stampOf(at))
		defer r.tape.Close()
		return v.parseLines(r.tape, text, "/proc/vmstat")
	})
}

// parseLines reads lines of a name and a number.
func (n *names) parseLines(t *xmlsysd.Tape, text []byte, what string) (bad error) {
	n.begin()
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		key, rest := cutWord(line)
		value, _ := cutWord(rest)
		if !isNumber(value) {
			if bad == nil {
				bad = unexpected(what, line)
			}
			continue
		}
		if id, ok := n.node(key, ""); ok {
			t.Leaf(id, value)
		}
	}
	return bad
}
