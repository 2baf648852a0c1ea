// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"testing"
)

func TestZooKeeperServers(t *testing.T) {
	f := Flow{Store: "zookeeper://a:2181,[::1]:2182"}
	if got, want := f.ZooKeeperServers(), []string{"a:2181", "[::1]:2182"}; !slices.Equal(got, want) {
		t.Errorf("servers of %s = %q, want %q", f.Store, got, want)
	}
	if got := (&Flow{Store: EmbeddedStore}).ZooKeeperServers(); got != nil {
		t.Errorf("servers of the embedded store: %q", got)
	}
	for store, good := range map[string]bool{
		"embedded": true, "zookeeper://a:2181": true, "zookeeper://": false, "zookeeper://a": false, "zookeeper://a:": false,
		"zookeeper://a:1,,b:2": false, "": false, "Embedded": false,
	} {
		if err := flowStore(store); (err == nil) != good {
			t.Errorf("store %q: %v, want good %v", store, err, good)
		}
	}
}
