// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package relaydopt

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Environment variables of lttng-relayd.
const (
	envHome             = "LTTNG_HOME"
	envUserHome         = "HOME"
	envRunDir           = "LTTNG_RUNDIR"
	envDisallowClear    = "LTTNG_RELAYD_DISALLOW_CLEAR"
	envWorkingDir       = "LTTNG_RELAYD_WORKING_DIRECTORY"
	envHealth           = "LTTNG_RELAYD_HEALTH"
	envKeepAlive        = "LTTNG_RELAYD_TCP_KEEP_ALIVE"
	envKeepAliveIdle    = "LTTNG_RELAYD_TCP_KEEP_ALIVE_IDLE_TIME"
	envKeepAliveProbe   = "LTTNG_RELAYD_TCP_KEEP_ALIVE_PROBE_INTERVAL"
	envKeepAliveCount   = "LTTNG_RELAYD_TCP_KEEP_ALIVE_MAX_PROBE_COUNT"
	envSocketTimeout    = "LTTNG_NETWORK_SOCKET_TIMEOUT"
	envPOSIXLYCorrect   = "POSIXLY_CORRECT"
	rootRunDir          = "/var/run/lttng"
	homeRunDir          = ".lttng"
	maxKeepAliveSeconds = 32767 // MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of the kernel
	maxKeepAliveProbes  = 127   // MAX_TCP_KEEPCNT
)

// KeepAlive says how dead producers are found on control and data
// connections. A zero duration or count leaves the system's value.
type KeepAlive struct {
	// Given tells that the environment decides; without, weir's own
	// configuration does.
	Given    bool
	Enabled  bool
	Idle     time.Duration // before the first probe
	Interval time.Duration // between probes
	Probes   int           // unanswered probes until the connection is dropped
}

// environ answers variables of a process environment. Of a variable given
// twice the last counts, as in os.Environ's users.
type environ map[string]string

func newEnviron(pairs []string) environ {
	e := make(environ, len(pairs))
	for _, p := range pairs {
		if name, value, ok := strings.Cut(p, "="); ok {
			e[name] = value
		}
	}
	return e
}

func (e environ) has(name string) bool {
	_, ok := e[name]
	return ok
}

// keepAlive reads the four keep-alive variables. A value that cannot be used
// is complained of and left to the system, as lttng-relayd does: a typing
// error there must not stop a relay.
func (e environ) keepAlive() (k KeepAlive, complaints []string) {
	if text, ok := e[envKeepAlive]; ok {
		n, good := parseSwitch(text)
		k.Given = good && n <= 1
		k.Enabled = k.Given && n == 1
		if !k.Given {
			complaints = append(complaints, fmt.Sprintf("invalid value %q of %s, want 0 or 1", text, envKeepAlive))
		}
	}
	read := func(name string, limit int) int {
		n, err := e.number(name, limit)
		if err != nil {
			complaints = append(complaints, err.Error())
		}
		return max(n, 0)
	}
	k.Idle = time.Duration(read(envKeepAliveIdle, maxKeepAliveSeconds)) * time.Second
	k.Interval = time.Duration(read(envKeepAliveProbe, maxKeepAliveSeconds)) * time.Second
	k.Probes = read(envKeepAliveCount, maxKeepAliveProbes)
	return k, complaints
}

// socketTimeout reads LTTNG_NETWORK_SOCKET_TIMEOUT, milliseconds; 0 means no
// time-out.
func (e environ) socketTimeout() (time.Duration, error) {
	const limit = 1 << 31 / 2 // as the original's int, and far beyond any use
	n, err := e.number(envSocketTimeout, limit)
	return time.Duration(max(n, 0)) * time.Millisecond, err
}

// number reads an integer from -1 to limit; unset is 0.
func (e environ) number(name string, limit int) (int, error) {
	text, ok := e[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < -1 || n > limit {
		return 0, fmt.Errorf("invalid value %q of %s, want a number from -1 to %d", text, name, limit)
	}
	return n, nil
}
