// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/client/relay"
	"github.com/weir-io/weir/internal/handover"
)

// unsent is what became of packets that no relay has confirmed when their output
// ended.
type unsent struct {
	kept, lost uint64
	places     []string // where they are kept, below the directory of spools
}

// keeper keeps them: as a trace of its own for each part of an output, in the directory
// of spools. It is safe for concurrent use.
type keeper struct {
	dir  *os.File // nil: nothing is kept
	name string   // of traces; the second and later ones have a number behind it

	mu   sync.Mutex
	used int // guarded by mu
}

// next makes the directory of a trace.
func (k *keeper) next() (*os.File, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := k.name
	if k.used > 0 {
		name = fmt.Sprintf("%s-%d", name, k.used)
	}
	if err := unix.Mkdirat(int(k.dir.Fd()), name, 0o770); err != nil {
		return nil, "", fmt.Errorf("directory %s of kept packets: %w", name, err)
	}
	k.used++
	fd, err := unix.Openat(int(k.dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("directory %s of kept packets: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), name, nil
}

// keep writes what a spool still has into traces, until ctx ends, and counts the
// rest as lost. The relay may have some of it, and not have said so: of which recording,
// and where in it, is written beside, so that who sends it later need not send that again.
func (k *keeper) keep(ctx context.Context, q *spool, texts []partText, place string, origin *relay.Identity) (rest unsent, err error) {
	items, file := q.takePackets()
	for len(items) > 0 {
		in := items[0].stream.in.place
		var some, others []item
		for _, it := range items {
			if it.stream.in.place == in {
				some = append(some, it)
			} else {
				others = append(others, it)
			}
		}
		items = others
		t := &trace{items: some, place: path.Join(place, in)}
		for _, of := range texts {
			if of.place == in {
				t.text = of.text
			}
		}
		err = errors.Join(err, k.keepTrace(ctx, q, file, t, origin, &rest))
	}
	return rest, err
}

// trace is what is kept of a part.
type trace struct {
	items []item
	text  []byte
	place string // in the recording
}

func (k *keeper) keepTrace(ctx context.Context, q *spool, file *os.File, t *trace, origin *relay.Identity, rest *unsent) (err error) {
	kept := uint64(0)
	write := func(*item) error { return errSpoolClosed }
	if k != nil && k.dir != nil && k.name != "" && len(t.text) > 0 {
		var d *directory
		var name string
		if d, name, err = k.open(t.text); err == nil {
			defer func() {
				_, cerr := d.close(ctx)
				if err == nil {
					err = cerr
				}
				if kept > 0 {
					rest.places = append(rest.places, name)
				} else if !errors.Is(cerr, errHung) {
					err = errors.Join(err, k.remove(name))
				}
			}()
			write = d.keepPacket(ctx, q, file)
			if origin != nil {
				err = d.tellOrigin(*origin, t.place, t.items) // without it the packets are sent all the same
			}
		}
	}
	for i := range t.items {
		werr := write(&t.items[i])
		if werr == nil {
			kept++
			continue
		}
		rest.lost++
		t.items[i].stream.lose(1)
		if err == nil && werr != errSpoolClosed {
			err = werr
		}
	}
	rest.kept += kept
	return err
}

// open makes a trace with its metadata, or leaves none.
func (k *keeper) open(text []byte) (*directory, string, error) {
	place, name, err := k.next()
	if err != nil {
		return nil, "", err
	}
	d, err := newDirectory(place, 0)
	if err != nil {
		return nil, "", errors.Join(err, k.remove(name))
	}
	if err = d.metadata(text); err == nil {
		err = d.completeMetadata()
	}
	if err != nil {
		_, cerr := d.close(context.Background())
		return nil, "", errors.Join(err, cerr, k.remove(name))
	}
	return d, name, nil
}

// remove removes a trace in which no packet is.
func (k *keeper) remove(name string) error {
	dir, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", k.dir.Fd()))
	if err != nil {
		return fmt.Errorf("directory %s of kept packets: %w", name, err)
	}
	defer dir.Close()
	return dir.RemoveAll(name)
}

// tellOrigin writes down of which recording the packets are.
func (d *directory) tellOrigin(origin relay.Identity, place string, items []item) error {
	kept := handover.Kept{Place: place}
	var err error
	if kept.Relay, err = json.Marshal(origin); err != nil {
		return err
	}
	kept.Files = make(map[string]handover.FileLimits)
	for i := range items {
		if s := items[i].stream; s.channel.TracefileBytes > 0 {
			kept.Files[streamName(s)] = handover.FileLimits{Bytes: s.channel.TracefileBytes, Count: s.channel.TracefileCount}
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	f, err := create(d.dir, handover.KeptFile)
	if err != nil {
		return err
	}
	err = f.Chmod(0o600)
	if err == nil {
		_, err = f.Write(b)
	}
	return errors.Join(err, f.Close())
}

// keepPacket returns a function that writes packets of a spool to the directory,
// each stream's to one file.
func (d *directory) keepPacket(ctx context.Context, q *spool, file *os.File) func(*item) error {
	writers := make(map[*stream]*fileWriter)
	return func(it *item) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		loaded, err := q.load(*it, file)
		if err != nil {
			return err
		}
		w := writers[it.stream]
		if w == nil {
			w = &fileWriter{d: d, s: it.stream, whole: true}
			writers[it.stream] = w
			d.writers = append(d.writers, w)
		}
		return w.keep(loaded.data, it.info)
	}
}

// addTo adds it to that of other outputs.
func (u unsent) addTo(to *handover.Ended) {
	to.Kept += u.kept
	to.Lost += u.lost
	if u.kept > 0 {
		to.Places = append(to.Places, u.places...)
	}
}
