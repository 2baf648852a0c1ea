// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"encoding/json"
	"testing"
)

// BenchmarkReadPort reads a port as a hub does for each when it starts.
func BenchmarkReadPort(b *testing.B) {
	text := []byte(`{"id":"` + idA + `","type":"Router","deviceId":"` + idB + `","adminStateUp":true,"inboundFilterId":"` + idB +
		`","peerId":"` + idB + `","tunnelKey":1048575,"networkAddress":"10.0.0.0","networkLength":24,"portAddress":"10.0.0.1","portMac":"02:00:00:00:00:01"}`)
	b.ReportAllocs()
	for b.Loop() {
		var p Port
		if err := json.Unmarshal(text, &p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadRule reads a rule with a condition.
func BenchmarkReadRule(b *testing.B) {
	text := []byte(`{"id":"` + idA + `","chainId":"` + idB + `","type":"drop","nwProto":6,"nwSrcAddress":"10.0.0.0","nwSrcLength":8,"tpDst":{"start":80,"end":80}}`)
	b.ReportAllocs()
	for b.Loop() {
		var r Rule
		if err := json.Unmarshal(text, &r); err != nil {
			b.Fatal(err)
		}
	}
}
