// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package benchproc

import (
	"bytes"
	"sync"
)

// Tail keeps the last bytes of what a program says. The zero value is ready to
// use, from several goroutines at once.
type Tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

const tailBytes = 2000

// Write implements [io.Writer].
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(b), nil
}

// LastLine returns the last line that is not empty.
func (t *Tail) LastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
