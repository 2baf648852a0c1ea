// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/flow/topology"
)

// What users say of stations is in the tables until they take it back.
func TestStations(t *testing.T) {
	f := newFixture(t)
	lan, port := topology.NamedID(topology.KindBridge, "red-lan").String(), topology.NamedID(topology.KindPort, "red-1").String()
	for _, c := range []struct{ table, body, key, value, entry, member string }{
		{"mac_table", `{"macAddr":"02:00:00:00:00:77","portId":"` + port + `"}`, "macAddr", "02:00:00:00:00:77", "02-00-00-00-00-77_" + port, "portId"},
		{"arp_table", `{"ip":"10.0.0.77","mac":"02:00:00:00:00:77"}`, "ip", "10.0.0.77", "10.0.0.77_02-00-00-00-00-77", "mac"},
	} {
		path := "/bridges/" + lan + "/" + c.table
		before := len(f.want(http.StatusOK, red, "GET", path, "").array(t))
		for range 2 { // the second takes the place of the first
			if entry := f.create(red, path, c.body); entry != c.entry {
				t.Errorf("%s: made as %s, want %s", c.table, entry, c.entry)
			}
		}
		there := f.want(http.StatusOK, red, "GET", path, "").array(t)
		if len(there) != before+1 {
			t.Errorf("%s: %d entries, want %d", c.table, len(there), before+1)
		}
		last := there[len(there)-1]
		if last[c.key] != c.value || !strings.HasSuffix(last["uri"].(string), "/"+c.entry) {
			t.Errorf("%s: the last entry is %v", c.table, last)
		}
		for token, status := range map[string]int{redUser: http.StatusForbidden, blue: http.StatusForbidden, "": http.StatusUnauthorized} {
			f.want(status, token, "POST", path, c.body)
			f.want(status, token, "DELETE", path+"/"+c.entry, "")
		}
		for _, wrong := range []string{
			"{}", `{"macAddr":"01:00:00:00:00:01","portId":"` + port + `"}`, `{"macAddr":"x","portId":"` + port + `"}`,
			`{"macAddr":"02:00:00:00:00:01","portId":"` + port + `","vlanId":77}`, `{"macAddr":"02:00:00:00:00:01","portId":"` + port + `","vlanId":"x"}`,
			`{"ip":"::1","mac":"02:00:00:00:00:01"}`, `{"ip":"10.0.0.1","mac":"ff:ff:ff:ff:ff:ff"}`,
		} {
			f.want(http.StatusBadRequest, red, "POST", path, wrong)
		}
		f.want(http.StatusNoContent, red, "DELETE", path+"/"+c.entry, "")
		f.want(http.StatusNotFound, red, "DELETE", path+"/"+c.entry, "")
		if now := len(f.want(http.StatusOK, red, "GET", path, "").array(t)); now != before {
			t.Errorf("%s: %d entries after the removal, want %d", c.table, now, before)
		}
	}
	f.want(http.StatusForbidden, red, "POST", "/bridges/"+lan+"/mac_table",
		`{"macAddr":"02:00:00:00:00:77","portId":"`+topology.NamedID(topology.KindPort, "blue-1").String()+`"}`)
}
