// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/weir-io/weir/internal/handover"
)

// errPrepared refuses to change the streams that an output was prepared for.
var errPrepared = errors.New("another output was prepared")

// endPart reads the streams of a part to their end and lets go of it: nothing is recorded
// there any more. As long as its packets find no room it stays. With one that is not there
// nothing is to be done: the daemon may not have heard that it has ended.
func (e *engine) endPart(of handover.Part, files []*os.File) error {
	handover.CloseAll(files)
	if e.next != nil {
		return errPrepared
	}
	p := e.part(of)
	var streams []*stream
	for _, s := range e.streams {
		if s.in == p {
			streams = append(streams, s)
		}
	}
	var errs []error
	for _, s := range streams {
		errs = append(errs, e.readOut(s))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, s := range streams {
		errs = append(errs, e.remove(s))
	}
	e.texts = slices.DeleteFunc(e.texts, func(t *partText) bool { return t.part == p })
	return errors.Join(append(errs, e.out.endPart(p))...)
}

// readOut reads all that a stream will ever have. Snapshots read it when they are taken,
// and not any more then.
func (e *engine) readOut(s *stream) error {
	if e.hello.Snapshot {
		return nil
	}
	err := s.source.stop()
	if err == nil {
		err = s.source.tellAll()
	}
	if err != nil {
		s.missed = s.missed || errors.Is(err, errHung)
		return fmt.Errorf("stream %s: %w", streamName(s), err)
	}
	return nil
}

// remove closes a stream, and keeps its counts.
func (e *engine) remove(s *stream) error {
	err := s.source.close()
	s.channel.streams = slices.DeleteFunc(s.channel.streams, func(o *stream) bool { return o == s })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams = slices.DeleteFunc(slices.Clone(e.streams), func(o *stream) bool { return o == s })
	e.past.add(s)
	return err
}

// ringKey is what streams of a channel's processor have in common.
type ringKey struct{ channel, cpu uint32 }

// pastStreams are the counts of streams that have ended, by channels and processors.
type pastStreams []handover.StreamStatus

// add adds those of a stream.
func (all *pastStreams) add(s *stream) {
	i := slices.IndexFunc(*all, func(a handover.StreamStatus) bool { return a.Channel == s.channel.ID && a.CPU == s.cpu })
	if i < 0 {
		i = len(*all)
		*all = append(*all, handover.StreamStatus{Channel: s.channel.ID, CPU: s.cpu})
	}
	last := handover.StreamStatus{Discarded: s.discarded.Load()}
	s.source.account(&last)
	a := &(*all)[i]
	a.Packets += s.packets.Load()
	a.Bytes += s.bytes.Load()
	a.Lost += s.lost.Load()
	a.Events += last.Events
	a.Discarded += last.Discarded
	a.Bad += last.Bad
}
