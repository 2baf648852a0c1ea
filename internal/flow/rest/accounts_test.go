// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestLogin(t *testing.T) {
	f := newFixture(t)
	got := f.want(http.StatusOK, "", "POST", "/login", "", "Authorization", basic("red", "der"), "X-Auth-Project", "red", "Accept", vendor+"Token-v1+json")
	key, _ := got.object(t)["key"].(string)
	expires, err := time.Parse(time.RFC3339, got.object(t)["expires"].(string))
	if err != nil || time.Until(expires) < 59*time.Minute || time.Until(expires) > 61*time.Minute {
		t.Errorf("token expires %v (%v)", expires, err)
	}
	if kind := got.header.Get("Content-Type"); kind != vendor+"Token-v1+json" {
		t.Errorf("Content-Type %q", kind)
	}
	f.want(http.StatusOK, key, "GET", "/bridges/"+redLAN, "")
	f.want(http.StatusForbidden, key, "GET", "/bridges/"+blueLAN, "")
	for _, tt := range []struct{ authorization, project string }{
		{"", ""},
		{"Bearer x", ""},
		{basic("red", "wrong"), ""},
		{basic("nobody", "der"), ""},
		{basic("blue", ""), ""}, // has a token alone
		{basic("red", "der"), "blue"},
	} {
		got := f.want(http.StatusUnauthorized, "", "POST", "/login", "", "Authorization", tt.authorization, "X-Auth-Project", tt.project)
		if got.header.Get("WWW-Authenticate") == "" {
			t.Error("401 without WWW-Authenticate")
		}
	}
	admin := f.want(http.StatusOK, "", "POST", "/login", "", "Authorization", basic("root", "toor")).object(t)["key"].(string)
	f.want(http.StatusOK, admin, "GET", "/hosts", "")
	f.want(http.StatusMethodNotAllowed, admin, "GET", "/login", "")
}

func TestAccountsFollowTheirFile(t *testing.T) {
	f := newFixture(t)
	key := f.want(http.StatusOK, "", "POST", "/login", "", "Authorization", basic("red", "der")).object(t)["key"].(string)
	f.want(http.StatusOK, key, "GET", "/bridges", "")
	other := strings.Replace(fixtureAccounts, "der", "changed", 1)
	if err := os.WriteFile(f.accounts, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want(http.StatusUnauthorized, key, "GET", "/bridges", "")
	f.want(http.StatusOK, red, "GET", "/bridges", "")
	// A file that cannot be read leaves things as they are.
	if err := os.WriteFile(f.accounts, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want(http.StatusOK, red, "GET", "/bridges", "")
	if err := os.WriteFile(f.accounts, []byte(`{"accounts":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want(http.StatusUnauthorized, red, "GET", "/bridges", "")
}

func TestTokensOfLoginsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(path, []byte(fixtureAccounts), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	a, err := NewAccounts(path, time.Minute, func() time.Time { return now }, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, ok := a.Login(t.Context(), "red", "der", "")
	if !ok {
		t.Fatal("no login")
	}
	for range maxSessions {
		now = now.Add(time.Microsecond)
		if _, ok := a.Login(t.Context(), "red", "der", ""); !ok {
			t.Fatal("no login")
		}
	}
	if len(a.logins) != maxSessions {
		t.Errorf("%d logins are kept, want %d", len(a.logins), maxSessions)
	}
	if _, ok := a.Identify(t.Context(), first.Key); ok {
		t.Error("the oldest of too many logins is still valid")
	}
	last, _ := a.Login(t.Context(), "red", "der", "")
	if who, ok := a.Identify(t.Context(), last.Key); !ok || who.Name != "red" {
		t.Errorf("last login: %+v, %v", who, ok)
	}
	now = now.Add(time.Hour)
	if _, ok := a.Identify(t.Context(), last.Key); ok {
		t.Error("a token is valid after its time")
	}
}

func TestPasswordHash(t *testing.T) {
	hash, err := HashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	c := &Account{Name: "a", Role: Admin, PasswordHash: hash, TokenHash: HashToken("t")}
	if err := c.validate(); err != nil {
		t.Error(err)
	}
	if !c.check("secret") || c.check("Secret") || c.check("") {
		t.Error("a hash fits another password, or not its own")
	}
	if strings.Contains(hash, "secret") {
		t.Errorf("hash %q", hash)
	}
}

func TestAccountFilesThatAreWrong(t *testing.T) {
	for _, text := range []string{
		"", "[]", `{"accounts":7}`, `{"users":[]}`, `{"accounts":[{}]}`,
		`{"accounts":[{"name":"a"}]}`, `{"accounts":[{"name":"a:b","role":"admin"}]}`, `{"accounts":[{"name":"a","role":"root"}]}`,
		`{"accounts":[{"name":"a","role":"tenant_user"}]}`, `{"accounts":[{"name":"a","role":"admin"},{"name":"a","role":"admin"}]}`,
		`{"accounts":[{"name":"a","role":"admin","tokenHash":"00"}]}`, `{"accounts":[{"name":"a","role":"admin","token":"t","tokenHash":"00"}]}`,
		`{"accounts":[{"name":"a","role":"admin","passwordHash":"md5:1:2:3"}]}`, `{"accounts":[{"name":"a","role":"admin","passwordHash":"pbkdf2-sha256:0:00:00"}]}`,
	} {
		path := filepath.Join(t.TempDir(), "accounts.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAccounts(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", text, err)
		}
	}
}

func TestFirstAccount(t *testing.T) {
	dir := t.TempDir()
	accounts, token := filepath.Join(dir, "flow", "accounts.json"), filepath.Join(dir, "flow", "token")
	first, err := FirstAccount(accounts, token)
	if err != nil || first == "" {
		t.Fatalf("FirstAccount = %q, %v", first, err)
	}
	again, err := FirstAccount(accounts, token)
	if err != nil || again != first {
		t.Errorf("FirstAccount again = %q, %v, want %q", again, err, first)
	}
	for _, path := range []string{accounts, token} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
	a, err := NewAccounts(accounts, time.Hour, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := a.Identify(t.Context(), first); !ok || who.Role != Admin {
		t.Errorf("the first token is of %+v, %v", who, ok)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if got, err := FirstAccount(accounts, token); got != "" || err != nil {
		t.Errorf("without the token's file: %q, %v", got, err)
	}
}
