// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-io/weir/ctf/schema"
)

// ownEvent is an event that weir writes itself into a kernel's stream.
type ownEvent uint8

const (
	dumpStart ownEvent = iota
	dumpProcess
	dumpPIDNS
	dumpCgroupNS
	dumpIPCNS
	dumpMntNS
	dumpNetNS
	dumpUTSNS
	dumpTimeNS
	dumpUserNS
	dumpFile
	dumpInterface
	dumpBlock
	dumpInterrupt
	dumpEnd
	clockSync

	numOwn
)

// declareOwn declares the events that the options ask for. They have the first
// ids.
func (t *Table) declareOwn() {
	for i := range numOwn {
		t.ownIDs[i] = -1
		if i == clockSync && !t.opts.ClockSync || i < clockSync && !t.opts.StateDump {
			continue
		}
		t.ownIDs[i] = len(t.stream.Events)
		name, payload := t.ownClass(i)
		t.stream.AddEvent(&schema.Event{
			ID: uint64(len(t.stream.Events)), Name: name, HasName: true, LogLevel: schema.NoLogLevel, Payload: &schema.Struct{Members: payload},
		})
	}
	t.own = len(t.stream.Events)
}

// enum is a 32-bit enumeration whose values count from 0.
func (t *Table) enum(labels ...string) schema.Class {
	i := t.integer(4, true, 10)
	for v, label := range labels {
		i.Mappings = append(i.Mappings, schema.Mapping{Label: label, Ranges: []schema.Range{{Low: uint64(v), High: uint64(v)}}})
	}
	return i
}

// ownClass is the declaration of an event. The ones of the state dump are
// LTTng's.
func (t *Table) ownClass(e ownEvent) (name string, payload []schema.Member) {
	i32, u32, u64 := t.integer(4, true, 10), t.integer(4, false, 10), t.integer(8, false, 10)
	hex32, hex64, str := t.integer(4, false, 16), t.integer(8, false, 16), &schema.String{Encoding: schema.UTF8}
	fields := func(nameAndClass ...any) []schema.Member {
		var m []schema.Member
		for i := 0; i < len(nameAndClass); i += 2 {
			m = append(m, field(nameAndClass[i].(string), nameAndClass[i+1].(schema.Class)))
		}
		return m
	}
	const prefix = "lttng_statedump_"
	switch e {
	case dumpStart:
		return prefix + "start", nil
	case dumpEnd:
		return prefix + "end", nil
	case dumpProcess:
		return prefix + "process_state", fields("tid", i32, "pid", i32, "ppid", i32, "name", t.text(16),
			"type", t.enum("LTTNG_USER_THREAD", "LTTNG_KERNEL_THREAD"),
			"mode", t.enum("LTTNG_USER_MODE", "LTTNG_SYSCALL", "LTTNG_TRAP", "LTTNG_IRQ", "LTTNG_SOFTIRQ", "LTTNG_MODE_UNKNOWN"),
			"submode", t.enum("LTTNG_NONE", "LTTNG_UNKNOWN"),
			"status", t.enum("LTTNG_UNNAMED", "LTTNG_WAIT_FORK", "LTTNG_WAIT_CPU", "LTTNG_EXIT", "LTTNG_ZOMBIE", "LTTNG_WAIT", "LTTNG_RUN", "LTTNG_DEAD"),
			"cpu", u32, "file_table_address", hex64)
	case dumpPIDNS:
		return prefix + "process_pid_ns", fields("tid", i32, "vtid", i32, "vpid", i32, "vppid", i32, "ns_level", u32, "ns_inum", u32)
	case dumpUserNS:
		return prefix + "process_user_ns", fields("tid", i32, "vuid", u32, "vgid", u32, "ns_level", u32, "ns_inum", u32)
	case dumpFile:
		return prefix + "file_descriptor", fields("file_table_address", hex64, "fd", i32, "flags", hex32, "fmode", hex32, "filename", str)
	case dumpInterface:
		address := t.integer(4, false, 16)
		address.Order = schema.BigEndian
		return prefix + "network_interface", fields("name", str, "address_ipv4", address)
	case dumpBlock:
		return prefix + "block_device", fields("dev", u32, "diskname", str)
	case dumpInterrupt:
		return prefix + "interrupt", fields("irq", u32, "name", str, "action", str)
	case clockSync:
		return "weir_clock_sync", fields("mono", u64, "real", u64, "error", u64)
	default:
		space := [...]string{"cgroup", "ipc", "mnt", "net", "uts", "time"}[e-dumpCgroupNS]
		return prefix + "process_" + space + "_ns", fields("tid", i32, "ns_inum", u32)
	}
}

// put writes an event of weir's own.
func (c *Converter) put(e ownEvent, now uint64, payload []byte) error {
	id := c.table.ownIDs[e]
	if id < 0 {
		name, _ := c.table.ownClass(e)
		return fmt.Errorf("event %s is not declared in the table", name)
	}
	var record [recordHead]byte
	binary.NativeEndian.PutUint32(record[4:], uint32(c.o.TID))
	now = max(now, c.last)
	most := eventHead + c.table.context.room + len(payload)
	if c.pos == 0 || most > c.full-c.pos {
		c.makeRoom(now, most)
	}
	pos := c.header(uint32(id), now, record[:])
	pos = c.putContexts(pos, record[:], nil, now)
	c.pos = pos + copy(c.buf[pos:], payload)
	c.counts.Events++
	return c.err
}

// ClockSync writes an event that tells what the wall clock said at a time of the
// trace's clock, both in nanoseconds, and the most that this is wrong by.
func (c *Converter) ClockSync(mono, real, err uint64) error {
	c.err = nil
	c.release()
	e := binary.NativeEndian
	return c.put(clockSync, mono, e.AppendUint64(e.AppendUint64(e.AppendUint64(nil, mono), real), err))
}
