// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/sockdiag"
	"github.com/weir-io/weir/xmlsysd"
)

// sockStatesReader counts the sockets of TCP by their states. The kernel goes
// through all of them, so that this is the slow lane's.
type sockStatesReader struct {
	count       func(sockdiag.Family) (sockdiag.Counts, error)
	node, state xmlsysd.NodeID
	families    []xmlsysd.NodeID // inet, inet6
}

func newSockStatesReader(e *Engine) reader {
	const at = "proc/net/sockstates"
	m := e.model
	s := &sockStatesReader{count: sockdiag.Count, node: m.Must(at), state: m.Must(at + "/tcpstate"), families: nodesOf(m, at+"/tcpstate", "inet", "inet6")}
	if !isProc(e.o.ProcRoot) {
		// The host is a fixture: what this kernel has is not about it.
		s.count = func(sockdiag.Family) (sockdiag.Counts, error) { return sockdiag.Counts{}, errAbsent }
	}
	return s
}

func (s *sockStatesReader) read(r *request) error {
	four, err := s.count(sockdiag.Inet)
	if err != nil {
		return absentOr(err)
	}
	six, err := s.count(sockdiag.Inet6)
	if err != nil && absentOr(err) != errAbsent {
		return err // without IPv6 there are none
	}
	r.tape.Open(s.node, r.at)
	defer r.tape.Close()
	for state := sockdiag.First; state <= sockdiag.Last; state++ {
		r.tape.Open(s.state, xmlsysd.Stamp{}, []byte(state.String()))
		r.tape.Uint(s.families[0], four[state])
		r.tape.Uint(s.families[1], six[state])
		r.tape.Close()
	}
	return nil
}

// absentOr tells a kernel without socket monitoring, or without a family.
func absentOr(err error) error {
	for _, absent := range []error{errAbsent, unix.ENOENT, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EOPNOTSUPP} {
		if errors.Is(err, absent) {
			return errAbsent
		}
	}
	return err
}
