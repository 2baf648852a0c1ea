// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package ctf2_test

import (
	"fmt"

	"github.com/weir-io/weir/ctf/ctf2"
	"github.com/weir-io/weir/ctf/schema"
)

func ExampleParse() {
	trace, err := ctf2.Parse([]byte("\x1e" + `{"type":"preamble","version":2}
` + "\x1e" + `{"type":"data-stream-class","id":3}
` + "\x1e" + `{"type":"event-record-class","id":7,"data-stream-class-id":3,"name":"tick","payload-field-class":{
  "type":"structure","member-classes":[
    {"name":"length","field-class":{"type":"variable-length-unsigned-integer"}},
    {"name":"text","field-class":{"type":"dynamic-length-string","length-field-location":{"path":["length"]}}}]}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	event := trace.Stream(3).Event(7)
	text := event.Payload.Member("text").Class.(*schema.Text)
	fmt.Println(event.Name, "has a text of", text.LengthRef, "bytes")
	// Output:
	// tick has a text of event.fields.length bytes
}

// A producer appends to the metadata while it traces.
func ExampleParser() {
	p := ctf2.NewParser()
	for _, batch := range []string{
		"\x1e" + `{"type":"preamble","version":2}` + "\n\x1e" + `{"type":"data-stream-class"}` + "\n",
		"\x1e" + `{"type":"event-record-class","name":"first"}` + "\n",
		"\x1e" + `{"type":"event-record-class","name":"second"}` + "\n", // id 0 again
		"\x1e" + `{"type":"event-record-class","name":"second","id":1}` + "\n",
	} {
		if err := p.Parse([]byte(batch)); err != nil {
			fmt.Println(err)
		}
	}
	for _, event := range p.Trace().Stream(0).Events {
		fmt.Println(event.ID, event.Name)
	}
	// Output:
	// ctf2: fragment 3 at offset 110: got id 0 by default, want the id of no other event record class of its data stream class
	// 0 first
	// 1 second
}

func ExampleAppend() {
	trace := &schema.Trace{Version: schema.CTF2, Name: "demo"}
	clock := &schema.Clock{Name: "c", Frequency: 1_000_000_000, Absolute: true}
	trace.Clocks = append(trace.Clocks, clock)
	stream := &schema.Stream{Trace: trace, Clock: clock}
	trace.Streams = append(trace.Streams, stream)
	text, err := ctf2.Append(nil, trace)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Later, while the trace is recorded:
	event := &schema.Event{Name: "tick", LogLevel: schema.NoLogLevel, Payload: &schema.Struct{
		Members: []schema.Member{{Name: "n", Class: &schema.Integer{Variable: true}}},
	}}
	stream.AddEvent(event)
	text, err = ctf2.AppendEvent(text, event)
	fmt.Printf("%q\n", text[:33])
	fmt.Println(len(text), "bytes, error", err)
	// Output:
	// "\x1e{\"type\":\"preamble\",\"version\":2}\n"
	// 425 bytes, error <nil>
}
