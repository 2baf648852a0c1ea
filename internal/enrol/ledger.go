// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package enrol

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/weir-io/weir/internal/identity"
)

// Enrolment is one that has a certificate, or had one.
type Enrolment struct {
	Name     string               `json:"name"`
	Role     identity.Role        `json:"role"`
	Key      identity.Fingerprint `json:"key"`
	Serial   string               `json:"serial"` // of the last certificate, in hexadecimal digits
	NotAfter time.Time            `json:"not_after"`
	Since    time.Time            `json:"since"`
	Seen     time.Time            `json:"seen,omitzero"` // when it has shown its certificate last
	Expelled time.Time            `json:"expelled,omitzero"`
}

// holds tells whether its certificates count.
func (e *Enrolment) holds(now time.Time) bool { return e.Expelled.IsZero() && !now.After(e.NotAfter) }

// Invitation is what somebody can join by.
type Invitation struct {
	ID      identity.InvitationID `json:"id"`
	Hash    identity.Fingerprint  `json:"hash"` // of the secret, which is not kept
	Role    identity.Role         `json:"role"`
	Name    string                `json:"name,omitempty"` // "": the one that joins says
	Expires time.Time             `json:"expires"`

	// Who has joined by it: it answers this key again, for which an answer may have been
	// lost, and no other.
	Used    time.Time            `json:"used,omitzero"`
	UsedBy  string               `json:"used_by,omitempty"`
	UsedKey identity.Fingerprint `json:"used_key,omitzero"`

	failures int // wrong secrets since the start
}

// ledger is all that an authority knows of others. One that is published does not change:
// who changes it makes a copy, which takes its place once it is on the disk.
type ledger struct {
	enrolled    map[string]*Enrolment // by name; what is pointed to does not change
	invitations map[identity.InvitationID]*Invitation
	refused     map[identity.Fingerprint]time.Time // keys of expelled ones, and when their certificates end
}

// ledgerVersion is the version of the file.
const ledgerVersion = 1

// ledgerFile is a ledger as it lies on the disk.
type ledgerFile struct {
	Version     int                                `json:"version"`
	Enrolled    []*Enrolment                       `json:"enrolled"`
	Invitations []*Invitation                      `json:"invitations"`
	Refused     map[identity.Fingerprint]time.Time `json:"refused"`
}

func newLedger() *ledger {
	return &ledger{
		enrolled: make(map[string]*Enrolment), invitations: make(map[identity.InvitationID]*Invitation),
		refused: make(map[identity.Fingerprint]time.Time),
	}
}

// clone returns a copy that may be changed by replacing what its maps point to.
func (l *ledger) clone() *ledger {
	return &ledger{enrolled: maps.Clone(l.enrolled), invitations: maps.Clone(l.invitations), refused: maps.Clone(l.refused)}
}

// list returns all that are enrolled, or were, by name.
func (l *ledger) list() []*Enrolment {
	return slices.SortedFunc(maps.Values(l.enrolled), func(a, b *Enrolment) int { return cmpText(a.Name, b.Name) })
}

func cmpText(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) }

// encode returns the content of the file.
func (l *ledger) encode() ([]byte, error) {
	f := ledgerFile{Version: ledgerVersion, Enrolled: l.list(), Refused: l.refused}
	f.Invitations = slices.SortedFunc(maps.Values(l.invitations), func(a, b *Invitation) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return append(b, '\n'), nil
}

// decodeLedger reads the content of the file.
func decodeLedger(text []byte) (*ledger, error) {
	var f ledgerFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", d.InputOffset(), err)
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("at byte %d: got more, want the end", d.InputOffset())
	}
	if f.Version != ledgerVersion {
		return nil, fmt.Errorf("version: got %d, want %d", f.Version, ledgerVersion)
	}
	l := newLedger()
	for i, e := range f.Enrolled {
		if e == nil || !identity.ValidName(e.Name) || e.Role != identity.Host && e.Role != identity.Monitor || l.enrolled[e.Name] != nil {
			return nil, fmt.Errorf("enrolled %d: want a name that stands once, with the role host or monitor", i)
		}
		l.enrolled[e.Name] = e
	}
	for i, v := range f.Invitations {
		if v == nil || v.Name != "" && !identity.ValidName(v.Name) || v.Role != identity.Host && v.Role != identity.Monitor || l.invitations[v.ID] != nil {
			return nil, fmt.Errorf("invitation %d: want an id that stands once, with the role host or monitor", i)
		}
		l.invitations[v.ID] = v
	}
	maps.Copy(l.refused, f.Refused)
	return l, nil
}

// readLedger reads the file; missing tells that there is none.
func readLedger(path string) (l *ledger, missing bool, err error) {
	text, err := identity.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newLedger(), true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if l, err = decodeLedger(text); err != nil {
		return nil, false, fmt.Errorf("%s: %w; a copy of before can take its place, and without the file nobody is enrolled", path, err)
	}
	return l, false, nil
}

// hashOf is what is kept of a secret.
func hashOf(s identity.Secret) identity.Fingerprint { return sha256.Sum256(s[:]) }
