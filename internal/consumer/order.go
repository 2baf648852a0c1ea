// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/weir-io/weir/internal/handover"
)

// received is a message with its files.
type received struct {
	m     handover.Message
	files []*os.File
}

// obey carries out an order. The files that it does not take over are closed.
func (e *engine) obey(m handover.Message, files []*os.File) (any, error) {
	switch m.Op {
	case handover.OpHello:
		return nil, with(m, files, e.greeted)
	case handover.OpChannel:
		return nil, with(m, files, e.addChannel)
	case handover.OpTable:
		return nil, with(m, files, e.extendTable)
	case handover.OpStream:
		return nil, with(m, files, e.addStream)
	case handover.OpMetadata:
		return nil, with(m, files, e.addMetadata)
	case handover.OpRegenerate:
		return nil, with(m, files, e.replaceMetadata)
	case handover.OpEndPart:
		return nil, with(m, files, e.endPart)
	case handover.OpOutput:
		return nil, with(m, files, e.prepare)
	case handover.OpRotate:
		return nil, with(m, files, func(r handover.Rotate, f []*os.File) error { return e.rotate(r, f, output.rotate) })
	case handover.OpClear:
		return nil, with(m, files, func(r handover.Rotate, f []*os.File) error {
			if e.hello.Snapshot {
				handover.CloseAll(f)
				return e.clearSnapshots()
			}
			return e.rotate(r, f, output.clear)
		})
	case handover.OpInject:
		return nil, with(m, files, e.inject)
	case handover.OpSnapshot:
		return nil, with(m, files, e.snapshot)
	case handover.OpClockSync:
		return nil, with(m, files, e.syncClock)
	case handover.OpUsers:
		return nil, with(m, files, e.setUsers)
	case handover.OpPause:
		return nil, with(m, files, e.pause)
	case handover.OpStop:
		return ask(m, files, e.stop)
	case handover.OpEnd:
		return ask(m, files, func(o handover.End) (handover.Ended, error) { return e.end(o), nil })
	}
	handover.CloseAll(files)
	switch m.Op {
	case handover.OpCommit:
		return nil, e.commit()
	case handover.OpDrop:
		return nil, e.forget()
	case handover.OpStart:
		return nil, e.start()
	case handover.OpResume:
		return nil, e.resume()
	case handover.OpFlush:
		return nil, e.whileHeld(func() error { return nil })
	}
	return nil, fmt.Errorf("order %q: unknown", m.Op)
}

// with decodes an order's body.
func with[B any](m handover.Message, files []*os.File, do func(B, []*os.File) error) error {
	var b B
	if err := json.Unmarshal(m.Body, &b); err != nil {
		handover.CloseAll(files)
		return fmt.Errorf("order %s: %w", m.Op, err)
	}
	return do(b, files)
}

// ask decodes the body of an order that has an answer and no files.
func ask[B, A any](m handover.Message, files []*os.File, do func(B) (A, error)) (a A, err error) {
	err = with(m, files, func(b B, files []*os.File) (err error) {
		handover.CloseAll(files)
		a, err = do(b)
		return err
	})
	return a, err
}

// want checks the number of files that came with an order, and closes them if it
// is another.
func want(op handover.Op, files []*os.File, n int) error {
	if len(files) == n {
		return nil
	}
	handover.CloseAll(files)
	return fmt.Errorf("order %s: got %d files, want %d", op, len(files), n)
}

// blob reads the one file of an order.
func blob(op handover.Op, files []*os.File) ([]byte, error) {
	if err := want(op, files, 1); err != nil {
		return nil, err
	}
	defer files[0].Close()
	return handover.ReadBlob(files[0])
}
