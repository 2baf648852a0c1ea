// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-io/weir/internal/kernel/sockdiag"
)

// newTestReader returns a reader of files by path, and the directory that has them.
func newTestReader(t *testing.T, files map[string]string) (*Reader, string) {
	t.Helper()
	dir := t.TempDir()
	for path, content := range files {
		write(t, filepath.Join(dir, path), content)
	}
	return New(Options{Proc: dir + "/proc", Sys: dir + "/sys/"}), dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// find returns what a collector has found.
func find(t *testing.T, r *Reader, name string) Collector {
	t.Helper()
	list := r.Read()
	i := slices.IndexFunc(list, func(c Collector) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no collector %s", name)
	}
	return list[i]
}

// What a host does not have is looked for again after a while, and what it has each
// time.
func TestAbsence(t *testing.T) {
	r, dir := newTestReader(t, map[string]string{"sys/class/nvme/.keep": ""})
	now := time.Unix(1000, 0)
	r.now = func() time.Time { return now }
	if err := os.RemoveAll(dir + "/sys/class/nvme"); err != nil {
		t.Fatal(err)
	}
	serial := func(want string, ok bool) {
		t.Helper()
		c := find(t, r, "nvme")
		got := ""
		if len(c.Families) > 0 {
			labels := c.Families[0].Samples[0].Labels
			got = labels[slices.Index(labels, "serial")+1]
		}
		if got != want || c.OK != ok {
			t.Fatalf("serial %q, %v, want %q, %v", got, c.OK, want, ok)
		}
	}
	serial("", false)
	for _, file := range []string{"firmware_rev", "model", "serial", "state"} {
		write(t, dir+"/sys/class/nvme/nvme0/"+file, "a\n")
	}
	now = now.Add(absent - 1)
	serial("", false)
	now = now.Add(1)
	serial("a", true)
	write(t, dir+"/sys/class/nvme/nvme0/serial", "b\n")
	serial("b", true)
}

// The sockets of UDP are gone through less often than the rest is read.
func TestCostly(t *testing.T) {
	r, _ := newTestReader(t, map[string]string{"proc/net/udp": "", "proc/net/udp6": ""})
	now, asked := time.Unix(1000, 0), 0
	r.now = func() time.Time { return now }
	r.queues = func(sockdiag.Family) (sockdiag.Queues, error) {
		asked++
		return sockdiag.Queues{Receive: 7}, nil
	}
	for wait, want := range map[time.Duration]int{0: 2, costly - 1: 2, costly: 4} {
		r.found, asked, now = make([]finding, len(collectors)), 0, time.Unix(1000, 0)
		find(t, r, "udp_queues")
		now = now.Add(wait)
		c := find(t, r, "udp_queues")
		if asked != want || !c.OK || len(c.Families) != 1 || len(c.Families[0].Samples) != 4 {
			t.Errorf("after %v: asked %d times, want %d: %+v", wait, asked, want, c)
		}
	}
}

// A collector that fails in the middle shows what it has found before, and is asked
// again at once.
func TestHalf(t *testing.T) {
	r, dir := newTestReader(t, map[string]string{
		"sys/class/net/bonding_masters": "bond0 bond1\n", "sys/class/net/bond0/bonding/slaves": "\n",
	})
	if c := find(t, r, "bonding"); c.OK || len(c.Families) != 2 || len(c.Families[0].Samples) != 1 {
		t.Errorf("%+v", c)
	}
	write(t, dir+"/sys/class/net/bond1/bonding/slaves", "\n")
	if c := find(t, r, "bonding"); !c.OK || len(c.Families) != 2 || len(c.Families[0].Samples) != 2 {
		t.Errorf("%+v", c)
	}
}

// A pipe in the place of a file holds nobody up.
func TestPipe(t *testing.T) {
	r, dir := newTestReader(t, map[string]string{"sys/class/nvme/nvme0/model": "a\n"})
	if err := unix.Mkfifo(dir+"/sys/class/nvme/nvme0/firmware_rev", 0o644); err != nil {
		t.Fatal(err)
	}
	if c := find(t, r, "nvme"); c.OK || len(c.Families) > 0 {
		t.Errorf("%+v", c)
	}
}

// A kernel that monitors sockets of TCP only, or none, has the text.
func TestQueuesWithoutMonitoring(t *testing.T) {
	const text = "  sl  local_address rem_address   st tx_queue rx_queue\n 1: 00000000:0035 00000000:0000 07 00000010:000000A0 00:00000000\n"
	r, _ := newTestReader(t, map[string]string{"proc/net/udp": text})
	for err, want := range map[error]bool{unix.ENOENT: true, unix.EPROTONOSUPPORT: true, unix.EPERM: false} {
		r.found = make([]finding, len(collectors))
		r.queues = func(sockdiag.Family) (sockdiag.Queues, error) { return sockdiag.Queues{}, err }
		c := find(t, r, "udp_queues")
		if c.OK != want {
			t.Fatalf("%v: %+v", err, c)
		}
		if !want {
			continue
		}
		// The other family is not there.
		if s := c.Families[0].Samples; len(s) != 2 || s[0].Value != 0x10 || s[1].Value != 0xa0 {
			t.Errorf("%v: %+v", err, s)
		}
	}
}

func TestParseUDP(t *testing.T) {
	for text, want := range map[string]string{
		"heading\n": "", "": "", "heading\n 1: a b 07\n": "want columns", "heading\n 1: a b 07 x:1\n": `"x:1"`, "heading\n 1: a b 07 1\n": `"1"`,
	} {
		q, err := parseUDP(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || q != (sockdiag.Queues{}) {
			t.Errorf("%q: %v, %v, want %q", text, q, err, want)
		}
	}
}

func TestHumanNumber(t *testing.T) {
	for s, want := range map[string]float64{
		"0": 0, "7": 7, "1.5k": 1524, "2.3M": 2404352, "1G": 1 << 30, "6.9T": 7563437408256, "-": -1, "": -1, "k": -1, "1.k": -1, "x.5M": -1, "1.5X": -1,
	} {
		got, err := humanNumber(s)
		if err != nil {
			got = -1
		}
		if d := got - want; d*d > 1 {
			t.Errorf("%q: %v (%v), want %v", s, got, err, want)
		}
	}
}

func TestAddressPort(t *testing.T) {
	for s, want := range map[string]string{
		"C0A80016:0CEA": "192.168.0.22 3306", "[2620:0000:0000:0000:0000:0000:0000:0001]:0050": "2620::1 80",
		"": "", "C0A80016": "", "C0A8:0001": "", "C0A8001:0001": "", "[::1:0001": "::1 1", "[x]:0001": "", "C0A80016:10000": "", "C0A80016:x": "",
	} {
		address, port, err := addressPort(s)
		got := address + " " + port
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q (%v), want %q", s, got, err, want)
		}
	}
}

func TestCutSensor(t *testing.T) {
	for name, want := range map[string][3]string{
		"temp1_input": {"temp", "1", "input"}, "pwm2": {"pwm", "2", ""}, "beep_enable": {"beep_enable", "0", ""}, "in0_min": {"in", "0", "min"},
		"power1_average_interval_max": {"power", "1", "average_interval_max"}, "temp1_auto_point1_temp": {"temp", "1", "auto_point1_temp"},
		"1_input": {}, "": {}, "temp1_": {}, "temp1input": {}, "temp99999999999999999999_input": {},
	} {
		kind, number, property, ok := cutSensor(name)
		if got := [3]string{kind, number, property}; ok != (want != [3]string{}) || ok && got != want {
			t.Errorf("%q: %v, %v, want %v", name, got, ok, want)
		}
	}
}
