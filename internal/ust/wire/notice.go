// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// Notice is what a program tells of.
type Notice uint32

// Notices. NoticeLen bytes tell which follows.
const (
	NoticeEvent   Notice = 0 // EventNotice
	NoticeChannel Notice = 1 // ChannelNotice
	NoticeEnum    Notice = 2 // EnumNotice

	NoticeLen = 4
)

// Sizes of what follows the number of a notice, less what varies.
const (
	EventNoticeLen   = 312
	ChannelNoticeLen = 44
	EnumNoticeLen    = 296
	EnumEntryLen     = 336

	// Limits of what varies.
	MaxSignatureLen = 1 << 20
	MaxURILen       = 1 << 16
	MaxEnumEntries  = 1 << 14
)

// ParseNotice reads the number of a notice.
func ParseNotice(b []byte) (Notice, error) {
	if len(b) != NoticeLen {
		return 0, short("notice", len(b), NoticeLen)
	}
	n := Notice(le.Uint32(b))
	if n > NoticeEnum {
		return n, &Error{"notice", 0, uint32(n), "0, 1 or 2"}
	}
	return n, nil
}

// Len is the size of what follows the number, less what varies.
func (n Notice) Len() int {
	return [...]int{NoticeEvent: EventNoticeLen, NoticeChannel: ChannelNoticeLen, NoticeEnum: EnumNoticeLen}[n]
}

// EventNotice declares an event. Its lengths are of what follows it.
type EventNotice struct {
	Session, Channel uint32 // as the daemon named them: a handle, and of a channel too
	Name             string
	Level            int32
	SignatureLen     uint32
	FieldsLen        uint32
	URILen           uint32
}

// Append appends the notice, with its number.
func (e *EventNotice) Append(b []byte) []byte {
	b = appendWords(b, uint32(NoticeEvent), e.Session, e.Channel)
	b = appendText(b, e.Name, NameLen)
	b = appendWords(b, uint32(e.Level), e.SignatureLen, e.FieldsLen, e.URILen)
	return appendPad(b, 32)
}

// ParseEventNotice reads what follows the number.
func ParseEventNotice(b []byte) (e EventNotice, err error) {
	const what = "declaration of an event"
	if len(b) != EventNoticeLen {
		return e, short(what, len(b), EventNoticeLen)
	}
	e.Session, e.Channel, e.Level = le.Uint32(b), le.Uint32(b[4:]), int32(le.Uint32(b[264:]))
	e.SignatureLen, e.FieldsLen, e.URILen = le.Uint32(b[268:]), le.Uint32(b[272:]), le.Uint32(b[276:])
	if e.Name, err = text(what, b, 8, NameLen); err != nil {
		return e, err
	}
	switch {
	case e.SignatureLen > MaxSignatureLen:
		err = &Error{what, 268, e.SignatureLen, fmt.Sprintf("a signature of at most %d bytes", MaxSignatureLen)}
	case e.FieldsLen > MaxFields*FieldLen || e.FieldsLen%FieldLen != 0:
		err = &Error{what, 272, e.FieldsLen, fmt.Sprintf("at most %d fields of %d bytes", MaxFields, FieldLen)}
	case e.URILen > MaxURILen:
		err = &Error{what, 276, e.URILen, fmt.Sprintf("an address of at most %d bytes", MaxURILen)}
	}
	return e, err
}

// Rest is how many bytes follow.
func (e *EventNotice) Rest() int { return int(e.SignatureLen) + int(e.FieldsLen) + int(e.URILen) }

// ParseRest reads what follows.
func (e *EventNotice) ParseRest(b []byte) (signature string, fields []Field, uri string, err error) {
	if len(b) != e.Rest() {
		return "", nil, "", short("declaration of event "+e.Name, len(b), e.Rest())
	}
	at := int(e.SignatureLen)
	fields, err = ParseFields(b[at : at+int(e.FieldsLen)])
	return cstring(b[:at]), fields, cstring(b[at+int(e.FieldsLen):]), err
}

// cstring is a text up to a zero byte, if there is one.
func cstring(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// EventAnswer gives an event its number.
type EventAnswer struct {
	Code int32 // below 0: the event is not recorded
	ID   uint32
}

// EventAnswerLen is its size.
const EventAnswerLen = 44

// Append appends it.
func (a *EventAnswer) Append(b []byte) []byte {
	return appendPad(appendWords(b, uint32(NoticeEvent), uint32(a.Code), a.ID), 32)
}

// ParseEventAnswer reads it.
func ParseEventAnswer(b []byte) (EventAnswer, error) {
	if err := checkAnswer(b, NoticeEvent, EventAnswerLen); err != nil {
		return EventAnswer{}, err
	}
	return EventAnswer{int32(le.Uint32(b[4:])), le.Uint32(b[8:])}, nil
}

func checkAnswer(b []byte, n Notice, size int) error {
	if len(b) != size {
		return short("answer", len(b), size)
	}
	if got := Notice(le.Uint32(b)); got != n {
		return &Error{"answer", 0, uint32(got), fmt.Sprintf("that to notice %d", n)}
	}
	return nil
}

// ChannelNotice declares the contexts of a channel. Its length is of what follows.
type ChannelNotice struct {
	Session, Channel uint32
	FieldsLen        uint32
}

// Append appends the notice, with its number.
func (c *ChannelNotice) Append(b []byte) []byte {
	return appendPad(appendWords(b, uint32(NoticeChannel), c.Session, c.Channel, c.FieldsLen), 32)
}

// ParseChannelNotice reads what follows the number.
func ParseChannelNotice(b []byte) (ChannelNotice, error) {
	const what = "declaration of a channel"
	if len(b) != ChannelNoticeLen {
		return ChannelNotice{}, short(what, len(b), ChannelNoticeLen)
	}
	c := ChannelNotice{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])}
	if c.FieldsLen > MaxFields*FieldLen || c.FieldsLen%FieldLen != 0 {
		return c, &Error{what, 8, c.FieldsLen, fmt.Sprintf("at most %d fields of %d bytes", MaxFields, FieldLen)}
	}
	return c, nil
}

// Event headers.
const (
	CompactHeader = 1
	LargeHeader   = 2
)

// ChannelAnswer says how a channel's events begin.
type ChannelAnswer struct {
	Code   int32
	ID     uint32 // as the channel object has it
	Header uint32
}

// ChannelAnswerLen is its size.
const ChannelAnswerLen = 48

// Append appends it.
func (a *ChannelAnswer) Append(b []byte) []byte {
	return appendPad(appendWords(b, uint32(NoticeChannel), uint32(a.Code), a.ID, a.Header), 32)
}

// ParseChannelAnswer reads it.
func ParseChannelAnswer(b []byte) (ChannelAnswer, error) {
	if err := checkAnswer(b, NoticeChannel, ChannelAnswerLen); err != nil {
		return ChannelAnswer{}, err
	}
	return ChannelAnswer{int32(le.Uint32(b[4:])), le.Uint32(b[8:]), le.Uint32(b[12:])}, nil
}

// EnumNotice declares an enumeration. Its length is of what follows.
type EnumNotice struct {
	Session    uint32
	Name       string
	EntriesLen uint32
}

// Append appends the notice, with its number.
func (e *EnumNotice) Append(b []byte) []byte {
	b = appendText(appendWords(b, uint32(NoticeEnum), e.Session), e.Name, NameLen)
	return appendPad(appendWords(b, e.EntriesLen), 32)
}

// ParseEnumNotice reads what follows the number.
func ParseEnumNotice(b []byte) (e EnumNotice, err error) {
	const what = "declaration of an enumeration"
	if len(b) != EnumNoticeLen {
		return e, short(what, len(b), EnumNoticeLen)
	}
	e.Session, e.EntriesLen = le.Uint32(b), le.Uint32(b[260:])
	if e.Name, err = text(what, b, 4, NameLen); err == nil && (e.EntriesLen > MaxEnumEntries*EnumEntryLen || e.EntriesLen%EnumEntryLen != 0) {
		err = &Error{what, 260, e.EntriesLen, fmt.Sprintf("at most %d entries of %d bytes", MaxEnumEntries, EnumEntryLen)}
	}
	return e, err
}

// EnumEntry is a label of an enumeration.
type EnumEntry struct {
	Start, End EnumValue
	Label      string
	Auto       bool // the value is one more than that of the entry before
}

// EnumValue is a number of 64 bits.
type EnumValue struct {
	Value  uint64
	Signed bool
}

// Append appends the entry.
func (e *EnumEntry) Append(b []byte) []byte {
	for _, v := range [...]EnumValue{e.Start, e.End} {
		b = append(le.AppendUint64(b, v.Value), byte(flag(v.Signed)))
		b = appendPad(b, 15)
	}
	return appendPad(appendWords(appendText(b, e.Label, NameLen), flag(e.Auto)), 28)
}

// ParseEnumEntries reads what follows.
func ParseEnumEntries(b []byte) (all []EnumEntry, err error) {
	const what = "entry of an enumeration"
	if len(b)%EnumEntryLen != 0 || len(b) > MaxEnumEntries*EnumEntryLen {
		return nil, &Error{what, 0, len(b), fmt.Sprintf("at most %d entries of %d bytes", MaxEnumEntries, EnumEntryLen)}
	}
	for ; len(b) > 0; b = b[EnumEntryLen:] {
		e := EnumEntry{Start: EnumValue{le.Uint64(b), b[8] != 0}, End: EnumValue{le.Uint64(b[24:]), b[32] != 0}, Auto: le.Uint32(b[304:])&1 != 0}
		if e.Label, err = text(what, b, 48, NameLen); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// EnumAnswer gives an enumeration its number.
type EnumAnswer struct {
	Code int32
	ID   uint64
}

// EnumAnswerLen is its size.
const EnumAnswerLen = 48

// Append appends it.
func (a *EnumAnswer) Append(b []byte) []byte {
	return appendPad(le.AppendUint64(appendWords(b, uint32(NoticeEnum), uint32(a.Code)), a.ID), 32)
}

// ParseEnumAnswer reads it.
func ParseEnumAnswer(b []byte) (EnumAnswer, error) {
	if err := checkAnswer(b, NoticeEnum, EnumAnswerLen); err != nil {
		return EnumAnswer{}, err
	}
	return EnumAnswer{int32(le.Uint32(b[4:])), le.Uint64(b[8:])}, nil
}
