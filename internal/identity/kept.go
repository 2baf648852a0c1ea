// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"time"
)

// Files of a directory that holds who a member is. One file has all of it, so that no
// kill leaves a key without its certificate.
const (
	keptFile    = "identity.json"
	pendingFile = "joining.json"
)

// Kept is what a member keeps over restarts. One without a certificate has made its key
// and waits for the hub's answer.
type Kept struct {
	Hub        string       // URL
	Invitation InvitationID // by which it has joined
	Credentials
	Refused []Fingerprint // whom the hub has expelled
}

// document is a Kept as it lies in its file.
type document struct {
	Version     int           `json:"version"`
	Hub         string        `json:"hub"`
	Invitation  InvitationID  `json:"invitation"`
	Key         string        `json:"key"`
	Certificate string        `json:"certificate,omitempty"`
	Authority   string        `json:"authority,omitempty"`
	Refused     []Fingerprint `json:"refused,omitempty"`
}

// keptVersion is the version of the files.
const keptVersion = 1

// Encode returns the content of the file.
func (k *Kept) Encode() ([]byte, error) {
	key, err := EncodeKey(k.Key)
	if err != nil {
		return nil, err
	}
	d := document{Version: keptVersion, Hub: k.Hub, Invitation: k.Invitation, Key: string(key), Refused: k.Refused}
	if k.Certificate != nil {
		d.Certificate, d.Authority = string(EncodeCertificate(k.Certificate)), string(EncodeCertificate(k.Authority))
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// DecodeKept reads the content of the file.
func DecodeKept(text []byte) (*Kept, error) {
	var d document
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", dec.InputOffset(), err)
	}
	if rest := bytes.TrimSpace(text[dec.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("at byte %d: got more, want the end", dec.InputOffset())
	}
	if d.Version != keptVersion {
		return nil, fmt.Errorf("version: got %d, want %d", d.Version, keptVersion)
	}
	if u, err := url.Parse(d.Hub); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("hub: got %.200q, want https://HOST:PORT", d.Hub)
	}
	k := &Kept{Hub: d.Hub, Invitation: d.Invitation, Refused: slices.Clip(d.Refused)}
	var err error
	if k.Key, err = whole("key", d.Key, DecodeKey); err != nil {
		return nil, err
	}
	if d.Certificate == "" && d.Authority == "" {
		return k, nil
	}
	if k.Certificate, err = whole("certificate", d.Certificate, DecodeCertificate); err != nil {
		return nil, err
	}
	if k.Authority, err = whole("authority", d.Authority, DecodeCertificate); err != nil {
		return nil, err
	}
	return k, nil
}

// whole decodes a text that holds one thing alone.
func whole[T any](what, text string, decode func([]byte) (T, []byte, error)) (T, error) {
	v, rest, err := decode([]byte(text))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("got %d bytes behind it, want none", len(rest))
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// Dir is where a member keeps who it is.
type Dir string

// ErrNotJoined reports a directory of one that has joined no hub.
var ErrNotJoined = errors.New("has joined no hub")

// Load reads who the member is: ErrNotJoined, wrapped, if that is nobody yet.
func (d Dir) Load() (*Kept, error) {
	k, err := d.read(keptFile)
	if err != nil || k.Certificate != nil {
		return k, err
	}
	return nil, fmt.Errorf("%s: it has no certificate", filepath.Join(string(d), keptFile))
}

// Pending reads what the member has begun to join with.
func (d Dir) Pending() (*Kept, error) { return d.read(pendingFile) }

func (d Dir) read(name string) (*Kept, error) {
	path := filepath.Join(string(d), name)
	b, err := ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", d, ErrNotJoined)
	}
	if err != nil {
		return nil, err
	}
	k, err := DecodeKept(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; who removes it can join again by \"weir hosts invite\"", path, err)
	}
	return k, nil
}

// Begin keeps what the member joins with before it asks the hub: an answer that is lost
// can then be asked for again, with the same key.
func (d Dir) Begin(k *Kept) error {
	if err := MakeDir(string(d)); err != nil {
		return err
	}
	return d.write(pendingFile, k)
}

// End forgets what the member has begun with: it has joined.
func (d Dir) End() error { return RemoveFile(filepath.Join(string(d), pendingFile)) }

// Save keeps who the member is.
func (d Dir) Save(k *Kept) error {
	if k.Certificate == nil || k.Authority == nil {
		return errors.New("keep identity: there is no certificate")
	}
	return d.write(keptFile, k)
}

func (d Dir) write(name string, k *Kept) error {
	b, err := k.Encode()
	if err == nil {
		err = WriteFile(filepath.Join(string(d), name), b)
	}
	if err != nil {
		return fmt.Errorf("keep identity: %w", err)
	}
	return nil
}

// RenewAt is when a certificate is to be renewed: after two thirds of its life.
func (c *Credentials) RenewAt() time.Time {
	life := c.Certificate.NotAfter.Sub(c.Certificate.NotBefore)
	return c.Certificate.NotBefore.Add(life / 3 * 2)
}
