// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// InvitationID names an invitation. It is no secret.
type InvitationID [8]byte

// String returns it in hexadecimal digits.
func (id InvitationID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText is String.
func (id InvitationID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads hexadecimal digits.
func (id *InvitationID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return fmt.Errorf("invitation %.40q: got %d characters, want %d hexadecimal digits", text, len(text), 2*len(id))
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return fmt.Errorf("invitation %.40q: %w", text, err)
	}
	return nil
}

// SecretBytes is the size of what proves that somebody was invited: 128 random bits.
const SecretBytes = 16

// Secret proves that somebody was invited.
type Secret [SecretBytes]byte

// Token is what a hub hands out for one that is to join it: by which hash to know the
// hub's authority, and what to tell it.
type Token struct {
	Authority  Fingerprint
	Invitation InvitationID
	Secret     Secret
}

// tokenPrefix is what the text of a token begins with: what it is, and its version.
const tokenPrefix = "weir1_"

// tokenBytes is the size of a token before it becomes text: authority, invitation,
// secret, and a checksum of these, which tells a token that was cut or mistyped before
// anybody is asked.
const tokenBytes = len(Fingerprint{}) + len(InvitationID{}) + SecretBytes + crc32.Size

// ErrToken reports a text that is no token.
var ErrToken = errors.New("no token of \"weir hosts invite\"")

// String returns the text that people paste.
func (t Token) String() string {
	b := make([]byte, 0, tokenBytes)
	b = append(b, t.Authority[:]...)
	b = append(b, t.Invitation[:]...)
	b = append(b, t.Secret[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken reads the text of a token. Errors do not repeat it: it holds a secret.
func ParseToken(text string) (Token, error) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok {
		return Token{}, fmt.Errorf("%w: want it to begin with %s", ErrToken, tokenPrefix)
	}
	if want := base64.RawURLEncoding.EncodedLen(tokenBytes); len(rest) != want {
		return Token{}, fmt.Errorf("%w: got %d characters behind %s, want %d: was it cut?", ErrToken, len(rest), tokenPrefix, want)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != tokenBytes { // line ends, too, are skipped by the decoder
		return Token{}, fmt.Errorf("%w: it has characters that no token has", ErrToken)
	}
	body, sum := b[:tokenBytes-crc32.Size], binary.BigEndian.Uint32(b[tokenBytes-crc32.Size:])
	if crc32.ChecksumIEEE(body) != sum {
		return Token{}, fmt.Errorf("%w: its checksum is wrong: was it mistyped?", ErrToken)
	}
	var t Token
	n := copy(t.Authority[:], body)
	n += copy(t.Invitation[:], body[n:])
	copy(t.Secret[:], body[n:])
	return t, nil
}
