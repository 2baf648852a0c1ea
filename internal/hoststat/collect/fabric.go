// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// fibreInfo are the files that say what a port of Fibre Channel is; each is a label.
var fibreInfo = [...]string{
	"speed", "port_state", "port_type", "port_id", "port_name", "fabric_name", "symbolic_name", "supported_classes", "supported_speeds", "dev_loss_tmo",
}

// fibreCounters are its counters, in hexadecimal digits, and their names.
var fibreCounters = [...][2]string{
	{"dumped_frames", "dumped_frames_total"},
	{"error_frames", "error_frames_total"},
	{"invalid_crc_count", "invalid_crc_total"},
	{"rx_frames", "rx_frames_total"},
	{"rx_words", "rx_words_total"},
	{"tx_frames", "tx_frames_total"},
	{"tx_words", "tx_words_total"},
	{"seconds_since_last_reset", "seconds_since_last_reset_total"},
	{"invalid_tx_word_count", "invalid_tx_words_total"},
	{"link_failure_count", "link_failure_total"},
	{"loss_of_sync_count", "loss_of_sync_total"},
	{"loss_of_signal_count", "loss_of_signal_total"},
	{"nos_count", "nos_total"},
	{"fcp_packet_aborts", "fcp_packet_aborts_total"},
}

// fibreChannel shows the ports of Fibre Channel.
func (r *Reader) fibreChannel(p *page) error {
	dir := r.sys("class/fc_host")
	hosts, err := list(dir)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		at := dir + "/" + h.Name()
		labels := []string{"fc_host", h.Name()}
		for _, f := range fibreInfo {
			value, err := text(at + "/" + f)
			if err != nil {
				return err
			}
			if (strings.HasSuffix(f, "_name") && f != "symbolic_name" || f == "port_id") && len(value) > 2 {
				value = value[2:] // without 0x
			}
			labels = append(labels, f, value)
		}
		values, err := regularFiles(at + "/statistics")
		if err != nil {
			return err
		}
		p.gauge("fibrechannel_info", 1, labels...)
		for _, c := range fibreCounters {
			n, err := unsigned(values[c[0]])
			if err != nil {
				return fmt.Errorf("%s/statistics/%s: %w", at, c[0], err)
			}
			if n != math.MaxUint64 { // what the adapter does not count
				p.counter("fibrechannel_"+c[1], float64(n), "fc_host", h.Name())
			}
		}
	}
	return nil
}

// unsigned reads a number, hexadecimal with 0x before it; none is 0.
func unsigned(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseUint(s, 0, 64)
}

// portCounter is a counter of a port of InfiniBand. Data are counted by lanes, of
// which there are four.
type portCounter struct {
	file, name string
	times      float64
}

const lanes = 4

var portCounters = [...]portCounter{
	{"excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors_total", 1},
	{"link_downed", "link_downed_total", 1},
	{"link_error_recovery", "link_error_recovery_total", 1},
	{"local_link_integrity_errors", "local_link_integrity_errors_total", 1},
	{"multicast_rcv_packets", "multicast_packets_received_total", 1},
	{"multicast_xmit_packets", "multicast_packets_transmitted_total", 1},
	{"port_rcv_constraint_errors", "port_constraint_errors_received_total", 1},
	{"port_xmit_constraint_errors", "port_constraint_errors_transmitted_total", 1},
	{"port_rcv_data", "port_data_received_bytes_total", lanes},
	{"port_xmit_data", "port_data_transmitted_bytes_total", lanes},
	{"port_rcv_discards", "port_discards_received_total", 1},
	{"port_xmit_discards", "port_discards_transmitted_total", 1},
	{"port_rcv_errors", "port_errors_received_total", 1},
	{"port_rcv_packets", "port_packets_received_total", 1},
	{"port_xmit_packets", "port_packets_transmitted_total", 1},
	{"port_xmit_wait", "port_transmit_wait_total", 1},
	{"unicast_rcv_packets", "unicast_packets_received_total", 1},
	{"unicast_xmit_packets", "unicast_packets_transmitted_total", 1},
	{"port_rcv_remote_physical_errors", "port_receive_remote_physical_errors_total", 1},
	{"port_rcv_switch_relay_errors", "port_receive_switch_relay_errors_total", 1},
	{"symbol_error", "symbol_error_total", 1},
	{"VL15_dropped", "vl15_dropped_total", 1},
}

// oldCounters are those of a directory of its own.
var oldCounters = [...]portCounter{
	{"port_multicast_rcv_packets", "legacy_multicast_packets_received_total", 1},
	{"port_multicast_xmit_packets", "legacy_multicast_packets_transmitted_total", 1},
	{"port_rcv_data_64", "legacy_data_received_bytes_total", lanes},
	{"port_rcv_packets_64", "legacy_packets_received_total", 1},
	{"port_unicast_rcv_packets", "legacy_unicast_packets_received_total", 1},
	{"port_unicast_xmit_packets", "legacy_unicast_packets_transmitted_total", 1},
	{"port_xmit_data_64", "legacy_data_transmitted_bytes_total", lanes},
	{"port_xmit_packets_64", "legacy_packets_transmitted_total", 1},
}

// infiniBand shows the devices of InfiniBand and their ports.
func (r *Reader) infiniBand(p *page) error {
	dir := r.sys("class/infiniband")
	devices, err := list(dir)
	if err != nil {
		return err
	}
	for _, d := range devices {
		at := dir + "/" + d.Name()
		labels := []string{"device", d.Name()}
		for _, f := range [...][2]string{{"board_id", "board_id"}, {"firmware_version", "fw_ver"}, {"hca_type", "hca_type"}} {
			value, err := text(at + "/" + f[1])
			if err != nil && (f[0] != "hca_type" || !isMissing(err)) {
				return err
			}
			labels = append(labels, f[0], value)
		}
		p.gauge("infiniband_info", 1, labels...)
		ports, err := list(at + "/ports")
		if err != nil {
			return err
		}
		for _, port := range ports {
			if err := r.port(p, at+"/ports/"+port.Name(), d.Name(), port.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Reader) port(p *page, at, device, port string) error {
	labels := []string{"device", device, "port", port}
	for _, f := range [...][2]string{{"state", "state_id"}, {"phys_state", "physical_state_id"}} {
		value, err := text(at + "/" + f[0])
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(value, ":") // 4: ACTIVE
		n, err := strconv.ParseUint(strings.TrimSpace(id), 10, 32)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", at, f[0], err)
		}
		p.gauge("infiniband_"+f[1], float64(n), labels...)
	}
	rate, err := text(at + "/rate")
	if err != nil {
		return err
	}
	const gigabit = 125_000_000
	number, _, _ := strings.Cut(rate, " ") // 56 Gb/sec (4X FDR)
	gigabits, err := strconv.ParseFloat(number, 32)
	if err != nil {
		return fmt.Errorf("%s/rate: %w", at, err)
	}
	p.gauge("infiniband_rate_bytes_per_second", math.Trunc(gigabits*gigabit), labels...)
	if err := p.portCounters(at+"/counters", portCounters[:], labels); err != nil {
		return err
	}
	if err := p.portCounters(at+"/counters_ext", oldCounters[:], labels); err != nil && !errors.Is(err, errAbsent) {
		return err
	}
	return nil
}

func (p *page) portCounters(dir string, counters []portCounter, labels []string) error {
	values, err := regularFiles(dir)
	if err != nil {
		return err
	}
	for _, c := range counters {
		value, ok := values[c.file]
		if !ok || strings.Contains(value, "N/A (no PMA)") {
			continue
		}
		n, err := unsigned(value)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", dir, c.file, err)
		}
		p.counter("infiniband_"+c.name, float64(n)*c.times, labels...)
	}
	return nil
}

// tapeCounters are those of a tape drive.
var tapeCounters = [...]struct {
	file, name string
	unit       float64
}{
	{"io_ns", "io_time_seconds_total", nano},
	{"other_cnt", "io_others_total", 1},
	{"read_byte_cnt", "read_bytes_total", 1},
	{"read_cnt", "reads_completed_total", 1},
	{"read_ns", "read_time_seconds_total", nano},
	{"resid_cnt", "residual_total", 1},
	{"write_byte_cnt", "written_bytes_total", 1},
	{"write_cnt", "writes_completed_total", 1},
	{"write_ns", "write_time_seconds_total", nano},
}

const nano = 1e9

// tapes shows tape drives.
func (r *Reader) tapes(p *page) error {
	dir := r.sys("class/scsi_tape")
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "st") // of st0, st0a, st0l, nst0, …, that are one drive
		if _, err := strconv.ParseUint(digits, 10, 32); !ok || err != nil {
			continue
		}
		values, err := regularFiles(dir + "/" + e.Name() + "/stats")
		if err != nil {
			return err
		}
		waiting, err := unsigned(values["in_flight"])
		if err != nil {
			return err
		}
		p.gauge("tape_io_now", float64(waiting), "device", e.Name())
		for _, c := range tapeCounters {
			n, err := unsigned(values[c.file])
			if err != nil {
				return err
			}
			p.counter("tape_"+c.name, float64(n)/c.unit, "device", e.Name())
		}
	}
	return nil
}
