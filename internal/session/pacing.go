// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import "time"

// pacing spaces out what is tried again by itself while it fails: an output that is full
// stays so for hours. The zero value has not failed.
type pacing struct {
	pause time.Duration // 0: the last try has worked
	next  time.Time     // when to try again
	text  string        // what went wrong
}

// due reports whether it may be tried.
func (p *pacing) due(now time.Time) bool { return p.pause == 0 || !now.Before(p.next) }

// failed takes note of a try that did not work. It reports whether that is to be told: the
// first time, and when something else is wrong.
func (p *pacing) failed(now time.Time, err error) (tell bool) {
	tell = err.Error() != p.text
	p.text = err.Error()
	p.pause = min(max(2*p.pause, firstRetry), lastRetry)
	p.next = now.Add(p.pause)
	return tell
}

// worked takes note of a try that did. It reports whether one before has not.
func (p *pacing) worked() (tell bool) {
	tell = p.pause > 0
	*p = pacing{}
	return tell
}
