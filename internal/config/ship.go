// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
)

// shipChecks are of where records of traced packets are brought to.
func (c *Config) shipChecks() []check {
	f := &c.Flow
	return []check{
		{"flow.elasticsearch_url", serviceURL(f.ElasticsearchURL)},
		{"flow.elasticsearch_index", elasticIndex(f.ElasticsearchIndex)},
		{"flow.elasticsearch_key_file", needs(f.ElasticsearchKeyFile, f.ElasticsearchURL, "flow.elasticsearch_url")},
		{"flow.splunk_url", serviceURL(f.SplunkURL)},
		{"flow.splunk_index", splunkIndex(f.SplunkIndex)},
		{"flow.splunk_token_file", together(f.SplunkURL, f.SplunkTokenFile, "flow.splunk_url")},
		{"flow.ship_ca", absoluteOrEmpty(f.ShipCA)},
		{"flow.log_file", absoluteOrEmpty(f.LogFile)},
		{"flow.log_format", oneOf(f.LogFormat, "text", "json")},
		{"flow.log_size", sizeBetween(f.LogSize, 64*KiB, TiB)},
		{"flow.log_keep", between(f.LogKeep, 0, 1000)},
	}
}

// serviceURL checks the URL of a service. What is wrong with one that may have a password
// is told without it.
func serviceURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("want http://HOST:PORT or https://HOST:PORT, IPv6 hosts in brackets")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("want no credentials and no parameters in it: credentials come from a file")
	case u.Port() != "" && !isPort(u.Port()):
		return fmt.Errorf("want a port from 0 to 65535, got %q", u.Port())
	}
	return nil
}

// Names of indexes that services take.
var (
	elasticIndexes = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,254}$`)
	splunkIndexes  = regexp.MustCompile(`^([a-z0-9_][a-z0-9_-]{0,79})?$`)
)

func elasticIndex(name string) error {
	if !elasticIndexes.MatchString(name) {
		return fmt.Errorf("want small letters, digits and ._-, a letter or digit first, got %q", name)
	}
	return nil
}

func splunkIndex(name string) error {
	if !splunkIndexes.MatchString(name) {
		return fmt.Errorf("want small letters, digits and _-, got %q", name)
	}
	return nil
}
