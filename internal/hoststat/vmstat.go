// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"bytes"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/kernel/reread"
	"github.com/weir-io/weir/xmlsysd"
)

// vmText is the text of /proc/vmstat, the dearest file of the message of 2002,
// which two sections share. That message has four of its lines only, in the middle:
// the kernel makes no line that it is not asked for, so that what is behind them
// costs nothing.
type vmText struct {
	interval time.Duration

	mu sync.Mutex
	// Guarded by mu.
	file  *reread.File
	text  []byte // the file's, until the next reading
	whole bool   // text is all of it, not the beginning up to the last of paging
	at    time.Time
	end   int // of the last line of paging, in the whole text; 0: not known
	errs  sourceErrors
}

// vmText returns the engine's one.
func (e *Engine) vmText() *vmText {
	if e.vm == nil {
		e.vm = &vmText{interval: e.o.MinInterval, file: e.prompt("vmstat", largeSize, reread.Lines)}
	}
	return e.vm
}

// use calls a function with a text that is young enough and when it was read.
func (v *vmText) use(r *request, f func(text []byte, at time.Time) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.whole || !v.isFresh(r) {
		if err := v.readWhole(r); err != nil {
			return err
		}
	}
	return f(v.text, v.at)
}

// isFresh reports whether the text need not be read again, v.mu held.
func (v *vmText) isFresh(r *request) bool {
	return v.text != nil && (r.now.Sub(v.at) < limited(v.interval, r.maxAge) || !r.since.IsZero() && !v.at.Before(r.since))
}

// readWhole reads the file, v.mu held.
func (v *vmText) readWhole(r *request) error {
	text, err := v.file.Read()
	v.text, v.whole, v.at = text, true, r.now
	if err != nil {
		v.text = nil
		return v.errs.of(v.file.Path(), err)
	}
	r.bytes += len(text)
	return nil
}

func (v *vmText) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.file.Close()
	v.text = nil
}

// paging is what left /proc/stat for this file: pgpgin, pgpgout, pswpin, pswpout.
type paging [4]uint64

// headSlack is by how much lines may have grown since they were looked for.
const headSlack = 256

// paging returns the numbers of paging.
func (v *vmText) paging(r *request) (p paging, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.isFresh(r) {
		if v.end > 0 && r.need&needWhole == 0 {
			if !v.readHead(r) {
				return p, false
			}
		} else if v.readWhole(r) != nil {
			return p, false
		}
	}
	end, ok := p.parse(v.text)
	if !ok && !v.whole && v.readWhole(r) == nil { // the lines have moved
		end, ok = p.parse(v.text)
	}
	if v.end = 0; ok {
		v.end = end
	}
	return p, ok
}

// readHead reads the lines up to those of paging, v.mu held.
func (v *vmText) readHead(r *request) bool {
	text, err := v.file.ReadHead(v.end + headSlack)
	v.text, v.whole, v.at = text[:bytes.LastIndexByte(text, '\n')+1], false, r.now
	if err != nil {
		v.text = nil
	}
	r.bytes += len(text)
	return err == nil
}

// parse looks for the lines, and returns where the last one ends.
func (p *paging) parse(text []byte) (end int, ok bool) {
	found := 0
	for rest := text; len(rest) > 0 && found < len(p); {
		var line []byte
		line, rest = cutLine(rest)
		if len(line) == 0 || line[0] != 'p' { // most begin otherwise
			continue
		}
		key, value := cutWord(line)
		i := pagingPlace(key)
		if i < 0 {
			continue
		}
		word, _ := cutWord(value)
		if p[i], ok = number(word); ok {
			found++
		}
		end = len(text) - len(rest)
	}
	return end, found == len(p)
}

func pagingPlace(key []byte) int {
	switch string(key) {
	case "pgpgin":
		return 0
	case "pgpgout":
		return 1
	case "pswpin":
		return 2
	case "pswpout":
		return 3
	}
	return -1
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
