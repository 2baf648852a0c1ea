// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/weir-io/weir/internal/hub"
)

func TestWelcome(t *testing.T) {
	tests := []struct {
		name string
		at   hub.Addresses
		want []string
		not  string
	}{
		{
			"default ports",
			hub.Addresses{Control: []string{"127.0.0.1:5342"}, Data: []string{"127.0.0.1:5343"}, Live: []string{"127.0.0.1:5344"}, HTTP: []string{"127.0.0.1:9347"}, Output: "/t"},
			[]string{
				"  control  127.0.0.1:5342  LTTng producers\n", "  live     127.0.0.1:5344  viewers\n", "  traces   /t\n",
				"  lttng create demo --live --set-url=net://127.0.0.1\n  lttng enable-event -u -a\n  lttng start\n",
				"  babeltrace2 -i lttng-live net://127.0.0.1/host/$(hostname)/demo\n",
			},
			"  \n",
		},
		{
			"chosen ports, IPv6, wildcard",
			hub.Addresses{Control: []string{"[::1]:7001", "127.0.0.1:1"}, Data: []string{"[::1]:7002"}, Live: []string{"[::]:7003"}},
			[]string{"  control  127.0.0.1:1", "--set-url=net6://[::1]:7001:7002\n", "lttng-live net://127.0.0.1:7003/host/"},
			"http ",
		},
		{
			"no live server",
			hub.Addresses{Control: []string{"10.0.0.1:5342"}, Data: []string{"10.0.0.1:5343"}},
			[]string{"lttng create demo --set-url=net://10.0.0.1\n"},
			"babeltrace2",
		},
		{
			"networks, first start",
			hub.Addresses{HTTP: []string{"0.0.0.0:9347"}, Networks: hub.Networks{Enabled: true, TokenFile: "/s/flow/token", Token: "abc"}},
			[]string{
				"  networks  http://127.0.0.1:9347/midonet-api  virtual networks",
				"  curl -H \"X-Auth-Token: $(cat /s/flow/token)\" http://127.0.0.1:9347/midonet-api/\n", "made just now: abc\n",
			},
			"lttng create",
		},
		{
			"networks, later start, accounts of one's own",
			hub.Addresses{HTTP: []string{"127.0.0.1:9347"}, Networks: hub.Networks{Enabled: true}},
			[]string{"/midonet-api  virtual networks"},
			"curl",
		},
		{"console", hub.Addresses{HTTP: []string{"0.0.0.0:80"}, Console: true}, []string{"in a browser:\n\n  http://127.0.0.1:80/\n"}, "lttng create"},
		{"HTTP only", hub.Addresses{HTTP: []string{"127.0.0.1:1"}}, []string{"weir is up.\n", "  weir agent --xmlsysd --hub http://127.0.0.1:1\n"}, "lttng create"},
	}
	for _, tt := range tests {
		got := welcome(tt.at, "", nil)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, got)
			}
		}
		if strings.Contains(got, tt.not) {
			t.Errorf("%s: %q in\n%s", tt.name, tt.not, got)
		}
	}
}
