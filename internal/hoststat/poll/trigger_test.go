// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package poll_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/hoststat/alarm"
	"github.com/weir-io/weir/internal/hoststat/poll"
	"github.com/weir-io/weir/internal/hoststat/polltest"
	"github.com/weir-io/weir/internal/wait"
	"github.com/weir-io/weir/xmlsysd"
)

var memory = xmlsysd.Trigger{Resource: "memory", Kind: "some", Stall: 150 * time.Millisecond, Window: 2 * time.Second}

// stalls is a daemon whose trigger has fired so often.
func stalls(m *polltest.Machine, now time.Time, n int) []byte {
	body := m.Message(now)
	triggers := fmt.Sprintf(`<triggers tv_sec="%d" tv_usec="0"><trigger id="cpu some 1 2"><count>9</count></trigger><trigger id="%s"><count>%d</count></trigger></triggers></system>`, now.Unix(), memory, n)
	return polltest.Frame(bytes.Replace(body, []byte("</system>"), []byte(triggers), 1))
}

// condition is the rule of an alarm about a trigger.
func condition(t *testing.T) alarm.Rule {
	t.Helper()
	text, err := poll.StallCondition(memory)
	if err != nil || text != "psi_mem_rate >= 7.5" {
		t.Fatalf("%s, %v", text, err)
	}
	when, err := alarm.Compile(text, poll.MetricByName)
	if err != nil {
		t.Fatal(err)
	}
	return alarm.Rule{ID: "thrash", When: when, Level: "crit"}
}

// A host that says by itself that tasks wait has its alarm at once, long before it
// is asked again; in plain and by TLS.
func TestTriggerRaisesAnAlarm(t *testing.T) {
	server := httptest.NewUnstartedServer(nil) // for its certificate of 127.0.0.1
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	for _, secure := range []bool{false, true} {
		m := polltest.Default("n1")
		at := func(seconds int64) time.Time { return time.Unix(1700100000+seconds, 0) }
		d := &polltest.Daemon{Answer: func(_, n int) []byte { return stalls(m, at(int64(n)), 0) }}
		target := poll.Target{Name: "n1", TLS: secure}
		if secure {
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates})
			if err != nil {
				t.Fatal(err)
			}
			d.Serve(l)
			defer d.Close()
			target.Address = l.Addr().String()
		} else {
			target.Address = d.Start(t)
		}
		events := make(chan poll.Event, 10)
		c := watch(t, poll.Config{
			Delay: poll.MaxDelay, TLS: &tls.Config{RootCAs: pool}, Rules: []alarm.Rule{condition(t)}, Triggers: []xmlsysd.Trigger{memory},
			OnAlarm: func(e poll.Event) { events <- e },
		}, target)
		wait.Until(t, "it has answered", func() bool { return look(c, "n1").messages == 1 })
		c.PollNow()
		wait.Until(t, "it has answered again", func() bool { return look(c, "n1").messages == 2 })
		if lines := d.Lines(0); !strings.Contains(lines, "\non triggers\ntrigger memory some 0.15 2\nsend\n") {
			t.Errorf("asked with\n%s", lines)
		}
		d.Push(stalls(m, at(2), 0)) // another reason
		wait.Until(t, "it is taken", func() bool { return look(c, "n1").messages == 3 })
		if len(events) > 0 {
			t.Errorf("an alarm without a stall: %+v", <-events)
		}
		d.Push(stalls(m, at(3), 1))
		if e := <-events; e.Host != "n1" || e.Rule.ID != "thrash" || e.State != alarm.Firing || e.Value != 7.5 {
			t.Errorf("%+v", e)
		}
		d.Push(append(stalls(m, at(4), 1), stalls(m, at(5), 1)...)) // together
		wait.Until(t, "both are taken", func() bool { return look(c, "n1").messages == 6 })
		if s := look(c, "n1"); s.state != poll.OK {
			t.Errorf("%v: %s", s.state, s.reason)
		}
	}
}

func TestStallConditions(t *testing.T) {
	for words, want := range map[string]string{
		"cpu some 0.5 1": "psi_cpu_rate >= 50", "memory full 0.1 10": "psi_mem_full_rate >= 1", "io some 1 3": "psi_io_rate >= 33.333333333333336",
		"io full 0.000001 10": "psi_io_full_rate >= 0.00001", "cpu full 1 2": "", "irq full 1 2": "",
	} {
		trigger, err := xmlsysd.ParseTrigger(strings.Fields(words))
		if err != nil {
			t.Fatal(err)
		}
		got, err := poll.StallCondition(trigger)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v, want %s", words, got, err, want)
		}
		if want == "" {
			continue
		}
		e, err := alarm.Compile(got, poll.MetricByName)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float64, poll.Metrics())
		m, _ := poll.StallMetric(trigger)
		if values[m] = trigger.Percent(); !e.True(values) {
			t.Errorf("%s does not hold at %v", got, values[m])
		}
	}
}
