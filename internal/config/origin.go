// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

// Origin says where a key was set: "weir.toml:12", "WEIR_RELAY_WORKERS" or the
// flag's name; "" when it has its default.
func (c *Config) Origin(key string) string { return c.origins[key] }
