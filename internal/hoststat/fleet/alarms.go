// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/xmlsysd"
)

// maxRecent bounds the alarms that wait for who follows them.
const maxRecent = 1000

// recent are the last alarms by their numbers, from 1 on since the start.
type recent struct {
	mu sync.Mutex
	// Guarded by mu.
	list []client.HostAlarm
	last uint64        // number of the last one in list
	more chan struct{} // closed and replaced when there is another
}

func newRecent() recent { return recent{more: make(chan struct{})} }

func (r *recent) add(a client.HostAlarm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == maxRecent {
		r.list = r.list[:copy(r.list, r.list[1:])]
	}
	r.list = append(r.list, a)
	r.last++
	close(r.more)
	r.more = make(chan struct{})
}

// AlarmsAfter returns the alarms behind a number that are kept, the number of the
// last one of all, and a channel that is closed when there are more. Of a number that
// is still to come it returns all: it is from before the hub was started.
func (f *Fleet) AlarmsAfter(number uint64) (list []client.HostAlarm, last uint64, more <-chan struct{}) {
	r := &f.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > r.last {
		number = 0
	}
	n := min(r.last-number, uint64(len(r.list)))
	return append(list, r.list[uint64(len(r.list))-n:]...), r.last, r.more
}

// Alarms returns the alarms that have begun or ended, the newest first.
func (f *Fleet) Alarms() []client.HostAlarm {
	events := f.cluster.Events()
	list := make([]client.HostAlarm, 0, len(events))
	for i := len(events) - 1; i >= 0; i-- {
		list = append(list, shown(&events[i]))
	}
	return list
}

// SetAlarms changes the alarms that hosts are judged by, and their triggers.
func (f *Fleet) SetAlarms(rules []alarm.Rule, triggers []xmlsysd.Trigger) {
	f.cluster.SetAlarms(rules, triggers)
}

// shown is an alarm as clients have it.
func shown(e *poll.Event) client.HostAlarm {
	a := client.HostAlarm{Time: e.Time, Host: e.Host, Alarm: e.Rule.ID, State: e.State.String(), Level: e.Rule.Level, Note: e.Rule.Note}
	if !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0) {
		value := e.Value
		a.Value = &value
	}
	return a
}

// alarmed logs an alarm, and tells who follows them.
func (f *Fleet) alarmed(e poll.Event) {
	word, level := "alarm ended", slog.LevelInfo
	if e.State == alarm.Firing {
		word, level = "alarm", slog.LevelWarn
	}
	f.o.Log.Log(context.Background(), level, word, "host", e.Host, "alarm", e.Rule.ID, "level", e.Rule.Level, "value", fmt.Sprint(e.Value))
	f.recent.add(shown(&e))
}
