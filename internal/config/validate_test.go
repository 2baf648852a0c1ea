// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

// Every key that is not free text needs a check, or a wrong value would only
// show when it hurts.
func TestValidateCoversEveryKey(t *testing.T) {
	c := Default()
	checked := make(map[string]bool)
	for _, checks := range [][]check{c.hubChecks(), c.relayChecks(), c.timeChecks(), c.liveChecks(), c.otherChecks()} {
		for _, v := range checks {
			if checked[v.key] {
				t.Errorf("%s is checked twice", v.key)
			}
			checked[v.key] = true
		}
	}
	settings := c.settings()
	for key, s := range settings {
		if !checked[key] && s.kind() != "true or false" {
			t.Errorf("no check of %s", key)
		}
		if s.doc == "" || s.name == "" {
			t.Errorf("%s has no description or name", key)
		}
	}
	for key := range checked {
		if _, ok := settings[key]; !ok {
			t.Errorf("check of %s, which is no key", key)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	tests := map[string]string{
		"hub.state_dir": "relative", "hub.output_dir": "", "hub.log_level": "loud", "hub.log_format": "xml",
		"relay.control_url": "", "relay.data_url": "tcp://h", "relay.live_url": "h:1", "relay.group_output_by": "day",
		"relay.workers": "1025", "relay.max_connections": "1", "relay.max_connections_per_peer": "0", "relay.max_sessions": "0",
		"relay.max_streams_per_session": "0", "relay.max_pending_per_session": "0", "relay.max_packet_size": "4GiB", "relay.max_metadata_payload": "1KiB", "relay.max_memory": "1", "relay.max_metadata_checked": "1GiB",
		"relay.fd_pool_size": "1", "relay.handshake_timeout": "-1s", "relay.idle_timeout": "-1s", "relay.tcp_keep_alive_idle": "1500ms",
		"relay.tcp_keep_alive_interval": "-1s", "relay.tcp_keep_alive_probes": "128", "relay.fsync": "", "relay.fsync_interval": "1ms",
		"relay.reserve": "2TiB", "relay.drain_timeout": "-5s",
		"live.max_viewers": "0", "live.max_viewers_per_peer": "0", "live.stall_timeout": "-1s", "live.inactive_pace": "-1ms", "live.retain_closed": "-1s",
		"retention.max_age": "-1h", "http.listen": "9347",
		"agent.socket": "relative", "agent.feeds_scrub": "-1s", "agent.feeds_job": "env:A B", "agent.feeds_mtime_interval": "-1s",
		"hosts.listen": "9348", "hosts.tls_cert": "relative", "hosts.tls_key": "/key", "hosts.tls_client_ca": "/ca", "hosts.feeds_ca": "relative", "hosts.allow": "everyone", "hosts.watch": "\x01",
		"hosts.file": "wulfhosts", "hosts.poll": "100ms", "hosts.max": "0", "hosts.forget": "0s",
		"flow.store": "etcd", "flow.accounts": "accounts.json", "flow.token_life": "0s",
		"flow.trace_age": "0s", "flow.trace_flows": "0", "flow.trace_events": "0", "flow.trace_bytes": "1MiB",
	}
	for key, text := range tests {
		c, err := Load("", []string{"HOME=/h"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.set(key, text, "test"); err != nil {
			t.Errorf("set(%s, %q): %v", key, text, err)
			continue
		}
		err = c.Validate()
		e, ok := err.(*Error)
		if !ok || e.Key != key || e.Origin != "test" {
			t.Errorf("Validate with %s = %q: %v, want an error about it", key, text, err)
		}
	}
}
