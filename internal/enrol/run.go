// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"context"
	"time"
)

// Run renews the hub's certificate and keeps who was seen, until ctx ends.
func (a *Authority) Run(ctx context.Context) {
	tick := time.NewTicker(seenSaved)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.Look()
		}
	}
}

// Look does what Run does now and then, once.
func (a *Authority) Look() {
	if err := a.renewMember(); err != nil {
		a.o.Log.Error("hub's certificate not renewed", "ends", a.member.Credentials().Certificate.NotAfter.UTC().Format(time.RFC3339), "err", err)
	}
	if err := a.saveSeen(); err != nil {
		a.o.Log.Error("enrolment: who was seen is not kept", "err", err)
	}
}

// Stats are figures of an authority as they are now.
type Stats struct {
	Enrolled, Expelled, Invitations int
	SoonestEnd                      time.Time // of the certificates in use, the hub's included
}

// Stats returns them.
func (a *Authority) Stats() Stats {
	l, now := a.known.Load(), a.o.Now()
	s := Stats{SoonestEnd: a.member.Credentials().Certificate.NotAfter}
	for _, e := range l.enrolled {
		switch {
		case !e.Expelled.IsZero():
			s.Expelled++
		default:
			s.Enrolled++
			if e.NotAfter.Before(s.SoonestEnd) && now.Before(e.NotAfter) {
				s.SoonestEnd = e.NotAfter
			}
		}
	}
	for _, v := range l.invitations {
		if v.Used.IsZero() && now.Before(v.Expires) {
			s.Invitations++
		}
	}
	return s
}
