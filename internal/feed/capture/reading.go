// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/kernel/fanotify"
)

// readAheadEvery is after how many events the next ones are read. Whoever changes files
// looks through the kernel's queue for an event to merge his with: a long queue costs him
// more than what he does.
const readAheadEvery = 128

// fill reads events into the spool, and waits for them if there is nothing else to
// do. It returns how many bytes of them there are.
func (w *worker) fill() (int, error) {
	read := w.group.Read
	if w.spool.filled() > 0 || (w.scan != nil || w.scanDue) && w.present || len(w.s.requests) > 0 {
		read = w.group.TryRead
	} else if err := w.group.Wake(w.wakeAt()); err != nil {
		return 0, err
	}
	if len(w.s.requests) > 0 { // it came before the time was set
		read = w.group.TryRead
	}
	err := w.read(read)
	n := w.spool.filled()
	if n == 0 || n >= fewEvents || err != nil || time.Since(w.taken) >= busyFor {
		return n, err
	}
	return w.gather()
}

// Where few events come in quick succession, they are left to gather for a moment: a
// commit costs more than what is in it. An event that comes alone does not wait.
const (
	fewEvents  = 8 << 10 // bytes of events that are not enough
	busyFor    = 5 * time.Millisecond
	gatherTime = time.Millisecond
)

// gather reads what comes behind a few events.
func (w *worker) gather() (int, error) {
	err := w.keepReading(time.Now().Add(gatherTime), func() bool { return len(w.s.requests) > 0 })
	return w.spool.filled(), err
}

// readAhead takes events out of the kernel's queue while those before them are taken
// over.
func (w *worker) readAhead() error {
	if w.ending {
		return nil
	}
	return w.read(w.group.TryRead)
}

// read reads once, if there is room.
func (w *worker) read(read func([]byte) (int, error)) error {
	if w.unreadable != nil {
		return w.unreadable
	}
	if w.garbled != nil {
		return nil
	}
	first := w.spool.filled() == 0
	room, l := w.spool.room(w.s.journal.Serial())
	if room == nil {
		return nil
	}
	n, err := read(room)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if n == 0 || err != nil {
		return err
	}
	w.actors.review(first)
	l.used += n
	w.pace.read(time.Now(), n)
	w.garbled = w.identify(l, room[:n])
	return nil
}

// behind reports whether events wait, in the kernel or here.
func (w *worker) behind() (bool, error) {
	if w.spool.filled() > 0 {
		return true, nil
	}
	return w.group.Ready()
}

// identify finds out who is behind the events that were read, as long as the kernel's
// descriptors of the processes tell, and closes these.
func (w *worker) identify(l *slot, b []byte) error {
	defer w.closeProcesses()
	return eachEvent(b, func(e *fanotify.Event) bool {
		w.count.events++
		by, kept := w.actors.find(e.PID, e.PIDFD)
		l.by = append(l.by, by)
		if e.PIDFD >= 0 && !kept {
			w.processes = append(w.processes, e.PIDFD)
		}
		return true
	})
}

// eachEvent calls yield with the events of b until it returns false.
func eachEvent(b []byte, yield func(*fanotify.Event) bool) error {
	var e fanotify.Event
	for len(b) > 0 {
		rest, err := fanotify.Decode(b, &e)
		if err != nil {
			return err
		}
		if rest == nil || !yield(&e) {
			return nil
		}
		b = rest
	}
	return nil
}

// decode appends the events of a slot to the notices, as many as were identified, but not
// more than most.
func (w *worker) decode(l *slot, most int) error {
	i := 0
	return eachEvent(l.events(), func(e *fanotify.Event) bool {
		if int(e.PID) != w.s.pid {
			w.note(e, l.by[i])
		}
		i++
		return i < min(len(l.by), most)
	})
}

// decodeLeft is decode for what another process has read. Descriptors in it were that
// one's.
func (w *worker) decodeLeft(l *slot) error {
	return eachEvent(l.rest(), func(e *fanotify.Event) bool {
		w.count.events++
		w.note(e, nobody(e.PID))
		return true
	})
}

// closeProcesses closes the descriptors that came with events: those with numbers
// one behind the other, which most have, together.
func (w *worker) closeProcesses() {
	all := w.processes
	slices.Sort(all)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n] == all[0]+int32(n) {
			n++
		}
		if n == 1 || fanotify.CloseProcesses(all[0], all[n-1]) != nil {
			for _, fd := range all[:n] {
				unix.Close(int(fd))
			}
		}
		all = all[n:]
	}
	w.processes = w.processes[:0]
}

// note appends one event to the notices.
func (w *worker) note(e *fanotify.Event, by *actor) {
	n, ok := notice{mask: e.Mask, by: by}, true
	switch {
	case e.Is(fanotify.Overflow):
	case e.Is(fanotify.FSError):
		n.failure = failedFS(e)
	default:
		ok = w.name(&n, e)
	}
	if ok {
		w.notices = append(w.notices, n)
	}
}

// name translates the handles of an event.
func (w *worker) name(n *notice, e *fanotify.Event) (ok bool) {
	object := e.Object
	if len(object.Bytes) == 0 {
		object = e.Dir // a directory that tells of itself
	}
	if n.object, ok = changelog.FIDOfHandle(object.Type, object.Bytes); !ok {
		w.count.unknown++
		return false
	}
	if e.Is(fanotify.Rename) {
		n.old, n.at = place(e.OldDir, e.OldName), place(e.NewDir, e.NewName)
		return true
	}
	n.at = place(e.Dir, e.Name)
	return w.skip.IsZero() || n.at.parent != w.skip
}

// place is the name of an event.
func place(dir fanotify.Handle, b []byte) name {
	if len(dir.Bytes) == 0 {
		return name{}
	}
	f, _ := changelog.FIDOfHandle(dir.Type, dir.Bytes)
	return name{f, string(b)}
}
