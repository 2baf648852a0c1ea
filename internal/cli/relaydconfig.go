// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/weir-io/weir/internal/config"
	"github.com/weir-io/weir/internal/relaydopt"
)

// relaydSetting is the value of one configuration key as lttng-relayd's options
// have it.
type relaydSetting struct {
	key, value string
	option     string // the option's long name, for error texts
	given      bool   // set by the user, not lttng-relayd's default
}

// relaydConfig returns the hub's configuration. Later wins: weir's defaults,
// lttng-relayd's defaults, the file of --weir-config or WEIR_CONFIG, WEIR_
// variables, the options of lttng-relayd that the user gave. A file at weir's
// usual place is not read: a drop-in obeys what lttng-relayd would.
func relaydConfig(opts relaydopt.Options, env []string) (*config.Config, error) {
	path := opts.WeirConfig
	home := false
	for _, pair := range env {
		if file, ok := strings.CutPrefix(pair, "WEIR_CONFIG="); ok && opts.WeirConfig == "" {
			path = file
		}
		home = home || strings.HasPrefix(pair, "HOME=")
	}
	if !home && opts.Home != "" {
		// Init systems start daemons without HOME.
		env = append(env[:len(env):len(env)], "HOME="+opts.Home)
	}
	base, err := config.Load(path, env)
	if err != nil {
		return nil, err
	}
	var overrides []config.Override
	for _, s := range relaydSettings(opts) {
		if s.given || base.Origin(s.key) == "" {
			overrides = append(overrides, config.Override{Key: s.key, Value: s.value, Flag: "--" + s.option})
		}
	}
	return config.Load(path, env, overrides...)
}

func relaydSettings(opts relaydopt.Options) []relaydSetting {
	given := opts.Given
	settings := []relaydSetting{
		{"relay.control_url", opts.Control.URL(), "control-port", given["control-port"]},
		{"relay.data_url", opts.Data.URL(), "data-port", given["data-port"]},
		{"relay.live_url", opts.Live.URL(), "live-port", given["live-port"]},
		{"hub.output_dir", opts.OutputDir, "output", given["output"]},
		{"relay.group_output_by", string(opts.GroupBy), "group-output-by-" + string(opts.GroupBy), given["group-output-by-"+string(opts.GroupBy)]},
		{"relay.allow_clear", strconv.FormatBool(opts.AllowClear), "disallow-clear", given["disallow-clear"]},
		{"hub.log_level", logLevel(opts.Verbosity), "verbose", given["verbose"]},
	}
	if opts.FDPoolSize > 0 {
		settings = append(settings, relaydSetting{"relay.fd_pool_size", strconv.Itoa(opts.FDPoolSize), "fd-pool-size", given["fd-pool-size"]})
	}
	if opts.HTTP != "" {
		settings = append(settings, relaydSetting{"http.listen", opts.HTTP, "http", given["http"]})
	}
	if opts.DataUDP {
		settings = append(settings, relaydSetting{"relay.data_udp", "true", "data-udp", given["data-udp"]})
	}
	if opts.HopListen != "" {
		settings = append(settings, relaydSetting{"hop.listen", opts.HopListen, "hop-listen", given["hop-listen"]})
	}
	if opts.HopAllow != "" {
		settings = append(settings, relaydSetting{"hop.allow", opts.HopAllow, "hop-allow", given["hop-allow"]})
	}
	return append(settings, keepAliveSettings(opts.KeepAlive)...)
}

// keepAliveSettings returns nothing unless the environment decides: without,
// weir probes its peers by its own configuration.
func keepAliveSettings(k relaydopt.KeepAlive) []relaydSetting {
	if !k.Given {
		return nil
	}
	set := func(key, value, variable string) relaydSetting {
		return relaydSetting{key, value, variable, true}
	}
	const variable = "LTTNG_RELAYD_TCP_KEEP_ALIVE"
	return []relaydSetting{
		set("relay.tcp_keep_alive", strconv.FormatBool(k.Enabled), variable),
		set("relay.tcp_keep_alive_idle", k.Idle.Round(time.Second).String(), variable+"_IDLE_TIME"),
		set("relay.tcp_keep_alive_interval", k.Interval.Round(time.Second).String(), variable+"_PROBE_INTERVAL"),
		set("relay.tcp_keep_alive_probes", strconv.Itoa(k.Probes), variable+"_MAX_PROBE_COUNT"),
	}
}

// logLevel maps -v, -vv and -vvv: lttng-relayd is silent but for trouble
// unless asked.
func logLevel(verbosity int) string {
	switch verbosity {
	case 0:
		return "warn"
	case 1:
		return "info"
	}
	return "debug"
}
