// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package tsdl_test

import (
	"errors"
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
	"github.com/weir-io/weir/ctf/tsdl"
)

const metadata = `/* CTF 1.8 */
typealias integer { size = 8; } := uint8_t;
trace {
	major = 1;
	minor = 8;
	byte_order = le;
};
stream {
	event.header := struct { uint8_t id; uint8_t timestamp; };
};
event {
	name = "door";
	id = 0;
	fields := struct {
		enum : uint8_t { "open", "closed" } _state;
		uint8_t __names_length;
		string _names[__names_length];
	};
};
`

func ExampleParse() {
	trace, err := tsdl.Parse([]byte(metadata))
	if err != nil {
		fmt.Println(err)
		return
	}
	door := trace.Stream(0).Event(0)
	for _, m := range door.Payload.Members {
		fmt.Printf("%s: %T\n", m.Name, m.Class)
	}
	names := door.Payload.Member("names").Class.(*schema.Array)
	fmt.Println("as many names as", names.LengthRef)
	// Output:
	// state: *schema.Integer
	// _names_length: *schema.Integer
	// names: *schema.Array
	// as many names as event.fields.__names_length
}

func ExampleError() {
	_, err := tsdl.Parse([]byte("/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = middle; };\n"))
	fmt.Println(err)
	if e, ok := errors.AsType[*tsdl.Error](err); ok {
		fmt.Println(e.Line, e.Column, e.Offset)
	}
	// Output:
	// tsdl: line 2, column 44: "byte_order": got "middle", want le, be or network
	// 2 44 57
}

func ExampleParser() {
	p := tsdl.NewParser(tsdl.Config{})
	batches := []string{
		metadata,
		`event { name = "wrong"; id = 0; };`,
		`event { name = "bell"; id = 1; volume = 11; };`,
	}
	for _, text := range batches {
		if err := p.Parse([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	for _, e := range p.Trace().Stream(0).Events {
		fmt.Println(e.ID, e.Name)
	}
	for _, w := range p.Warnings() {
		fmt.Println(w)
	}
	// Output:
	// tsdl: line 20, column 1: event "wrong": second event with id 0 in stream 0
	// 0 door
	// 1 bell
	// line 20, column 32: unknown event attribute "volume"
}

func ExampleAppendEvent() {
	stream := &schema.Stream{Trace: &schema.Trace{Version: schema.CTF2}}
	bits := schema.BitLayout{Size: 16, Align: 8, Order: schema.LittleEndian}
	events := []*schema.Event{
		{ID: 0, Stream: stream, Name: "bell", LogLevel: schema.NoLogLevel, Payload: &schema.Struct{
			Members: []schema.Member{{Name: "volume", Class: &schema.Integer{BitLayout: bits, Base: 10}}},
		}},
		{ID: 1, Stream: stream, Name: "photo", LogLevel: schema.NoLogLevel, Payload: &schema.Struct{
			Members: []schema.Member{{Name: "jpeg", Class: &schema.Blob{Length: 4096}}},
		}},
	}
	var text []byte
	for _, e := range events {
		var err error
		text, err = tsdl.AppendEvent(text, e)
		if u, ok := errors.AsType[*tsdl.UnsupportedError](err); ok {
			fmt.Printf("without %s: %v\n", e.Name, u)
		}
	}
	fmt.Printf("%s", text)
	// Output:
	// without photo: tsdl: event.fields.jpeg: CTF 1.8 has no blob
	//
	// event {
	// 	name = "bell";
	// 	id = 0;
	// 	fields := struct {
	// 		integer { size = 16; align = 8; signed = false; } _volume;
	// 	};
	// };
}
