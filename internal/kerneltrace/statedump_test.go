// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/kernel/proc"
)

func TestStateDump(t *testing.T) {
	table := newTable(t, Options{StateDump: true, ClockSync: true})
	var p packets
	c := NewConverter(table, ConverterOptions{TID: 5}, &p)
	check(t, c.StateDump(100, &StateDump{
		Threads: []Thread{
			{
				TID: 7, PID: 7, PPID: 1, VTID: 2, VPID: 2, VPPID: 0, Name: "a name of more than 16", State: 'R', CPU: 1, Owner: Owner{VUID: IDs{1, 1000, 3}, VGID: IDs{4, 100, 6}},
				Namespaces: Namespaces{Cgroup: 1, IPC: 2, Mnt: 3, Net: 4, PID: 5, Time: 6, User: 7, UTS: 8, PIDLevel: 1},
			},
			{TID: 2, PID: 2, Name: "kthreadd", Kernel: true, State: 'S'},
		},
		Files:        []OpenFile{{PID: 7, FD: 3, Flags: 0o100002, Name: "/dev/null"}, {PID: 7, FD: 4, Name: "a\x00b"}},
		Interfaces:   []Interface{{Name: "lo", IPv4: [4]byte{127, 0, 0, 1}}},
		BlockDevices: []BlockDevice{{Dev: 254 << 20, Name: "vda"}},
		Interrupts:   []Interrupt{{IRQ: 4, Name: "IO-APIC", Action: "ttyS0"}},
	}))
	check(t, c.ClockSync(101, 202, 3))
	check(t, c.Close(0, 0))
	var got []string
	for _, line := range p.text(t, table) {
		_, rest, _ := strings.Cut(line, "] ")
		got = append(got, strings.Replace(rest, ": { cpu_id = 0 }, { tid = 5, common_flags = 0x0, common_preempt_count = 0 }", "", 1))
	}
	want := []string{
		`lttng_statedump_start`,
		`lttng_statedump_process_state, { tid = 7, pid = 7, ppid = 1, name = "a name of more ", type = ( "LTTNG_USER_THREAD" : container = 0 ), mode = ( "LTTNG_MODE_UNKNOWN" : container = 5 ), submode = ( "LTTNG_UNKNOWN" : container = 1 ), status = ( "LTTNG_WAIT_CPU" : container = 2 ), cpu = 1, file_table_address = 0x7 }`,
		`lttng_statedump_process_pid_ns, { tid = 7, vtid = 2, vpid = 2, vppid = 0, ns_level = 1, ns_inum = 5 }`,
		`lttng_statedump_process_cgroup_ns, { tid = 7, ns_inum = 1 }`,
		`lttng_statedump_process_ipc_ns, { tid = 7, ns_inum = 2 }`,
		`lttng_statedump_process_mnt_ns, { tid = 7, ns_inum = 3 }`,
		`lttng_statedump_process_net_ns, { tid = 7, ns_inum = 4 }`,
		`lttng_statedump_process_uts_ns, { tid = 7, ns_inum = 8 }`,
		`lttng_statedump_process_time_ns, { tid = 7, ns_inum = 6 }`,
		`lttng_statedump_process_user_ns, { tid = 7, vuid = 1000, vgid = 100, ns_level = 0, ns_inum = 7 }`,
		`lttng_statedump_process_state, { tid = 2, pid = 2, ppid = 0, name = "kthreadd", type = ( "LTTNG_KERNEL_THREAD" : container = 1 ), mode = ( "LTTNG_MODE_UNKNOWN" : container = 5 ), submode = ( "LTTNG_UNKNOWN" : container = 1 ), status = ( "LTTNG_WAIT" : container = 5 ), cpu = 0, file_table_address = 0x2 }`,
		`lttng_statedump_file_descriptor, { file_table_address = 0x7, fd = 3, flags = 0x8002, fmode = 0x3, filename = "/dev/null" }`,
		`lttng_statedump_file_descriptor, { file_table_address = 0x7, fd = 4, flags = 0x0, fmode = 0x1, filename = "a" }`,
		`lttng_statedump_network_interface, { name = "lo", address_ipv4 = 0x7F000001 }`,
		`lttng_statedump_block_device, { dev = 266338304, diskname = "vda" }`,
		`lttng_statedump_interrupt, { irq = 4, name = "IO-APIC", action = "ttyS0" }`,
		`lttng_statedump_end`,
		`weir_clock_sync, { mono = 101, real = 202, error = 3 }`,
	}
	for i := range got {
		got[i] = strings.TrimSuffix(got[i], ", { }")
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := NewConverter(newTable(t, Options{}), ConverterOptions{}, &p).ClockSync(1, 2, 3); err == nil {
		t.Error("an event that is not declared is written")
	}
}

// The dump of this host is read, and is known afterwards.
func TestStateDumpOfThisHost(t *testing.T) {
	host, err := proc.Open("/proc")
	check(t, err)
	defer host.Close()
	d, _, err := ReadStateDump(host, proc.Options{Interfaces: func() ([]proc.Interface, error) {
		return []proc.Interface{{Name: "lo", IPv4: [4]byte{127, 0, 0, 1}}}, nil
	}})
	check(t, err)
	table := newTable(t, Options{StateDump: true, Contexts: []Context{ContextPID}})
	var p packets
	tasks := new(Tasks)
	c := NewConverter(table, ConverterOptions{Tasks: tasks}, &p)
	check(t, c.StateDump(1, d))
	check(t, c.Close(1, 0))
	if got := uint64(len(p.text(t, table))); got != c.Counts().Events {
		t.Errorf("babeltrace2 prints %d events, want %d", got, c.Counts().Events)
	}
	me := int32(os.Getpid())
	if task, ok := tasks.Last(me); !ok || task.PID != me || task.PPID != int32(os.Getppid()) {
		t.Errorf("this process is %+v, %v", task, ok)
	}
	if len(d.Interfaces) != 1 || d.Interfaces[0].IPv4 != [4]byte{127, 0, 0, 1} || len(d.Files) == 0 {
		t.Errorf("%d files, interfaces %v", len(d.Files), d.Interfaces)
	}
}
