// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/handover"
)

// stuckTimeout is how long what is told to a consumer process may take whose output
// does not answer: it does what does not need that at once.
const stuckTimeout = time.Second

// stuckText is what people are told of a consumer whose output does not answer.
func stuckText(domain string, s handover.Stuck) string {
	return fmt.Sprintf("domain %s: %s: the file system does not answer, for %v by now: nothing is read there, and what the rings cannot hold is lost by their own rules",
		domain, s.What, time.Since(s.Since).Round(time.Second))
}

// noticeStuck takes note that the output does not answer.
func (m *domain) noticeStuck(body []byte) {
	var s handover.Stuck
	if json.Unmarshal(body, &s) != nil {
		return
	}
	m.s.stuck.Store(m.src.Domain(), s)
	text := stuckText(m.src.Domain(), s)
	m.s.log.Error("output does not answer", "domain", m.src.Domain(), "what", s.What, "since", s.Since)
	m.s.d.notify(m.s, "error", text)
}

// isStuck returns what does not come back, if something does not.
func (m *domain) isStuck() (handover.Stuck, bool) {
	s, ok := m.s.stuck.Load(m.src.Domain())
	if !ok {
		return handover.Stuck{}, false
	}
	return s.(handover.Stuck), true
}

// unstick takes note that the output answers, or is another one's matter.
func (m *domain) unstick() { m.s.stuck.Delete(m.src.Domain()) }

// stuckTexts is what people are told of all domains. The session need not be locked.
func (s *Session) stuckTexts() (all []string) {
	s.stuck.Range(func(domain, stuck any) bool {
		all = append(all, stuckText(domain.(string), stuck.(handover.Stuck)))
		return true
	})
	return all
}

// rescue ends the process of a domain whose output does not answer, so that another
// one can go on at another place. What it had read and not written is lost, and
// counted. The trace stays as it is.
func (m *domain) rescue() {
	if _, stuck := m.isStuck(); !stuck || m.proc == nil {
		return
	}
	p := m.proc
	p.kill()
	<-p.ended
	m.bury(p)
	m.abandon(p)
}

// abandon leaves the directory of a process that has ended as it is. It is given to
// the session's creator when the process, which waits there in the kernel, goes: then
// the file system has answered. The daemon itself must not go where it does not.
func (m *domain) abandon(p *process) {
	m.unstick()
	m.abandoned = append(m.abandoned, p)
	l := m.local
	if m.local = nil; l == nil {
		return
	}
	m.left = append(m.left, fmt.Sprintf("domain %s: %s is left as it is, since its file system does not answer", m.src.Domain(), l.path()))
	if !p.lingers() {
		l.letGo() // a directory has nothing to write
		return
	}
	go func() { // ends with the process, which nobody waits for
		<-p.reaped
		l.settle()
	}()
}

// release takes the trace away. Processes that wait in the kernel have its rings open:
// then that is done when they go, and the text says so.
func (m *domain) release() (text string, err error) {
	m.feeding.drop()
	for _, c := range m.channels {
		c.handing.drop()
	}
	lingering := slices.DeleteFunc(slices.Clone(m.abandoned), func(p *process) bool { return !p.lingers() })
	if len(lingering) == 0 {
		return "", m.trace.Close()
	}
	log, trace, domain := m.s.log, m.trace, m.src.Domain()
	go func() { // ends with the processes, which nobody waits for
		for _, p := range lingering {
			<-p.reaped
		}
		if err := trace.Close(); err != nil {
			log.Warn("left behind", "domain", domain, "err", err)
		}
	}()
	return fmt.Sprintf("domain %s: consumer process %d waits in the kernel for a file system that does not answer: what it holds goes when it does", domain, lingering[0].pid()), nil
}
