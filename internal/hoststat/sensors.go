// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package hoststat

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/weir-io/weir/xmlsysd"
)

// sensorsReader reads /sys/class/hwmon: a directory for each chip, in it files
// "temp1_input", "temp1_label", … for each of its sensors.
type sensorsReader struct {
	sysfsReader
	dir             string
	sensors, sensor xmlsysd.NodeID
	chip, kind      xmlsysd.NodeID
	label, device   xmlsysd.NodeID
	values          []xmlsysd.NodeID // input min max crit
	flags           []xmlsysd.NodeID // alarm fault
}

// sensorKinds are the kinds of sensors, and how many of what the kernel counts are
// a unit: of degrees, volts, amperes, watts, joules, percent.
var sensorKinds = map[string]int64{
	"temp": 1e3, "in": 1e3, "curr": 1e3, "power": 1e6, "energy": 1e6, "fan": 1, "humidity": 1e3, "pwm": 1,
}

func newSensorsReader(e *Engine) reader {
	const at = "system/sensors"
	m := e.model
	return &sensorsReader{
		dir: e.sys("class/hwmon"), sensors: m.Must(at), sensor: m.Must(at + "/sensor"),
		chip: m.Must(at + "/sensor/chip"), kind: m.Must(at + "/sensor/kind"), label: m.Must(at + "/sensor/label"), device: m.Must(at + "/sensor/device"),
		values: nodesOf(m, at+"/sensor", "input", "min", "max", "crit"), flags: nodesOf(m, at+"/sensor", "alarm", "fault"),
	}
}

func (s *sensorsReader) read(r *request) error {
	chips, err := numbered(s.dir, "hwmon")
	if err != nil {
		return err
	}
	if len(chips) == 0 {
		return errAbsent
	}
	r.tape.Open(s.sensors, r.at)
	defer r.tape.Close()
	taken := make(map[string]int)
	for _, n := range chips {
		s.addChip(r, "hwmon"+strconv.Itoa(n), taken)
	}
	return nil
}

// addChip adds the sensors of a chip. They are named for the device, which has the
// same name after the next boot; the number of the chip may be another.
func (s *sensorsReader) addChip(r *request, name string, taken map[string]int) {
	dir := s.dir + "/" + name
	device := name
	if link, err := os.Readlink(dir + "/device"); err == nil {
		device = filepath.Base(link)
	}
	if _, err := os.Stat(dir + "/name"); err != nil {
		dir += "/device" // of drivers from before Linux 3.13
	}
	path := devicePath(s.dir + "/" + name + "/device")
	list := listSensors(dir)
	chip, _ := s.value(r, dir+"/name")
	chip = clone(chip)
	for _, x := range list {
		id := device + "/" + x.String()
		taken[id]++
		if n := taken[id]; n > 1 {
			id = fmt.Sprintf("%s#%d", id, n)
		}
		r.tape.Open(s.sensor, xmlsysd.Stamp{}, []byte(id))
		r.tape.Leaf(s.chip, chip)
		r.tape.Leaf(s.kind, []byte(x.kind))
		s.addValues(r, dir+"/"+x.String(), x)
		if path != nil {
			r.tape.Leaf(s.device, path)
		}
		r.tape.Close()
	}
}

// devicePath returns the last two parts of a device's path, kind of bus and device,
// by a link to it; nil if there is none.
func devicePath(link string) []byte {
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		return nil
	}
	dir, device := filepath.Split(path)
	return []byte(filepath.Base(dir) + "/" + device)
}

// addValues adds what a sensor has. One that does not answer now has no input.
func (s *sensorsReader) addValues(r *request, path string, x sensor) {
	s.leaf(r, s.label, path+"_label")
	unit := sensorKinds[x.kind]
	input := path + "_input"
	switch {
	case x.kind == "pwm":
		input = path
	case x.average:
		input = path + "_average"
	}
	s.scaledLeaf(r, s.values[0], input, unit)
	for i, file := range [...]string{"_min", "_max", "_crit"} {
		s.scaledLeaf(r, s.values[1+i], path+file, unit)
	}
	for i, file := range [...]string{"_alarm", "_fault"} {
		s.scaledLeaf(r, s.flags[i], path+file, 1)
	}
}

// sensor is one of a chip's.
type sensor struct {
	kind    string
	number  int
	average bool // has no input but an average
}

func (x sensor) String() string { return x.kind + strconv.Itoa(x.number) }

// listSensors finds the sensors of a chip by the names of its files.
func listSensors(dir string) []sensor {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	found := make(map[string]sensor)
	for _, f := range files {
		x, suffix, ok := cutSensor(f.Name())
		if !ok || suffix != "_input" && suffix != "_average" && (x.kind != "pwm" || suffix != "") {
			continue
		}
		x.average = suffix == "_average"
		if old, twice := found[x.String()]; twice {
			x.average = x.average && old.average
		}
		found[x.String()] = x
	}
	var list []sensor
	for _, x := range found {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b sensor) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number))
	})
	return list
}

// cutSensor takes a name apart: temp1_input is temp, 1 and _input.
func cutSensor(name string) (x sensor, suffix string, ok bool) {
	i := 0
	for i < len(name) && name[i] >= 'a' && name[i] <= 'z' {
		i++
	}
	j := i
	for j < len(name) && name[j] >= '0' && name[j] <= '9' {
		j++
	}
	number, err := strconv.Atoi(name[i:j])
	_, known := sensorKinds[name[:i]]
	return sensor{kind: name[:i], number: number}, name[j:], err == nil && known && strconv.Itoa(number) == name[i:j]
}
