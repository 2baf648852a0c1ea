// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

// nodeSensors shows the sensors of other hosts. Of this one they are read with their
// limits and states, which the section has not ([collect]).
func nodeSensors(g *grow) {
	g.onDemand("system/sensors")

	families := map[string]familyID{}
	for _, k := range [][2]string{{"temp", "temp_celsius"}, {"fan", "fan_rpm"}, {"in", "in_volts"}, {"power", "power_watt"}, {"curr", "curr_amps"}} {
		families[k[0]] = g.family("node_hwmon_"+k[1], gauge, "")
	}
	g.keep(sensorAt, "chip", "kind", "device", "input")
	g.list(sensorAt, "", nil, func(s *scrape) {
		f, known := families[string(s.kept[1])]
		if !known || s.kept[3] == nil || s.live != nil {
			return
		}
		device, name := cutSensor(s.key)
		s.number = appendChip(s.number[:0], s.kept[2], s.kept[0], device)
		s.with(`chip="`, s.number)
		s.with(`sensor="`, name)
		s.add(f, "", plain, s.kept[3])
	})
}

func nodeThermal(g *grow) {
	const zone, cooling = "system/thermal/zone", "system/thermal/cooling"
	g.list(zone, "zone", nil, nil)
	g.label(zone+"/type", "type", nil)
	g.node(zone+"/temp", "thermal_zone_temp", gauge, plain)
	g.list(cooling, "name", nil, nil)
	g.label(cooling+"/type", "type", nil)
	g.node(cooling+"/cur_state", "cooling_device_cur_state", gauge, plain)
	g.node(cooling+"/max_state", "cooling_device_max_state", gauge, plain)
}

// Slots of what is kept of an array.
const (
	keptArrayState = iota
	keptTotal
	keptActive
	keptFailed
	keptSpare
	keptBlocks
	keptSynced
)

// arrayStates are the states of an array that are shown, by what the section calls
// them.
var arrayStates = [...][2]string{
	{"active", "active"}, {"inactive", "inactive"}, {"recovering", "recovering"}, {"resyncing", "resync"}, {"checking", "check"},
}

// nodeArrays shows arrays of disks as node_exporter does: one that is not active has
// no disks, and one that is being reshaped is as it was.
func nodeArrays(g *grow) {
	const at = "proc/mdstat/array"
	disks, required := g.family("node_md_disks", gauge, ""), g.family("node_md_disks_required", gauge, "")
	state := g.family("node_md_state", gauge, "")
	blocks, synced := g.family("node_md_blocks", gauge, ""), g.family("node_md_blocks_synced", gauge, "")
	active, failed, spare := fixedLabels("state", "active"), fixedLabels("state", "failed"), fixedLabels("state", "spare")
	var labels [len(arrayStates)]string
	for i, n := range arrayStates {
		labels[i] = fixedLabels("state", n[1])
	}
	g.keep(at, "state", "disks_total", "disks_active", "disks_failed", "disks_spare", "blocks", "blocks_synced")
	g.list(at, "device", nil, func(s *scrape) {
		now, k := string(s.kept[keptArrayState]), &s.kept
		switch now {
		case "reshaping":
			now, k[keptSynced] = "active", k[keptBlocks]
		case "inactive":
			k[keptTotal], k[keptActive] = zero, zero
		}
		s.add(required, "", plain, k[keptTotal])
		s.add(disks, active, plain, k[keptActive])
		s.add(disks, failed, plain, k[keptFailed])
		s.add(disks, spare, plain, k[keptSpare])
		for i, n := range arrayStates {
			s.flag(state, labels[i], now == n[0])
		}
		s.add(blocks, "", plain, k[keptBlocks])
		s.add(synced, "", plain, k[keptSynced])
	})
}
