// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package kerneltrace

import (
	"fmt"
	"strings"
)

// Naming is one of the two dialects for names of events and fields.
type Naming uint8

// Dialects.
const (
	LTTng   Naming = iota // names of LTTng's kernel tracer: syscall_entry_openat, prev_tid
	Tracefs               // names of the kernel: syscalls:sys_enter_openat, prev_pid
)

// String returns the name of the dialect: "lttng" or "tracefs".
func (n Naming) String() string {
	if n == Tracefs {
		return "tracefs"
	}
	return "lttng"
}

// ParseNaming reads the name of a dialect.
func ParseNaming(s string) (Naming, error) {
	switch s {
	case "lttng":
		return LTTng, nil
	case "tracefs":
		return Tracefs, nil
	default:
		return 0, fmt.Errorf("naming %q, want lttng or tracefs", s)
	}
}

// EventName is the name in the trace of an event of the kernel.
func (n Naming) EventName(system, name string) string {
	if n == Tracefs {
		return system + ":" + name
	}
	return lttngName(system, name)
}

// prefixed are the events that LTTng calls by a name with a prefix.
var prefixed = map[string]struct{ prefix, names string }{
	"irq":        {"irq_", "softirq_entry softirq_exit softirq_raise"},
	"timer":      {"timer_", "hrtimer_start hrtimer_cancel hrtimer_expire_entry hrtimer_expire_exit itimer_state itimer_expire"},
	"kmem":       {"kmem_", "kmalloc kfree mm_page_alloc mm_page_alloc_extfrag mm_page_alloc_zone_locked mm_page_free mm_page_free_batched mm_page_pcpu_drain"},
	"net":        {"net_", "napi_gro_frags_entry napi_gro_frags_exit napi_gro_receive_entry napi_gro_receive_exit"},
	"power":      {"power_", "cpu_frequency cpu_idle wakeup_source_activate wakeup_source_deactivate"},
	"writeback":  {"writeback_", "balance_dirty_pages bdi_dirty_ratelimit global_dirty_state"},
	"printk":     {"printk_", "console"},
	"btrfs":      {"btrfs_", "add_delayed_data_ref run_delayed_data_ref add_delayed_tree_ref run_delayed_tree_ref add_delayed_ref_head run_delayed_ref_head"},
	"kvmmmu":     {"kvm_mmu_", "fast_page_fault handle_mmio_page_fault mark_mmio_spte"},
	"exceptions": {"x86_exceptions_", "page_fault_user page_fault_kernel"},
}

// renamed are the events that LTTng calls by a name of its own.
var renamed = map[string]string{
	"skb:kfree_skb":   "skb_kfree",
	"skb:consume_skb": "skb_consume",
	"compaction:mm_compaction_isolate_freepages":    "compaction_isolate_freepages",
	"compaction:mm_compaction_isolate_migratepages": "compaction_isolate_migratepages",
	"compaction:mm_compaction_migratepages":         "compaction_migratepages",
	"vmscan:mm_shrink_slab_start":                   "mm_vmscan_shrink_slab_start",
	"vmscan:mm_shrink_slab_end":                     "mm_vmscan_shrink_slab_end",
	"writeback:folio_wait_writeback":                "writeback_folio_wait",
	"irq_vectors:x86_platform_ipi_entry":            "x86_irq_vectors_ipi_entry",
	"irq_vectors:x86_platform_ipi_exit":             "x86_irq_vectors_ipi_exit",
}

// kvmX86 are the events of system kvm that belong to the processor's part of it:
// kvm_X becomes kvm_x86_X.
const kvmX86 = " entry hypercall hv_hypercall xen_hypercall pio cpuid apic exit inj_virq inj_exception page_fault msr cr" +
	" pic_set_irq apic_ipi apic_accept_irq eoi pv_eoi nested_vmrun nested_vmenter nested_intercepts nested_vmexit" +
	" nested_vmexit_inject nested_intr_vmexit invlpga skinit emulate_insn write_tsc_offset update_master_clock track_tsc" +
	" enter_smm pi_irte_update hv_notify_acked_sint hv_synic_set_irq hv_synic_send_eoi hv_synic_set_msr "

func lttngName(system, name string) string {
	if n := renamed[system+":"+name]; n != "" {
		return n
	}
	if p, ok := prefixed[system]; ok && inWords(p.names, name) {
		return p.prefix + name
	}
	switch system {
	case "syscalls":
		if call, ok := strings.CutPrefix(name, "sys_enter_"); ok {
			return "syscall_entry_" + call
		}
		if call, ok := strings.CutPrefix(name, "sys_exit_"); ok {
			return "syscall_exit_" + call
		}
	case "irq_vectors":
		return "x86_irq_vectors_" + name
	case "net":
		if rest, ok := strings.CutPrefix(name, "netif_receive_skb"); ok {
			return "net_if_receive_skb" + rest
		}
		if rest, ok := strings.CutPrefix(name, "netif_rx"); ok {
			return "net_if_rx" + rest
		}
	case "kvm":
		if rest, ok := strings.CutPrefix(name, "kvm_"); ok && inWords(kvmX86, rest) {
			return "kvm_x86_" + rest
		}
	}
	return name
}

// inWords reports whether a word is in a text of words.
func inWords(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// prioBase is what LTTng counts priorities from: the highest one of threads that
// are not for real time.
const prioBase = 100

// probePrefix begins the systems of weir's own probes.
const probePrefix = "weir_"

// fieldName is the name in the trace of a field, and what is added to its value.
func (n Naming) fieldName(system, event, field string) (name string, add int32) {
	if n == LTTng && strings.HasPrefix(system, probePrefix) {
		return renameField(field, "__probe_ip ip __probe_func ip __probe_ret_ip parent_ip", "")
	}
	if n == Tracefs || system != "sched" {
		return field, 0
	}
	switch event {
	case "sched_switch":
		return renameField(field, "prev_pid prev_tid next_pid next_tid", "prev_prio next_prio")
	case "sched_waking", "sched_wakeup", "sched_wakeup_new", "sched_migrate_task",
		"sched_process_exit", "sched_process_free", "sched_process_wait", "sched_wait_task":
		return renameField(field, "pid tid", "prio")
	case "sched_pi_setprio":
		return renameField(field, "pid tid", "oldprio newprio")
	case "sched_process_fork":
		return renameField(field, "parent_pid parent_tid child_pid child_tid", "")
	case "sched_process_exec":
		return renameField(field, "pid tid old_pid old_tid", "")
	}
	if strings.HasPrefix(event, "sched_stat_") {
		return renameField(field, "pid tid", "")
	}
	return field, 0
}

// renameField looks a field up in a list of old and new names and one of
// priorities.
func renameField(field, names, prios string) (name string, add int32) {
	if inWords(prios, field) {
		return field, -prioBase
	}
	old := ""
	for w := range strings.FieldsSeq(names) {
		switch old {
		case "":
			old = w
		case field:
			return w, 0
		default:
			old = ""
		}
	}
	return field, 0
}
