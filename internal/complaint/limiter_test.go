// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package complaint

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Complaints are told so often only, and again after a time.
func TestAllow(t *testing.T) {
	var l Limiter
	now := time.Now()
	for i := range 3 * maxComplaints {
		ok, last := l.allow(now)
		if ok != (i < maxComplaints) || last != (i == maxComplaints) {
			t.Errorf("complaint %d: %v, %v", i, ok, last)
		}
	}
	if ok, _ := l.allow(now.Add(period)); !ok {
		t.Error("a complaint after the period is not told")
	}
}

// One line more says that there are more.
func TestWarn(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	l := Limiter{since: time.Now().Add(period / 2)} // none begins meanwhile
	for range 3 * maxComplaints {
		l.Warn(log, "dropped", "n", 1)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != maxComplaints+1 || !strings.Contains(lines[maxComplaints], "last=dropped") {
		t.Errorf("%d lines, the last %s", len(lines), lines[len(lines)-1])
	}
}
