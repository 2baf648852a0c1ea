// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"context"
	"errors"
	"os"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/internal/handover"
)

// output is a place for packets. All but its writers belongs to the engine; a
// writer to the goroutine that drains its stream.
type output interface {
	// metadata appends text of a part, of which a new output gets all there is first.
	metadata(p part, text []byte) error
	// writer makes the place of a stream.
	writer(s *stream) (packetWriter, error)
	// regenerate replaces it.
	regenerate(p part, text []byte) error
	// rotate has what is written from now on go to a new chunk, in the directory
	// given, if the output is one. Nothing is written meanwhile. The function that
	// it returns waits until that is done.
	rotate(chunk handover.Chunk, dir *os.File) (wait func() error, err error)
	// clear is rotate that drops the old chunk.
	clear(chunk handover.Chunk, dir *os.File) (wait func() error, err error)
	// settle waits until everything written is at its place.
	settle(ctx context.Context) error
	// close ends the output, until ctx ends. What was not settled is kept for
	// later, if that is possible, or lost.
	close(ctx context.Context) (unsent, error)
	// status adds to a consumer's account.
	status(to *handover.Status)
	// endPart lets go of a part, whose streams give no packets any more.
	endPart(p part) error
	// confirmed is how many packets of a stream the relay has, and confirmedPast of those
	// of a channel and processor that are in parts that ended.
	confirmed(s *stream) uint64
	confirmedPast(channel, cpu uint32) uint64
}

// packetWriter takes the packets of one stream.
type packetWriter interface {
	// write takes a packet, whose bytes it does not keep. It waits for nothing: after
	// an error of which noRoom is true the packet may be written again, after another
	// one it is lost.
	write(packet []byte, info ctf.PacketInfo) error
	// beacon tells that nothing happens up to a time.
	beacon(until uint64) error
}

// lentWriter is a packetWriter that can take a packet from memory that programs write to.
type lentWriter interface {
	// writeLent is write of a packet that begins with head. Taken is called once its
	// bytes are read, before the packet counts, unless there is no room for it; where
	// that reports false, there is to be no such packet: errTakenBack. With an error of
	// which noRoom is true a packet that was taken comes back.
	writeLent(head, body []byte, info ctf.PacketInfo, taken func() bool) (back []byte, err error)
}

// promptWriter is a packetWriter that may say that it never has anybody wait. The engine
// asks.
type promptWriter interface{ prompt() bool }

// errTakenBack reports a packet that is none.
var errTakenBack = errors.New("the packet was taken back")

// nowhere is the output of sessions without one: packets are counted.
type nowhere struct{}

func (nowhere) metadata(part, []byte) error                           { return nil }
func (nowhere) writer(*stream) (packetWriter, error)                  { return nowhere{}, nil }
func (nowhere) regenerate(part, []byte) error                         { return nil }
func (nowhere) rotate(handover.Chunk, *os.File) (func() error, error) { return done, nil }
func (nowhere) clear(handover.Chunk, *os.File) (func() error, error)  { return done, nil }
func (nowhere) settle(context.Context) error                          { return nil }
func (nowhere) close(context.Context) (unsent, error)                 { return unsent{}, nil }
func (nowhere) status(to *handover.Status)                            { to.Output = handover.OutputNone }
func (nowhere) endPart(part) error                                    { return nil }
func (nowhere) confirmed(*stream) uint64                              { return 0 }
func (nowhere) confirmedPast(uint32, uint32) uint64                   { return 0 }
func (nowhere) beacon(uint64) error                                   { return nil }
func (nowhere) write([]byte, ctf.PacketInfo) error                    { return nil }

// done is the wait for what is done at once.
func done() error { return nil }
