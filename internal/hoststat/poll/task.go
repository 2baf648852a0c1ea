// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll

// Task is a process of a host.
type Task struct {
	PID     int
	Name    string
	User    string
	State   string
	Command string
	Threads int
	RSS     float64
	Seconds float64 // of CPU since it began
	CPU     float64 // percent of one CPU since the message before

	start uint64
	ticks uint64
}

// takeTasks replaces the processes. Their names are new strings: they are asked
// for only while someone looks at them.
func (m *message) takeTasks() {
	h := m.h
	n := m.Rows(m.tasks)
	now := stamp(m.Reading, m.taskStamp)
	if now == 0 {
		h.tasks = nil
		return
	}
	s := h.counters.tasks.advance(now, m.step, m.period)
	hz, ok := m.Float(m.hz)
	if !ok || hz <= 0 {
		hz = 100
	}
	before := make(map[int]*Task, len(h.tasks))
	for i := range h.tasks {
		before[h.tasks[i].PID] = &h.tasks[i]
	}
	tasks := make([]Task, 0, n)
	for row := range n {
		cell := func(i int) []byte { return m.CellText(m.tasks, row, m.task[i]) }
		number := func(i int) uint64 {
			v, _ := m.CellUint(m.tasks, row, m.task[i])
			return v
		}
		t := Task{
			PID: atoi(m.Key(m.tasks, row, 0)), Name: string(cell(0)), User: string(cell(1)), State: string(cell(2)),
			Command: string(cell(7)), Threads: int(number(8)), RSS: float64(number(6)),
			start: number(5), ticks: number(3) + number(4), CPU: missing,
		}
		t.Seconds = float64(t.ticks) / hz
		if old := before[t.PID]; old != nil && old.start == t.start { // the same process
			switch s.kind {
			case keep:
				t.CPU, t.ticks = old.CPU, old.ticks
			case rated:
				t.CPU = 100 * climb(old.ticks, t.ticks) / hz / s.seconds
			}
		}
		tasks = append(tasks, t)
	}
	h.tasks = tasks
}
