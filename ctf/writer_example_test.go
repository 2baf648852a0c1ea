// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weir-io/weir/ctf"
	"github.com/weir-io/weir/ctf/schema"
)

// A program traces its requests and reads them back.
func ExampleTraceWriter() {
	parent, err := os.MkdirTemp("", "trace")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "requests")
	if err := writeRequests(dir); err != nil {
		fmt.Println(err)
		return
	}
	if err := printEvents(dir); err != nil {
		fmt.Println(err)
	}
	// Output:
	// app:request status=200 path="/"
	// app:request status=404 path="/missing"
}

func writeRequests(dir string) error {
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1, 2, 3}})
	stream, err := b.Stream(ctf.CompactHeader)
	if err != nil {
		return err
	}
	request, err := stream.Event("app:request", schema.NoLogLevel, ctf.Uint("status", 16), ctf.Str("path"))
	if err != nil {
		return err
	}
	trace, err := ctf.CreateTrace(dir, b.Trace(), ctf.TraceOptions{})
	if err != nil {
		return err
	}
	events, err := trace.Stream(stream.Class(), "requests", 0)
	if err != nil {
		return errors.Join(err, trace.Close())
	}
	for i, path := range []string{"/", "/missing"} {
		e := events.Event(request, uint64(1_800_000_000_000_000_000+i)) // or time.Now().UnixNano()
		e.Uint(uint64(200 + 204*i))
		e.String(path)
		err = errors.Join(err, e.End())
	}
	return errors.Join(err, trace.Close())
}

func printEvents(dir string) error {
	set, err := ctf.Open(ctf.Options{}, dir)
	if err != nil {
		return err
	}
	m := set.Merger()
	for {
		c, kind, err := m.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if kind == ctf.EventRecord {
			status, _ := c.Event().Field("status")
			path, _ := c.Event().Field("path")
			fmt.Printf("%s status=%d path=%q\n", c.Event().Class.Name, status.Uint(), path.Text())
		}
	}
}

// A value that contradicts an earlier one is refused, and no part of its event
// is written.
func ExampleEventWriter() {
	b := ctf.NewBuilder(ctf.BuilderOptions{UUID: schema.UUID{1, 2, 3}})
	stream, _ := b.Stream(ctf.CompactHeader)
	sample, _ := stream.Event("app:sample", schema.NoLogLevel,
		ctf.Uint("n", 8), ctf.Sequence("values", "n", ctf.Int("", 32)))
	w, err := ctf.NewStreamWriter(stream.Class(), ctf.PacketFunc(func(packet []byte, info ctf.PacketInfo) error {
		fmt.Printf("packet %d: %d bits of content in %d bytes\n", info.Sequence, info.ContentSize, len(packet))
		return nil
	}), ctf.StreamOptions{Name: "samples"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range []uint64{2, 3} {
		e := w.Event(sample, 1000)
		e.Uint(n)
		e.Array(2)
		e.Int(-1)
		e.Int(1)
		if err := e.End(); err != nil {
			fmt.Println(err)
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// stream samples, event app:sample, field values: value does not fit its field: got a length of 2, want 3 as event.fields._n says
	// packet 0: 776 bits of content in 4096 bytes
}
