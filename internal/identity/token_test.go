// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"errors"
	"strings"
	"testing"
)

func someToken() Token {
	var t Token
	for i := range t.Authority {
		t.Authority[i] = byte(i)
	}
	for i := range t.Secret {
		t.Secret[i] = byte(0xF0 + i)
	}
	copy(t.Invitation[:], "12345678")
	return t
}

const someText = "weir1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8xMjM0NTY3OPDx8vP09fb3-Pn6-_z9_v-TDzrB"

func TestTokenText(t *testing.T) {
	if got := someToken().String(); got != someText {
		t.Errorf("%s, want %s", got, someText)
	}
	got, err := ParseToken(someText)
	if err != nil || got != someToken() {
		t.Errorf("%+v, %v", got, err)
	}
}

// A token that was cut, lengthened or mistyped anywhere is none, and the error does not
// tell the secret.
func TestTokenDamaged(t *testing.T) {
	refused := func(text string) {
		t.Helper()
		got, err := ParseToken(text)
		if !errors.Is(err, ErrToken) {
			t.Errorf("%q: %+v, %v", text, got, err)
			return
		}
		if len(text) > 20 && strings.Contains(err.Error(), text[len(text)-20:]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	for n := range len(someText) {
		refused(someText[:n])
		refused(someText[n+1:])
		refused(someText[:n] + someText[n+1:])
		refused(someText[:n] + "\n" + someText[n+1:])
		for _, c := range "A_z" {
			if changed := someText[:n] + string(c) + someText[n+1:]; changed != someText {
				refused(changed)
			}
		}
	}
	refused(someText + "A")
	refused(" " + someText)
	refused(someText + "\n")
}

func FuzzToken(f *testing.F) {
	f.Add(someText)
	f.Add(someText[:30])
	f.Add("weir1_")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			if !errors.Is(err, ErrToken) {
				t.Errorf("%v", err)
			}
			return
		}
		if token.String() != text {
			t.Errorf("%q is read as %q", text, token.String())
		}
	})
}
