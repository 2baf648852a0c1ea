// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaybench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/benchproc"
)

// Load is a set of sessions that stand at a relay, with their viewers.
type Load struct {
	workload  Workload
	producers []*producer
	viewers   []*viewer
}

// Outcome is what one run of a load did.
type Outcome struct {
	Packets       int64
	Bytes         int64
	Stored        time.Duration // until the relay had stored all packets
	Viewed        time.Duration // until all viewers had everything; 0 without viewers
	ViewedPackets int64         // by all viewers together
	ViewedBytes   int64
}

// Open creates the sessions of a workload at a relay and attaches the viewers,
// which with whole compare each byte of the packets they get. The context
// governs the load until Close.
func Open(ctx context.Context, at benchproc.Ports, w Workload, whole bool) (_ *Load, err error) {
	w = w.withDefaults()
	if err := w.check(); err != nil {
		return nil, err
	}
	l := &Load{workload: w}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	f := newFill(w.PacketBytes, w.Events)
	for i := range w.Sessions {
		p, err := openProducer(ctx, at, i, w.Streams, w.Live || w.Viewers > 0, f)
		if err != nil {
			return nil, err
		}
		l.producers = append(l.producers, p)
	}
	for _, p := range l.producers {
		for range w.Viewers {
			v, err := openViewer(ctx, at, p, w, whole)
			if err != nil {
				return nil, err
			}
			l.viewers = append(l.viewers, v)
		}
	}
	return l, nil
}

// Run sends the packets of the workload and returns when the relay has stored
// them and the viewers have them. It may be called again when there are no
// viewers. The first error ends all sessions.
func (l *Load) Run(ctx context.Context) (Outcome, error) {
	r := &loadRun{start: time.Now()}
	for _, p := range l.producers {
		r.group.Go(func() { l.produce(ctx, r, p) })
	}
	for _, v := range l.viewers {
		r.group.Go(func() { l.view(ctx, r, v) })
	}
	r.group.Wait()
	if r.err != nil {
		return Outcome{}, r.err
	}
	o := Outcome{Stored: r.stored, Viewed: r.viewed}
	o.Packets = int64(l.workload.sessionPackets()) * int64(len(l.producers))
	o.Bytes = o.Packets * int64(l.workload.PacketBytes)
	for _, v := range l.viewers {
		o.ViewedPackets += v.packets
		o.ViewedBytes += v.bytes
	}
	if want := o.Packets * int64(l.workload.Viewers); o.ViewedPackets != want {
		return o, fmt.Errorf("viewers: got %d packets, want %d", o.ViewedPackets, want)
	}
	return o, nil
}

// loadRun gathers what the goroutines of one run report.
type loadRun struct {
	start time.Time
	group sync.WaitGroup

	mu     sync.Mutex // guards the following
	stored time.Duration
	viewed time.Duration
	err    error // the first one
}

// produce is the goroutine of one session.
func (l *Load) produce(ctx context.Context, r *loadRun, p *producer) {
	err := p.send(l.workload.sessionPackets(), l.workload.Index)
	if err == nil {
		err = p.awaitStored(ctx)
	}
	l.report(r, &r.stored, err)
}

// view is the goroutine of one viewer.
func (l *Load) view(ctx context.Context, r *loadRun, v *viewer) {
	l.report(r, &r.viewed, v.follow(ctx))
}

// report notes the end of a goroutine. After an error all connections are shut
// down, so that the others end too.
func (l *Load) report(r *loadRun, last *time.Duration, err error) {
	elapsed := time.Since(r.start)
	r.mu.Lock()
	*last = max(*last, elapsed)
	first := err != nil && r.err == nil
	if first {
		r.err = err
	}
	r.mu.Unlock()
	if first {
		l.shutdown()
	}
}

func (l *Load) shutdown() {
	for _, p := range l.producers {
		p.control.sock.shutdown()
		p.data.shutdown()
	}
	for _, v := range l.viewers {
		v.sock.shutdown()
	}
}

// Finish closes the streams as the end of a tracing session does.
func (l *Load) Finish() error {
	var errs []error
	for _, p := range l.producers {
		errs = append(errs, p.closeStreams())
	}
	return errors.Join(errs...)
}

// Close frees all connections.
func (l *Load) Close() {
	for _, v := range l.viewers {
		v.close()
	}
	for _, p := range l.producers {
		p.close()
	}
}
