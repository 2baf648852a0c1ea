// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/weir-io/weir/client/agent"
)

// Bounds of what is done again and again: consumers run before ordinary threads,
// and would leave them no time.
const (
	minTimer    = 10 * time.Millisecond
	minRotation = 100 * time.Millisecond
)

// checkTimer refuses a time that is too short; 0 stands for none, or the default.
func checkTimer(what string, t, least time.Duration) error {
	if t != 0 && t < least {
		return problemf(agent.CodeInvalid, "%s of %v: want at least %v", what, t, least)
	}
	return nil
}

// checkTimers checks those of a channel.
func checkTimers(set agent.ChannelSettings) error {
	for _, t := range []struct {
		what string
		d    time.Duration
	}{{"switch timer", set.SwitchTimer}, {"read timer", set.ReadTimer}, {"monitor timer", set.MonitorTimer}} {
		if err := checkTimer(t.what, t.d, minTimer); err != nil {
			return err
		}
	}
	return nil
}
