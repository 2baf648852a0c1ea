// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sensorKinds are the kinds of sensors that are shown.
var sensorKinds = [...]string{
	"vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy", "humidity", "intrusion",
}

// hwmon shows the chips that measure temperatures, voltages and the like. A chip that
// cannot be read does not keep the others from being shown.
func (r *Reader) hwmon(p *page) (err error) {
	dir := r.sys("class/hwmon")
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := dir + "/" + e.Name()
		if !isDir(at) {
			continue
		}
		if bad := p.chip(at); bad != nil {
			err = bad
		}
	}
	return err
}

// chip shows the sensors of a chip, whose files are in its directory or, with old
// drivers, in that of the device.
func (p *page) chip(dir string) error {
	name, err := chipName(dir)
	if err != nil {
		return err
	}
	sensors := make(map[string]map[string]string)
	if err := sensorFiles(dir, sensors); err != nil {
		return err
	}
	if isDir(dir + "/device") {
		if err := sensorFiles(dir+"/device", sensors); err != nil {
			return err
		}
	}
	if chip := cleanFile(dir + "/name"); chip != "" {
		p.gauge("hwmon_chip_names", 1, "chip", name, "chip_name", chip)
	}
	for _, sensor := range slices.Sorted(maps.Keys(sensors)) {
		p.sensor(name, sensor, sensors[sensor])
	}
	return nil
}

// chipName returns what a chip is called: the last two parts of its device's path,
// else its name, else its number.
func chipName(dir string) (string, error) {
	if path, err := filepath.EvalSymlinks(dir + "/device"); err == nil {
		bus, device := filepath.Split(path)
		bus, device = cleanName(filepath.Base(bus)), cleanName(device)
		if device != "" {
			return strings.TrimPrefix(bus+"_"+device, "_"), nil
		}
	}
	if name := cleanFile(dir + "/name"); name != "" {
		return name, nil
	}
	path, err := filepath.EvalSymlinks(dir)
	return cleanName(filepath.Base(path)), err
}

func cleanFile(path string) string {
	s, err := text(path)
	if err != nil {
		return ""
	}
	return cleanName(s)
}

// cleanName makes a name one of small letters, digits and colons, with underscores
// for the rest but at its ends.
func cleanName(s string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == ':' {
			return c
		}
		return '_'
	}, strings.ToLower(s)), "_")
}

// sensorFiles reads the files of sensors in a directory: by sensor, such as temp1, and
// property, such as input.
func sensorFiles(dir string, sensors map[string]map[string]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		kind, number, property, ok := cutSensor(e.Name())
		if !ok || !slices.Contains(sensorKinds[:], kind) {
			continue
		}
		value, err := text(dir + "/" + e.Name())
		if err != nil {
			continue // the hardware does not answer
		}
		name := kind + number
		if sensors[name] == nil {
			sensors[name] = make(map[string]string)
		}
		sensors[name][property] = value
	}
	return nil
}

// cutSensor takes a name apart: temp1_input is temp, 1 and input; beep_enable has
// neither number nor property and is number 0.
func cutSensor(name string) (kind, number, property string, ok bool) {
	begin := strings.IndexAny(name, "0123456789")
	if begin < 0 {
		return name, "0", "", name != ""
	}
	kind, rest := name[:begin], name[begin:]
	number, property, more := strings.Cut(rest, "_")
	n, err := strconv.Atoi(number)
	return kind, strconv.Itoa(n), property, err == nil && kind != "" && (!more || property != "")
}

// sensor shows what a sensor measures, its limits and its states.
func (p *page) sensor(chip, sensor string, values map[string]string) {
	kind := strings.TrimRight(sensor, "0123456789")
	labels := []string{"chip", chip, "sensor", sensor}
	if label, ok := values["label"]; ok {
		p.gauge("hwmon_sensor_label", 1, append(slices.Clone(labels), "label", utf8(label))...)
	}
	const milli = 1e3
	switch kind {
	case "beep_enable":
		on := 0.0
		if values[""] == "1" {
			on = 1
		}
		p.gauge("hwmon_beep_enabled", on, labels...)
		return
	case "vrm":
		p.parsed("hwmon_voltage_regulator_version", Gauge, values[""], 1, labels)
		return
	case "update_interval":
		p.parsed("hwmon_update_interval_seconds", Gauge, values[""], milli, labels)
		return
	}
	_, bare := values[""]
	for _, property := range slices.Sorted(maps.Keys(values)) {
		if property == "label" {
			continue
		}
		name := "hwmon_" + kind
		switch {
		case property == "input" && !bare, property == "": // what it measures
		case property == "input":
			name += "_input"
		default:
			name += "_" + cleanName(property)
		}
		suffix, unit, k := unitOf(kind, property)
		p.parsed(name+suffix, k, values[property], unit, labels)
	}
}

// parsed adds a sample of a text, if it is a number of the parts of a unit.
func (p *page) parsed(name string, k Kind, value string, unit float64, labels []string) {
	if v, err := strconv.ParseFloat(value, 64); err == nil {
		p.add(name, k, v/unit, labels)
	}
}

// unitOf returns the unit of a property of a kind of sensors, as the end of the name
// of its metric, and how many of what the kernel counts it is.
func unitOf(kind, property string) (suffix string, unit float64, k Kind) {
	const milli = 1e3
	switch property {
	case "fault", "alarm":
		return "", 1, Gauge
	case "beep":
		return "_enabled", 1, Gauge
	}
	switch {
	case kind == "in", kind == "cpu":
		return "_volts", milli, Gauge
	case kind == "temp" && property != "type":
		return "_celsius", milli, Gauge
	case kind == "curr":
		return "_amps", milli, Gauge
	case kind == "energy":
		return "_joule_total", micro, Counter
	case kind == "power" && property == "accuracy":
		return "", micro, Gauge
	case kind == "power" && strings.HasPrefix(property, "average_interval"):
		return "_seconds", milli, Gauge
	case kind == "power":
		return "_watt", micro, Gauge
	case kind == "humidity":
		return "", micro, Gauge
	case kind == "fan" && slices.Contains([]string{"input", "min", "max", "target"}, property):
		return "_rpm", 1, Gauge
	}
	return "", 1, Gauge
}
