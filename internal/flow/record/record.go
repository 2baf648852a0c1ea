// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

// Record is an event of a traced packet.
type Record struct {
	Scope *Scope
	Time  time.Time
	Level slog.Level
	Seq   uint64 // of the flow on the host, from 0
	Kind  string // of the event
	// Event is the event as an object; its members seq, time, host and kind, if it has
	// them, say the same as the record.
	Event json.RawMessage
}

// AppendJSON appends the record as an object without a line end.
func (r *Record) AppendJSON(b []byte) ([]byte, error) {
	members, err := r.members()
	if err != nil {
		return b, err
	}
	b = append(b, `{"time":"`...)
	b = r.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(append(append(b, `","level":"`...), r.Level.String()...), `","msg":`...)
	b = appendText(b, r.Kind)
	for _, a := range r.Scope.Attrs() {
		b = append(append(append(b, `,"`...), a.Key...), `":`...)
		if a.Value.Kind() == slog.KindUint64 {
			b = strconv.AppendUint(b, a.Value.Uint64(), 10)
		} else {
			b = appendText(b, a.Value.String())
		}
	}
	b = strconv.AppendUint(append(b, `,"seq":`...), r.Seq, 10)
	b = appendText(append(b, `,"kind":`...), r.Kind)
	return append(append(b, members...), '}'), nil
}

// AppendEvent appends the event as it is stored and shown: the record's number, time in
// nanoseconds, host and kind, then the other members of the event.
func (r *Record) AppendEvent(b []byte) ([]byte, error) {
	members, err := r.members()
	if err != nil {
		return b, err
	}
	b = strconv.AppendUint(append(b, `{"seq":`...), r.Seq, 10)
	b = strconv.AppendInt(append(b, `,"time":`...), r.Time.UnixNano(), 10)
	b = append(append(append(b, `,"host":"`...), r.Scope.Host.String()...), '"')
	b = appendText(append(b, `,"kind":`...), r.Kind)
	return append(append(b, members...), '}'), nil
}

// appendText appends a text as JSON has it.
func appendText(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // never fails
	return append(b, quoted...)
}

// ours are the members that the record writes.
var ours = map[string]bool{"time": true, "level": true, "msg": true, "seq": true, "kind": true, KeyCookie: true, KeyFlow: true, KeyRequests: true, KeyHost: true}

// members returns the event's members but for those that the record has, each with a
// comma before it, in their order.
func (r *Record) members() (b []byte, err error) {
	err = r.each(func(key string, value json.RawMessage) {
		b = append(append(appendText(append(b, ','), key), ':'), value...)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// each calls a function with the event's members but for those that the record has, in
// their order.
func (r *Record) each(do func(key string, value json.RawMessage)) error {
	if len(r.Event) == 0 {
		return nil
	}
	err := eachMember(r.Event, func(key string, value json.RawMessage) {
		if !ours[key] {
			do(key, value)
		}
	})
	if err != nil {
		return fmt.Errorf("event of flow %v: %w", r.Scope.Flow, err)
	}
	return nil
}

// eachMember calls a function with the members of an object, in their order.
func eachMember(object []byte, do func(key string, value json.RawMessage)) error {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("got %.40q, want an object: %w", object, errors.Join(errEvent, err))
	}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return errors.Join(errEvent, err)
		}
		do(name.(string), value) // names are texts
	}
	if _, err := dec.Token(); err != nil {
		return errors.Join(errEvent, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: something comes after it", errEvent)
	}
	return nil
}

// errEvent is the error of an event that is no object.
var errEvent = errors.New("no JSON object")

// Key identifies the record: who gets it twice can tell.
func (r *Record) Key() string {
	return r.Scope.Flow.String() + "-" + r.Scope.Host.String() + "-" + strconv.FormatUint(r.Seq, 10)
}
