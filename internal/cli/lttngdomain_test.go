// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client/agent"
)

// TestLTTngApplications reads what "lttng save" of LTTng 2.13 wrote of sessions with
// applications and loggers.
func TestLTTngApplications(t *testing.T) {
	text, err := os.ReadFile("testdata/applications.lttng")
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseLTTngSessions(text)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d sessions, %v; want 2", len(all), err)
	}
	domains := make(map[string]agent.Domain)
	for _, d := range all[0].Session.Domains {
		domains[d.Name] = d
	}
	u := domains[domainUST]
	if !slices.Equal(u.PIDs, []int32{17, 18}) || !slices.Equal(u.UIDs, []int64{0, 1000}) || !slices.Equal(u.GIDs, []int64{5}) {
		t.Errorf("tracked: %v, %v, %v", u.PIDs, u.UIDs, u.GIDs)
	}
	channels := make(map[string]agent.Channel)
	var names []string
	for _, c := range u.Channels {
		names = append(names, c.Name)
		channels[c.Name] = c
	}
	if want := []string{"forever", "fast", "lttng_jul_channel", "lttng_log4j_channel", "lttng_python_channel"}; !slices.Equal(names, want) {
		t.Errorf("channels %q, want %q", names, want)
	}
	fast := channels["fast"]
	want := agent.ChannelSettings{
		SubbufBytes: 1 << 20, SubbufCount: 8, SwitchTimer: 100 * time.Millisecond, MonitorTimer: time.Second, TracefileBytes: 4 << 20, TracefileCount: 3,
		BlockingTimeout: 1500 * time.Microsecond,
	}
	if fast.ChannelSettings != want || channels["forever"].BlockingTimeout != agent.Forever {
		t.Errorf("settings %+v and %v, want %+v and forever", fast.ChannelSettings, channels["forever"].BlockingTimeout, want)
	}
	if want := []string{"vpid", "pthread_id", "cgroup_ns", "perf:thread:instructions", "$app.prov:ctx", "$app.prov:jctx"}; !slices.Equal(fast.Contexts, want) {
		t.Errorf("contexts %q, want %q", fast.Contexts, want)
	}
	rule := func(r agent.EventRule) []agent.EventRule {
		r.Type = agent.Tracepoint
		return []agent.EventRule{r}
	}
	for _, c := range []struct {
		got  []agent.EventRule
		want []agent.EventRule
	}{
		{fast.Events[:1], rule(agent.EventRule{Pattern: "app:*", Filter: "n > 1", Exclusions: []string{"app:no", "app:b*"}, LogLevel: "TRACE_WARNING", Enabled: true})},
		{fast.Events[1:], rule(agent.EventRule{Pattern: "one:e", LogLevel: "TRACE_DEBUG", LogLevelOnly: true, Enabled: true})},
		{channels["forever"].Events, rule(agent.EventRule{Pattern: "*"})},
		{channels["lttng_jul_channel"].Events, nil},
		{domains[domainJUL].Channels[0].Events, rule(agent.EventRule{Pattern: "my.logger", Filter: `logger_name == "x"`, LogLevel: "WARNING", Enabled: true})},
		{domains[domainLog4j].Channels[0].Events, rule(agent.EventRule{Pattern: "l4*", LogLevel: "INFO", LogLevelOnly: true, Enabled: true})},
		{domains[domainPython].Channels[0].Events, rule(agent.EventRule{Pattern: "*", Enabled: true})},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("rules %+v, want %+v", c.got, c.want)
		}
	}
	if got := all[0].skipped; len(got) != 0 {
		t.Errorf("left out: %q, want nothing", got)
	}
	if c := all[1].Session.Domains[0].Channels; len(all[1].skipped) > 0 || len(c) != 1 || c[0].Buffers != agent.BuffersPID || c[0].SubbufBytes != 16384 {
		t.Errorf("channels %+v, left out %q; want one with rings by process", c, all[1].skipped)
	}
}

// What LTTng adds to filters of loggers is taken away, and nothing else.
func TestLoggerFilter(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"ALL", `logger_name == "a"`, ""},
		{"RANGE", `(logger_name == "a") && (int_loglevel >= 7)`, ""},
		{"SINGLE", `((x == 1) && (logger_name == "a")) && (int_loglevel == 7)`, "x == 1"},
		{"ALL", `(x == 1) && (int_loglevel >= 7)`, `(x == 1) && (int_loglevel >= 7)`},
		{"RANGE", `x == 1`, `x == 1`},
	} {
		e := lttngEvent{Name: "a", LevelType: c.kind, Level: 7, Filter: c.text}
		if got := e.ownFilter(); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.kind, c.text, got, c.want)
		}
	}
}

// Who tracks none has none, who does not track has all; a user nobody knows is told.
func TestLTTngTrackers(t *testing.T) {
	const begin, end = "<sessions><session><name>a</name><domains><domain><type>UST</type>", "</domain></domains></session></sessions>"
	none, err := parseLTTngSessions([]byte(begin + "<process_attr_trackers><vuid_process_attr_tracker><process_attr_values/></vuid_process_attr_tracker></process_attr_trackers>" + end))
	if err != nil {
		t.Fatal(err)
	}
	if d := none[0].Session.Domains[0]; d.UIDs == nil || len(d.UIDs) > 0 || d.PIDs != nil {
		t.Errorf("tracked: users %v, processes %v; want none and all", d.UIDs, d.PIDs)
	}
	_, err = parseLTTngSessions([]byte(begin + "<process_attr_trackers><vuid_process_attr_tracker><process_attr_values><vuid><name>no such user</name></vuid></process_attr_values></vuid_process_attr_tracker></process_attr_trackers>" + end))
	if err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("an unknown user: %v", err)
	}
}
