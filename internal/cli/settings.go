// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/internal/config"
)

// settings are the flags of the commands that read the configuration.
type settings struct {
	flags  *pflag.FlagSet
	file   string
	values []settingFlag
}

// settingFlag is a flag that overrides one key.
type settingFlag struct {
	name, key, usage string
	value            string
}

// addSettings gives a command the configuration flags but for some.
func addSettings(c *cobra.Command, without ...string) *settings {
	s := &settings{flags: c.Flags()}
	s.flags.StringVar(&s.file, "config", "", "read the configuration from `FILE`; default: $WEIR_CONFIG, else ~/.config/weir/weir.toml (not for root) or /etc/weir/weir.toml if it is there")
	s.values = []settingFlag{
		{name: "state-dir", key: "hub.state_dir", usage: "keep the state in `DIR`"},
		{name: "output", key: "hub.output_dir", usage: "store the traces in `DIR`"},
		{name: "control", key: "relay.control_url", usage: "accept control connections of producers at `URL`s, separated by commas"},
		{name: "data", key: "relay.data_url", usage: "accept data connections of producers at `URL`s"},
		{name: "data-udp", key: "relay.data_udp", usage: "take packets by UDP on the same ports: `BOOL`, true or false"},
		{name: "live", key: "relay.live_url", usage: "accept viewers at `URL`s"},
		{name: "hop-listen", key: "hop.listen", usage: "pass connections to `HOST:PORT` on to other relays"},
		{name: "hop-allow", key: "hop.allow", usage: "pass connections on to `HOST/CIDR:PORT`, separated by commas"},
		{name: "http", key: "http.listen", usage: "serve HTTP at `HOST:PORT`"},
		{name: "agent", key: "agent.enable", usage: "run the session daemon: `BOOL`, true or false"},
		{name: "xmlsysd", key: "xmlsysd.enable", usage: "serve host statistics: `BOOL`, true or false"},
		{name: "log-level", key: "hub.log_level", usage: "log from `LEVEL` on: debug, info, warn or error"},
	}
	s.values = slices.DeleteFunc(s.values, func(f settingFlag) bool { return slices.Contains(without, f.name) })
	for i := range s.values {
		f := &s.values[i]
		s.flags.StringVar(&f.value, f.name, "", f.usage)
	}
	return s
}

// load reads the configuration with the flags that were given.
func (s *settings) load() (*config.Config, error) {
	environ := os.Environ()
	path := s.file
	if path == "" {
		path = config.FindFile(environ)
	}
	var overrides []config.Override
	for _, f := range s.values {
		if s.flags.Changed(f.name) {
			overrides = append(overrides, config.Override{Key: f.key, Value: f.value, Flag: "--" + f.name})
		}
	}
	return config.Load(path, environ, overrides...)
}
