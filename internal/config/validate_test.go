// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
)

// Every key that is not free text needs a check, or a wrong value would only
// show when it hurts.
func TestValidateCoversEveryKey(t *testing.T) {
	c := Default()
	checked := make(map[string]bool)
	for _, checks := range [][]check{c.hubChecks(), c.relayChecks(), c.timeChecks(), c.liveChecks(), c.otherChecks(), c.shipChecks()} {
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
		"hosts.listen": "9348", "hosts.tls_cert": "relative", "hosts.tls_key": "/key", "hosts.tls_client_ca": "/ca", "hosts.enrol": "sometimes", "hosts.feeds_ca": "relative", "hosts.allow": "everyone", "hosts.watch": "\x01",
		"hosts.file": "wulfhosts", "hosts.poll": "100ms", "hosts.max": "0", "hosts.forget": "0s",
		"flow.store": "etcd", "flow.accounts": "accounts.json", "flow.token_life": "0s",
		"flow.trace_age": "0s", "flow.trace_flows": "0", "flow.trace_events": "0", "flow.trace_bytes": "1MiB",
		"flow.elasticsearch_url": "localhost:9200", "flow.elasticsearch_index": "Flows", "flow.elasticsearch_key_file": "/key",
		"flow.splunk_index": "a b", "flow.splunk_token_file": "/token", "flow.ship_ca": "ca.pem",
		"flow.log_file": "flow-trace.log", "flow.log_format": "xml", "flow.log_size": "1KiB", "flow.log_keep": "-1",
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

// What would be wrong with a service that records are brought to.
func TestValidateShipping(t *testing.T) {
	for _, test := range []struct{ key, url, want string }{
		{"", "https://splunk.example:8088", ""},
		{"", "http://[::1]:8088/", ""},
		{"flow.splunk_url", "splunk.example:8088", "http://HOST:PORT"},
		{"flow.splunk_url", "ftp://splunk.example", "http://HOST:PORT"},
		{"flow.splunk_url", "https://", "http://HOST:PORT"},
		{"flow.splunk_url", "https://splunk.example:99999", "port"},
		{"flow.splunk_url", "https://splunk.example/?token=secret", "no credentials"},
		{"flow.splunk_url", "https://user:secret@splunk.example", "no credentials"},
		{"flow.splunk_url", "https://user:secret@splunk.example:%", "http://HOST:PORT"},
	} {
		c, err := Load("", []string{"HOME=/h"}, Override{"flow.splunk_url", test.url, "u"}, Override{"flow.splunk_token_file", "/token", "t"})
		e, _ := err.(*Error)
		switch {
		case test.key == "" && err == nil && c.Flow.SplunkURL == test.url:
		case e == nil || e.Key != test.key || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret"):
			t.Errorf("splunk_url %s: %v, want one of %q with %q and without what is secret", test.url, err, test.key, test.want)
		}
	}
	_, err := Load("", []string{"HOME=/h", "WEIR_FLOW_SPLUNK_URL=https://h"})
	if e, ok := err.(*Error); !ok || e.Key != "flow.splunk_token_file" {
		t.Errorf("Splunk without a token: %v, want an error", err)
	}
	for index, good := range map[string]bool{"weir-flows": true, "logs-weir.flow-default": true, "": false, "_all": false, "a/b": false, "a,b": false, "..": false, "F": false} {
		if err := elasticIndex(index); (err == nil) != good {
			t.Errorf("index %q: %v, want good %v", index, err, good)
		}
	}
}
