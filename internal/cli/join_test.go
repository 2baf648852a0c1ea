// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/client"
	"github.com/weir-io/weir/internal/identity"
)

// What is wrong with a call is told before anybody is asked.
func TestJoinCalledWrongly(t *testing.T) {
	token := identity.Token{}.String()
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"hosts invite --state-dir " + t.TempDir(), exitFailed, "no hub runs here at which hosts join"},
		{"hosts expel n1 --state-dir " + t.TempDir(), exitFailed, "no hub runs here"},
		{"hosts invite --life 1ms", exitUsage, "--life"},
		{"hosts expel", exitUsage, "accepts 1 arg"},
		{"xmlsysd --hub http://127.0.0.1:1 --join " + token, exitUsage, "want --hub https://"},
		{"xmlsysd --hub https://127.0.0.1:1 --hub-ca x --join " + token, exitUsage, "no certificates of one's own"},
		{"xmlsysd --join " + token, exitUsage, "want --hub https://"},
		{"xmlsysd -i 1 --join " + token, exitUsage, "with -i there is one client"},
		{"xmlsysd --hub https://127.0.0.1:1 --hub-identity DIR --join " + token[:50], exitUsage, "was it cut?"},
		{"stat --join " + token, exitUsage, "want --hub https://"},
		{"stat --hub https://127.0.0.1:1 --hub-identity DIR --join " + token, exitFailed, "refused"},
		{"stat --hub https://127.0.0.1:1 --hub-identity DIR", exitFailed, "joining the hub was not finished"},
	} {
		var stdout, stderr bytes.Buffer
		args := strings.Fields(strings.ReplaceAll(tt.args, "DIR", t.TempDir()))
		if tt.want == "joining the hub was not finished" { // by the call before, somewhere else
			key, err := identity.NewKey()
			if err != nil {
				t.Fatal(err)
			}
			k := &identity.Kept{Hub: "https://127.0.0.1:1", Credentials: identity.Credentials{Key: key}}
			if err := identity.Dir(args[len(args)-1]).Begin(k); err != nil {
				t.Fatal(err)
			}
		}
		if code := Main(append([]string{"weir"}, args...), &stdout, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: exit code %d, %s; want %d, %s", tt.args, code, &stderr, tt.code, tt.want)
		}
		if len(token) > 60 && strings.Contains(stderr.String(), token[50:]) {
			t.Errorf("%s: the token is told: %s", tt.args, &stderr)
		}
	}
}

func TestInvitationText(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	for _, tt := range []struct {
		v    client.Invitation
		want string
	}{
		{client.Invitation{Role: "host", Hub: []string{"https://10.0.0.1:9348", "https://hub:9348"}}, "weir agent --xmlsysd --hub https://10.0.0.1:9348 --join weir1_x\n"},
		{client.Invitation{Role: "monitor", Hub: []string{"https://h:1"}}, "weir top --hub https://h:1 --join weir1_x\n"},
		{client.Invitation{Role: "host"}, "weir agent --xmlsysd --hub https://HUB:PORT --join weir1_x\n"},
	} {
		tt.v.Token, tt.v.Expires = "weir1_x", at
		var out, beside strings.Builder
		if err := writeInvitation(&out, &beside, &tt.v); err != nil || out.String() != tt.want || beside.String() != "for one machine, until 2026-11-29 12:00:00\n" {
			t.Errorf("%q, %q, %v", out.String(), beside.String(), err)
		}
	}
	var table strings.Builder
	list := []client.Enrolment{
		{Name: "n1", Role: "host", State: "enrolled", Serial: "1f", Ends: at, Seen: at.Add(-3 * time.Second)},
		{Name: "bob", Role: "monitor", State: "expelled", Serial: "2", Ends: at},
	}
	want := "NAME  ROLE     STATE     SERIAL  ENDS        SEEN\n" +
		"n1    host     enrolled  1f      2026-11-29  3s\n" +
		"bob   monitor  expelled  2       2026-11-29  -\n"
	if err := writeEnrolments(&table, list, at); err != nil || table.String() != want {
		t.Errorf("%s%v", &table, err)
	}
}
