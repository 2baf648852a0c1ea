// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// dmiFiles are the files that say what a machine is; each is a label of its name.
var dmiFiles = []string{
	"bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial", "board_vendor", "board_version",
	"chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family", "product_name", "product_serial", "product_sku",
	"product_uuid", "product_version", "sys_vendor",
}

// machine shows what a machine is. That is read once: it is another one after the next
// boot only.
func (r *Reader) machine(p *page) error {
	if r.dmi == nil {
		dir := r.sys("class/dmi/id")
		entries, err := list(dir)
		if err != nil {
			return err
		}
		labels := []string{}
		for _, e := range entries {
			if !e.Type().IsRegular() || !slices.Contains(dmiFiles, e.Name()) {
				continue
			}
			value, err := text(dir + "/" + e.Name())
			if errors.Is(err, fs.ErrPermission) {
				continue // serial numbers are root's
			}
			if err != nil {
				return err
			}
			label := e.Name()
			if label == "sys_vendor" {
				label = "system_vendor"
			}
			labels = append(labels, label, utf8(value))
		}
		r.dmi = labels
	}
	if len(r.dmi) == 0 {
		return errAbsent
	}
	p.gauge("dmi_info", 1, r.dmi...)
	return nil
}

// nvme shows what NVMe controllers are.
func (r *Reader) nvme(p *page) error {
	dir := r.sys("class/nvme")
	entries, err := list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		labels := []string{"device", e.Name()}
		for _, f := range [...][2]string{{"firmware_revision", "firmware_rev"}, {"model", "model"}, {"serial", "serial"}, {"state", "state"}} {
			value, err := text(dir + "/" + e.Name() + "/" + f[1])
			if err != nil {
				return err
			}
			labels = append(labels, f[0], value)
		}
		p.gauge("nvme_info", 1, labels...)
	}
	return nil
}

// edac shows the errors of the memory.
func (r *Reader) edac(p *page) error {
	dir := r.sys("devices/system/edac/mc")
	names, numbers := numbered(dir, "mc")
	for i, name := range names {
		at, controller := dir+"/"+name, numbers[i]
		for _, f := range [...][2]string{{"ce", "correctable"}, {"ue", "uncorrectable"}} {
			all, err := count(at + "/" + f[0] + "_count")
			if err != nil {
				return err
			}
			unknown, err := count(at + "/" + f[0] + "_noinfo_count")
			if err != nil {
				return err
			}
			p.counter("edac_"+f[1]+"_errors_total", all, "controller", controller)
			p.counter("edac_csrow_"+f[1]+"_errors_total", unknown, "controller", controller, "csrow", "unknown")
		}
		rows, rowNumbers := numbered(at, "csrow")
		for k, row := range rows {
			for _, f := range [...][2]string{{"ce", "correctable"}, {"ue", "uncorrectable"}} {
				n, err := count(at + "/" + row + "/" + f[0] + "_count")
				if err != nil {
					return err
				}
				p.counter("edac_csrow_"+f[1]+"_errors_total", n, "controller", controller, "csrow", rowNumbers[k])
			}
		}
	}
	return nil
}

// rapl shows the energy that parts of the machine have taken. The kernel tells root
// only.
func (r *Reader) rapl(p *page) error {
	dir := r.sys("class/powercap")
	entries, err := list(dir)
	if err != nil {
		return err
	}
	type zone struct{ name, index, path string }
	var zones []zone
	used := make(map[string]int) // how many there are of a name
	for _, e := range entries {
		name, err := text(dir + "/" + e.Name() + "/name")
		if err != nil {
			continue // the type of control, not a zone
		}
		if _, err := count(dir + "/" + e.Name() + "/max_energy_range_uj"); err != nil {
			return err
		}
		index := used[name]
		if parts := strings.Split(name, "-"); len(parts) == 2 {
			if n, err := strconv.Atoi(parts[1]); err == nil {
				name, index = parts[0], n
			}
		}
		used[name] = index + 1
		zones = append(zones, zone{name, strconv.Itoa(index), e.Name()})
	}
	for _, z := range zones {
		const micro = 1e6
		n, err := count(dir + "/" + z.path + "/energy_uj")
		if err != nil {
			return err
		}
		p.counter("rapl_"+metricName(z.name)+"_joules_total", n/micro, "index", z.index, "path", r.o.Sys+"/class/powercap/"+z.path)
	}
	return nil
}

// metricName replaces what no name of a metric may have.
func metricName(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' {
			return c
		}
		return '_'
	}, s)
}

// bonding shows the parts of bonds, and how many of them have a link.
func (r *Reader) bonding(p *page) error {
	dir := r.sys("class/net")
	masters, err := text(dir + "/bonding_masters")
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	if err != nil {
		return err
	}
	for _, master := range strings.Fields(masters) {
		slaves, err := text(dir + "/" + master + "/bonding/slaves")
		if err != nil {
			return err
		}
		all, active := 0, 0
		for _, slave := range strings.Fields(slaves) {
			state, err := text(fmt.Sprintf("%s/%s/lower_%s/bonding_slave/mii_status", dir, master, slave))
			if errors.Is(err, fs.ErrNotExist) { // of older kernels
				state, err = text(fmt.Sprintf("%s/%s/slave_%s/bonding_slave/mii_status", dir, master, slave))
			}
			if err != nil {
				return err
			}
			all++
			if state == "up" {
				active++
			}
		}
		p.gauge("bonding_slaves", float64(all), "master", master)
		p.gauge("bonding_active", float64(active), "master", master)
	}
	return nil
}
