// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-io/weir/internal/flow/rest"
)

func TestFlowAccount(t *testing.T) {
	file := filepath.Join(t.TempDir(), "accounts.json")
	if err := rest.WriteAccounts(file, []rest.Account{{Name: "admin", Role: rest.Admin, TokenHash: rest.HashToken("t")}}); err != nil {
		t.Fatal(err)
	}
	run := func(input string, args ...string) (string, error) {
		root := newRootCommand()
		var out strings.Builder
		root.SetIn(strings.NewReader(input))
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"flow", "account"}, append(args, "--accounts", file)...))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	token, err := run("", "add", "alice", "--role", "tenant_admin", "--tenant", "red", "--tenant", "blue")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run("secret\n", "add", "bob", "--role", "tenant_user", "--tenant", "red", "--password"); err != nil {
		t.Fatal(err)
	}
	a, err := rest.NewAccounts(file, time.Hour, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	who, ok := a.Identify(t.Context(), strings.TrimSpace(token))
	if !ok || who.Name != "alice" || who.Role != rest.TenantAdmin || strings.Join(who.Tenants, " ") != "red blue" {
		t.Errorf("the printed token is of %+v, %v", who, ok)
	}
	if _, ok := a.Login(t.Context(), "bob", "secret", "red"); !ok {
		t.Error("no login with the password")
	}
	const host = "11111111-1111-4111-8111-111111111111"
	agent, err := run("", "add", "node", "--role", "agent", "--host", host)
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := a.Identify(t.Context(), strings.TrimSpace(agent)); !ok || who.Role != rest.Agent || who.Host.String() != host {
		t.Errorf("the token of the agent is of %+v, %v", who, ok)
	}
	out, err := run("", "list")
	if err != nil || !strings.Contains(out, "alice  tenant_admin  token     red blue\n") || !strings.Contains(out, "bob    tenant_user   password  red\n") ||
		!strings.Contains(out, "node   agent         token     "+host+"\n") {
		t.Errorf("list: %v\n%s", err, out)
	}
	var listed []shownAccount
	out, err = run("", "list", "--json")
	if bad := json.Unmarshal([]byte(out), &listed); err != nil || bad != nil || len(listed) != 4 || strings.Contains(strings.ToLower(out), "hash") ||
		listed[3].Host != host || listed[2].By[0] != "password" || len(listed[0].Tenants) != 0 {
		t.Errorf("list as JSON: %v, %v\n%s", err, bad, out)
	}
	for _, args := range [][]string{
		{"add", "alice", "--role", "admin"},
		{"add", "x", "--role", "root"},
		{"add", "x", "--role", "tenant_user"},
		{"add", "x", "--role", "agent"},
		{"add", "x", "--role", "agent", "--host", "here"},
		{"add", "x", "--role", "admin", "--host", "11111111-1111-4111-8111-111111111111"},
		{"add", "x"},
		{"add", "x", "--role", "admin", "--password"},
		{"remove", "nobody"},
		{"remove"},
		{"list", "x"},
	} {
		if out, err := run("", args...); err == nil {
			t.Errorf("%v: no error, printed %s", args, out)
		}
	}
	if _, err := run("", "remove", "alice"); err != nil {
		t.Error(err)
	}
	if _, ok := a.Identify(t.Context(), strings.TrimSpace(token)); ok {
		t.Error("the token of an account that is removed is valid")
	}
}
