// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// Sizes of messages on the command socket.
const (
	CommandLen = 612
	ReplyLen   = 324

	commandBody = 40
	bodyLen     = CommandLen - commandBody
	replyBody   = 48
)

// Root is the handle that all others come from.
const Root = 0

// Op is what a command asks for. Its comment names the handle that it is for and what
// it has: fields of the body, and what follows the message.
type Op uint32

// Commands.
const (
	OpRelease        Op = 0x01 // any: gives the handle back
	OpSession        Op = 0x40 // root: the reply's value is a session's handle
	OpTracerVersion  Op = 0x41 // root: the reply has a Version
	OpTracepointList Op = 0x42 // root: a list's handle
	OpWaitQuiescent  Op = 0x43 // root
	OpRegisterDone   Op = 0x44 // root: the program need not wait any more
	OpFieldList      Op = 0x45 // root: a list's handle
	OpNotifierGroup  Op = 0x46 // root: then a descriptor
	OpChannel        Op = 0x51 // session: Channel; then a channel object, and its descriptor
	OpSessionStart   Op = 0x52 // session
	OpSessionStop    Op = 0x53 // session
	OpStatedump      Op = 0x54 // session
	OpStream         Op = 0x60 // channel: Stream; then memory and wake-up descriptors
	OpEvent          Op = 0x61 // channel: Event; a rule's handle
	OpContext        Op = 0x70 // channel: Context
	OpEnable         Op = 0x80 // session, channel, rule
	OpDisable        Op = 0x81 // session, channel, rule
	OpTracepointGet  Op = 0x90 // list: the reply has a Tracepoint
	OpFieldGet       Op = 0x91 // list: a FieldInfo follows the reply
	OpFilter         Op = 0xA0 // rule: Filter; then its bytecode
	OpExclusion      Op = 0xA1 // rule: Exclusion; then its names
	OpCounter        Op = 0xC0 // notifier group
)

// Code is how a command has ended: 0 or one of these.
type Code int32

// Codes of errors.
const (
	OK           Code = 0
	CodeFailed   Code = -1024
	CodeNoEntry  Code = -1025 // also the end of a list
	CodeExists   Code = -1026
	CodeInvalid  Code = -1027
	CodeNoAccess Code = -1028
	CodeNoSys    Code = -1029
	CodeExiting  Code = -1030
	CodeLast     Code = -1036
)

// Error tells what went wrong.
func (c Code) Error() string {
	names := [...]string{
		"the program could not", "no such object", "exists already", "invalid arguments", "not allowed", "not known to the program",
		"the program is ending", "unexpected magic number", "unexpected type", "unexpected message", "unexpected size", "not supported", "wrong version",
	}
	if i := int(CodeFailed - c); i >= 0 && i < len(names) {
		return fmt.Sprintf("code %d: %s", int32(c), names[i])
	}
	return fmt.Sprintf("code %d", int32(c))
}

// Command is a message from the daemon.
type Command struct {
	Handle uint32
	Op     Op
	Body   []byte // up to 572 bytes; one of the types of this package appends it
}

// Append appends the message.
func (c *Command) Append(b []byte) []byte {
	b = le.AppendUint32(b, c.Handle)
	b = le.AppendUint32(b, uint32(c.Op))
	b = appendPad(b, commandBody-8)
	body := c.Body[:min(len(c.Body), bodyLen)]
	b = append(b, body...)
	return appendPad(b, bodyLen-len(body))
}

// ParseCommand reads the message. The body shares b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) != CommandLen {
		return Command{}, short("command", len(b), CommandLen)
	}
	return Command{le.Uint32(b), Op(le.Uint32(b[4:])), b[commandBody:]}, nil
}

// Reply is a program's answer.
type Reply struct {
	Handle uint32
	Op     Op
	Code   Code
	Value  uint32 // such as a new handle
	Body   []byte // up to 276 bytes
}

// Append appends the message.
func (r *Reply) Append(b []byte) []byte {
	for _, v := range [...]uint32{r.Handle, uint32(r.Op), uint32(r.Code), r.Value} {
		b = le.AppendUint32(b, v)
	}
	b = appendPad(b, replyBody-16)
	body := r.Body[:min(len(r.Body), ReplyLen-replyBody)]
	b = append(b, body...)
	return appendPad(b, ReplyLen-replyBody-len(body))
}

// ParseReply reads the message. The body shares b.
func ParseReply(b []byte) (Reply, error) {
	if len(b) != ReplyLen {
		return Reply{}, short("reply", len(b), ReplyLen)
	}
	return Reply{le.Uint32(b), Op(le.Uint32(b[4:])), Code(le.Uint32(b[8:])), le.Uint32(b[12:]), b[replyBody:]}, nil
}

// Answers tells why a reply is not that to a command, or that it tells of an error.
func (r *Reply) Answers(c *Command) error {
	switch {
	case r.Handle != c.Handle:
		return &Error{"reply", 0, fmt.Sprintf("handle %d", r.Handle), fmt.Sprint(c.Handle)}
	case r.Op != c.Op:
		return &Error{"reply", 4, fmt.Sprintf("command %#x", uint32(r.Op)), fmt.Sprintf("%#x", uint32(c.Op))}
	case r.Code > OK || r.Code < CodeLast || r.Code > CodeFailed && r.Code != OK:
		return &Error{"reply", 8, fmt.Sprintf("code %d", int32(r.Code)), "0 or -1036 to -1024"}
	case r.Code != OK:
		return r.Code
	}
	return nil
}
