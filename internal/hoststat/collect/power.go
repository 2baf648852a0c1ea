// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
)

// quantity is a number of a power supply: its file, its name, and how many of what
// the kernel counts are a unit.
type quantity struct {
	file, name string // no name: as the file
	unit       float64
}

const (
	micro = 1e6
	deci  = 10
)

var supplyNumbers = [...]quantity{
	{"authentic", "", 1},
	{"calibrate", "", 1},
	{"capacity", "", 1},
	{"capacity_alert_max", "", 1},
	{"capacity_alert_min", "", 1},
	{"cycle_count", "cyclecount", 1},
	{"online", "", 1},
	{"present", "", 1},
	{"time_to_empty_now", "time_to_empty_seconds", 1},
	{"time_to_full_now", "time_to_full_seconds", 1},
	{"current_boot", "", micro},
	{"current_max", "", micro},
	{"current_now", "current_ampere", micro},
	{"energy_empty", "", micro},
	{"energy_empty_design", "", micro},
	{"energy_full", "", micro},
	{"energy_full_design", "", micro},
	{"energy_now", "energy_watthour", micro},
	{"voltage_boot", "", micro},
	{"voltage_max", "", micro},
	{"voltage_max_design", "", micro},
	{"voltage_min", "", micro},
	{"voltage_min_design", "", micro},
	{"voltage_now", "voltage_volt", micro},
	{"voltage_ocv", "", micro},
	{"charge_control_limit", "", micro},
	{"charge_control_limit_max", "", micro},
	{"charge_counter", "", micro},
	{"charge_empty", "", micro},
	{"charge_empty_design", "", micro},
	{"charge_full", "", micro},
	{"charge_full_design", "", micro},
	{"charge_now", "charge_ampere", micro},
	{"charge_term_current", "", micro},
	{"constant_charge_current", "", micro},
	{"constant_charge_current_max", "", micro},
	{"constant_charge_voltage", "", micro},
	{"constant_charge_voltage_max", "", micro},
	{"precharge_current", "", micro},
	{"input_current_limit", "", micro},
	{"power_now", "power_watt", micro},
	{"temp", "temp_celsius", deci},
	{"temp_alert_max", "temp_alert_max_celsius", deci},
	{"temp_alert_min", "temp_alert_min_celsius", deci},
	{"temp_ambient", "temp_ambient_celsius", deci},
	{"temp_ambient_max", "temp_ambient_max_celsius", deci},
	{"temp_ambient_min", "temp_ambient_min_celsius", deci},
	{"temp_max", "temp_max_celsius", deci},
	{"temp_min", "temp_min_celsius", deci},
}

// supplyWords are the files of what a power supply is; each is a label.
var supplyWords = [...]string{
	"capacity_level", "charge_type", "health", "manufacturer", "model_name", "serial_number", "status", "technology", "type", "usb_type", "scope",
}

// powerSupplies shows batteries and mains.
func (r *Reader) powerSupplies(p *page) error {
	dir := r.sys("class/power_supply")
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		values, err := regularFiles(dir + "/" + e.Name())
		if err != nil {
			return err
		}
		for _, q := range supplyNumbers {
			value, ok := values[q.file]
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return err
			}
			name := q.name
			if name == "" {
				name = q.file
			}
			p.gauge("power_supply_"+name, float64(n)/q.unit, "power_supply", e.Name())
		}
		labels := []string{"power_supply", e.Name()}
		for _, word := range supplyWords {
			if value := values[word]; value != "" {
				labels = append(labels, word, utf8(value))
			}
		}
		p.gauge("power_supply_info", 1, labels...)
	}
	return nil
}

// regularFiles reads the regular files of a directory, but those that have nothing to
// say.
func regularFiles(dir string) (map[string]string, error) {
	files, err := list(dir)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(files))
	for _, f := range files {
		if !f.Type().IsRegular() || f.Name() == "reset_statistics" {
			continue
		}
		value, err := text(dir + "/" + f.Name())
		if err != nil {
			if isSilent(err) || isMissing(err) {
				continue
			}
			return nil, err
		}
		values[f.Name()] = value
	}
	return values, nil
}
