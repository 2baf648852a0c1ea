// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package systemtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weir-io/weir/lttng"
)

// witness stands between producers and the control port of the relay under test
// and counts what the relay acknowledges. It passes one request at a time, which
// is what session and consumer daemons send.
type witness struct {
	m        *machine
	listener net.Listener
	ended    sync.WaitGroup

	packets atomic.Int64 // indexes of packets that were answered with OK
}

// startWitness opens a port for producers.
func (m *machine) startWitness() *witness {
	m.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.Fatal(err)
	}
	w := &witness{m: m, listener: l}
	w.ended.Go(w.accept) // ends with the listener
	m.Cleanup(func() {   // the test's context is done by now
		_ = l.Close() // tells accept to end
		w.ended.Wait()
	})
	return w
}

// url is where producers find the relay through the witness.
func (w *witness) url() string {
	_, port, err := net.SplitHostPort(w.listener.Addr().String())
	if err != nil {
		w.m.Fatal(err)
	}
	return relayURL + ":" + port + ":5343"
}

func (w *witness) accept() {
	for {
		producer, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.ended.Go(func() { w.pass(producer) }) // ends with either side, or the test
	}
}

// pass passes requests and replies on until one side is gone.
func (w *witness) pass(producer net.Conn) {
	defer producer.Close()
	relay, err := net.Dial("tcp", "127.0.0.1:5342")
	if err != nil {
		return // as if nobody listened
	}
	defer relay.Close()
	defer context.AfterFunc(w.m.Context(), func() {
		_ = relay.Close() // the loop below tells what became of it
		_ = producer.Close()
	})()
	for {
		if err := w.exchange(producer, relay); err != nil {
			if errors.Is(err, errAlien) {
				w.m.Error(err)
			}
			return
		}
	}
}

// errAlien is a message that the witness cannot follow.
var errAlien = errors.New("witness")

// exchange passes one request and its reply on.
func (w *witness) exchange(producer, relay net.Conn) error {
	request := make([]byte, lttng.ControlHeaderLen)
	if _, err := io.ReadFull(producer, request); err != nil {
		return err
	}
	h, err := lttng.ParseControlHeader(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errAlien, err)
	}
	request = append(request, make([]byte, h.DataSize)...)
	payload := request[lttng.ControlHeaderLen:]
	if _, err := io.ReadFull(producer, payload); err != nil {
		return err
	}
	if _, err := relay.Write(request); err != nil {
		return err
	}
	reply, err := readReply(relay, h.Cmd)
	if err != nil {
		return err
	}
	if h.Cmd == lttng.CmdSendIndex {
		index, err := lttng.ParseIndex(payload, 13)
		if err != nil {
			return fmt.Errorf("%w: %w", errAlien, err)
		}
		if !index.IsBeacon() && lttng.ReplyCode(binary.BigEndian.Uint32(reply)) == lttng.ReplyOK {
			w.packets.Add(1)
		}
	}
	_, err = producer.Write(reply)
	return err
}

// readReply reads the reply to a command in the layout of minor 13. LTTng relay
// protocol, table of commands.
func readReply(relay net.Conn, cmd lttng.Command) ([]byte, error) {
	fixed, path := 4, false
	switch cmd {
	case lttng.CmdSendMetadata:
		return nil, nil
	case lttng.CmdVersion:
		fixed = 8
	case lttng.CmdGetConfiguration, lttng.CmdAddStream:
		fixed = 12
	case lttng.CmdTraceChunkExists:
		fixed = 5
	case lttng.CmdCreateSession:
		fixed, path = 16, true
	case lttng.CmdCloseTraceChunk:
		fixed, path = 8, true
	}
	reply := make([]byte, fixed)
	if _, err := io.ReadFull(relay, reply); err != nil || !path {
		return reply, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(reply[fixed-4:]))
	_, err := io.ReadFull(relay, rest)
	return append(reply, rest...), err
}
