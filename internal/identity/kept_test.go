// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func keptSample(t *testing.T) *Kept {
	t.Helper()
	return &Kept{
		Hub: "https://hub:9348", Invitation: InvitationID{1, 2, 3}, Credentials: newAuthority(t).grant(Peer{Host, "n1"}),
		Refused: []Fingerprint{{1}, {2}},
	}
}

func TestKeptFiles(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "identity"))
	if _, err := dir.Load(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("nothing: %v", err)
	}
	k := keptSample(t)
	pending := &Kept{Hub: k.Hub, Invitation: k.Invitation, Credentials: Credentials{Key: k.Key}}
	if err := dir.Begin(pending); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Load(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("begun: %v", err)
	}
	if got, err := dir.Pending(); err != nil || !got.Key.Equal(k.Key) || got.Certificate != nil {
		t.Errorf("pending: %+v, %v", got, err)
	}
	if err := dir.Save(pending); err == nil {
		t.Error("kept without a certificate")
	}
	if err := errors.Join(dir.Save(k), dir.End(), dir.End()); err != nil {
		t.Fatal(err)
	}
	got, err := dir.Load()
	if err != nil || got.Hub != k.Hub || got.Invitation != k.Invitation || !got.Key.Equal(k.Key) ||
		!got.Certificate.Equal(k.Certificate) || !got.Authority.Equal(k.Authority) || len(got.Refused) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := dir.Pending(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("pending after the end: %v", err)
	}
	all, err := os.ReadDir(string(dir))
	if err != nil || len(all) != 1 {
		t.Errorf("left behind: %v, %v", all, err)
	}
	path := filepath.Join(string(dir), keptFile)
	for what, mode := range map[string]os.FileMode{path: 0o600, string(dir): 0o700 | os.ModeDir} {
		if st, err := os.Stat(what); err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v", what, st.Mode(), err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Load(); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("that others can read: %v", err)
	}
	if at, want := k.RenewAt(), epoch.Add(-time.Hour+91*time.Hour/3*2); !at.Equal(want) {
		t.Errorf("renewed at %v, want %v", at, want)
	}
}

// What was cut or changed is refused, or is what it was.
func TestKeptDamaged(t *testing.T) {
	k := keptSample(t)
	text, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) - 1 { // without the line end it is whole
		if got, err := DecodeKept(text[:n]); err == nil {
			t.Fatalf("cut at byte %d: %+v", n, got)
		}
	}
	for _, change := range [][2]string{
		{`"version": 1`, `"version": 2`},
		{"https://", "http://"},
		{"https://hub:9348", "https://"},
		{`"hub"`, `"hab"`},
		{"BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY"},
		{`-----END CERTIFICATE-----\n`, `-----END CERTIFICATE-----\nx`},
		{`"0102030000000000"`, `"01020300000000"`},
		{`"0102030000000000"`, `"010203000000000g"`},
	} {
		damaged := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(damaged, text) {
			t.Fatalf("the file has no %q", change[0])
		}
		if _, err := DecodeKept(damaged); err == nil {
			t.Errorf("%q for %q is taken", change[1], change[0])
		}
	}
	if _, err := DecodeKept(append(text, "{}"...)); err == nil {
		t.Error("what follows is taken")
	}
}

func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"version":1,"hub":"https://h","invitation":"0000000000000000","key":""}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := DecodeKept(text)
		if err != nil {
			return
		}
		again, err := k.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeKept(again); err != nil {
			t.Errorf("%s is written as %s: %v", text, again, err)
		}
	})
}

// The request is of who has the key.
func TestRequest(t *testing.T) {
	k := key(t)
	text, err := NewRequest(k)
	if err != nil {
		t.Fatal(err)
	}
	public, fingerprint, err := DecodeRequest(text)
	want, _ := KeyFingerprint(k)
	if err != nil || !public.Equal(k.Public()) || fingerprint != want {
		t.Errorf("%v, %v, %v", public, fingerprint, err)
	}
	for n := range len(text) - 1 {
		if _, _, err := DecodeRequest(text[:n]); err == nil {
			t.Errorf("cut at byte %d", n)
		}
	}
	if _, _, err := DecodeRequest(append(text, 'x')); err == nil {
		t.Error("what follows is taken")
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, _, err := DecodeRequest(text); err == nil && key == nil {
			t.Error("neither a key nor an error")
		}
	})
}
