// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-io/weir/internal/flow/topology"
)

// Account is a user in the file of accounts. Of token and tokenHash, and of password and
// passwordHash, one is enough; the hashes are what HashToken and HashPassword return.
type Account struct {
	Name         string      `json:"name"`
	Role         Role        `json:"role"`
	Tenants      []string    `json:"tenants,omitempty"` // of tenant_admin and tenant_user
	Host         topology.ID `json:"host,omitzero"`     // of agent
	Token        string      `json:"token,omitempty"`
	TokenHash    string      `json:"tokenHash,omitempty"`
	Password     string      `json:"password,omitempty"`
	PasswordHash string      `json:"passwordHash,omitempty"`
}

// accountFile is what the file of accounts holds.
type accountFile struct {
	Accounts []Account `json:"accounts"`
}

// maxSessions bounds the tokens that logins have given and that are not over.
const maxSessions = 10000

// Accounts is Access by a file of accounts, which is read again when it changes.
type Accounts struct {
	// Immutable after NewAccounts.
	path string
	life time.Duration
	now  func() time.Time
	log  *slog.Logger

	hashing chan struct{} // holds one item for each password that is being checked

	mu sync.Mutex
	// Guarded by mu.
	read    fileStamp
	byToken map[tokenHash]*Account
	byName  map[string]*Account
	logins  map[tokenHash]loginSession
}

type tokenHash [sha256.Size]byte

// fileStamp tells one state of a file from another.
type fileStamp struct {
	modified time.Time
	size     int64
}

// loginSession is what a login has given.
type loginSession struct {
	who     Identity
	account *Account
	expires time.Time
}

// NewAccounts returns the accounts of a file, which must be there. Logins give tokens
// for a time.
func NewAccounts(path string, life time.Duration, now func() time.Time, log *slog.Logger) (*Accounts, error) {
	a := &Accounts{
		path: path, life: life, now: now, log: log,
		hashing: make(chan struct{}, 2), logins: make(map[tokenHash]loginSession),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a, a.loadLocked()
}

// loadLocked reads the file if it is another than before.
func (a *Accounts) loadLocked() error {
	info, err := os.Stat(a.path)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	stamp := fileStamp{info.ModTime(), info.Size()}
	if stamp == a.read {
		return nil
	}
	list, err := ReadAccounts(a.path)
	if err != nil {
		return err
	}
	byToken, byName := make(map[tokenHash]*Account), make(map[string]*Account)
	for i := range list {
		account := &list[i]
		byName[account.Name] = account
		if h, ok := account.token(); ok {
			byToken[h] = account
		}
	}
	a.read, a.byToken, a.byName = stamp, byToken, byName
	return nil
}

// refreshLocked reads the file again. When that fails, what was read before holds.
func (a *Accounts) refreshLocked() {
	if err := a.loadLocked(); err != nil {
		a.log.Error("accounts not read: those of before are valid", "err", err)
	}
}

// token returns the hash of the account's own token.
func (c *Account) token() (h tokenHash, ok bool) {
	if c.Token != "" {
		return sha256.Sum256([]byte(c.Token)), true
	}
	n, err := hex.Decode(h[:], []byte(c.TokenHash))
	return h, err == nil && n == len(h)
}

// identity returns who has the account.
func (c *Account) identity() Identity {
	return Identity{Name: c.Name, Role: c.Role, Tenants: slices.Clone(c.Tenants), Host: c.Host}
}

// Identify returns who has a token.
func (a *Accounts) Identify(_ context.Context, token string) (Identity, bool) {
	h := tokenHash(sha256.Sum256([]byte(token)))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshLocked()
	if account, ok := a.byToken[h]; ok {
		return account.identity(), true
	}
	s, ok := a.logins[h]
	if !ok || a.now().After(s.expires) || !a.validLocked(&s) {
		delete(a.logins, h)
		return Identity{}, false
	}
	return s.who, true
}

// validLocked reports whether a login would give the same today.
func (a *Accounts) validLocked(s *loginSession) bool {
	now, ok := a.byName[s.account.Name]
	if !ok || now.Role != s.account.Role || now.Host != s.account.Host || now.Password != s.account.Password || now.PasswordHash != s.account.PasswordHash {
		return false
	}
	return now.Role == Admin || !slices.ContainsFunc(s.who.Tenants, func(t string) bool { return !slices.Contains(now.Tenants, t) })
}

// Login returns a token for a user. Who names a tenant works for that one alone.
func (a *Accounts) Login(ctx context.Context, user, password, tenant string) (Token, bool) {
	a.mu.Lock()
	a.refreshLocked()
	account := a.byName[user]
	a.mu.Unlock()
	select {
	case a.hashing <- struct{}{}:
	case <-ctx.Done():
		return Token{}, false
	}
	ok := account.check(password)
	<-a.hashing
	if !ok {
		return Token{}, false
	}
	who := account.identity()
	if tenant != "" {
		if !who.owns(tenant) {
			return Token{}, false
		}
		who.Tenants = []string{tenant}
	}
	token := Token{Key: NewToken(), Expires: a.now().Add(a.life)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.makeRoomLocked()
	a.logins[sha256.Sum256([]byte(token.Key))] = loginSession{who, account, token.Expires}
	return token, true
}

// makeRoomLocked drops tokens that are over, and the one that is over first when there
// are too many.
func (a *Accounts) makeRoomLocked() {
	if len(a.logins) < maxSessions {
		return
	}
	var first tokenHash
	var at time.Time
	for h, s := range a.logins {
		if a.now().After(s.expires) {
			delete(a.logins, h)
		} else if at.IsZero() || s.expires.Before(at) {
			first, at = h, s.expires
		}
	}
	if len(a.logins) >= maxSessions {
		delete(a.logins, first)
	}
}

// nobody is checked against when there is no account, so that a wrong name takes as
// long as a wrong password.
const nobody = "pbkdf2-sha256:100000:00:00"

// check reports whether a password is the account's. It takes the same time for an
// account that is not there or has none.
func (c *Account) check(password string) bool {
	switch {
	case c == nil || c.Password == "" && c.PasswordHash == "":
		verifyPassword(nobody, password)
		return false
	case c.PasswordHash != "":
		return verifyPassword(c.PasswordHash, password)
	}
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(c.Password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

const (
	hashName       = "pbkdf2-sha256"
	hashIterations = 100000
	maxIterations  = 10_000_000
)

// HashPassword returns what the file of accounts keeps of a password.
func HashPassword(password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha256.New, password, salt, hashIterations, sha256.Size)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%d:%x:%x", hashName, hashIterations, salt, key), nil
}

// HashToken returns what the file of accounts keeps of a token.
func HashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// NewToken returns a token that nobody guesses.
func NewToken() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// parseHash takes the hash of a password apart.
func parseHash(text string) (iterations int, salt, key []byte, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 || parts[0] != hashName {
		return 0, nil, nil, fmt.Errorf("got no hash of the form %s:ITERATIONS:SALT:KEY", hashName)
	}
	iterations, err = strconv.Atoi(parts[1])
	if err != nil || iterations < 1 || iterations > maxIterations {
		return 0, nil, nil, fmt.Errorf("got %.20q iterations, want 1 to %d", parts[1], maxIterations)
	}
	if salt, err = hex.DecodeString(parts[2]); err != nil {
		return 0, nil, nil, fmt.Errorf("salt: %w", err)
	}
	if key, err = hex.DecodeString(parts[3]); err != nil || len(key) == 0 {
		return 0, nil, nil, errors.New("got no key")
	}
	return iterations, salt, key, nil
}

// verifyPassword reports whether a password has a hash.
func verifyPassword(text, password string) bool {
	iterations, salt, want, err := parseHash(text)
	if err != nil {
		return false
	}
	got, err := pbkdf2.Key(sha256.New, password, salt, iterations, len(want))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}

// ReadAccounts reads a file of accounts.
func ReadAccounts(path string) ([]Account, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	var file accountFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("accounts %s: %w", path, err)
	}
	names := make(map[string]bool)
	for i := range file.Accounts {
		account := &file.Accounts[i]
		if err := account.validate(); err != nil {
			return nil, fmt.Errorf("accounts %s: account %d %q: %w", path, i, account.Name, err)
		}
		if names[account.Name] {
			return nil, fmt.Errorf("accounts %s: account %d %q: the name is taken", path, i, account.Name)
		}
		names[account.Name] = true
	}
	return file.Accounts, nil
}

func (c *Account) validate() error {
	switch {
	case c.Name == "" || strings.Contains(c.Name, ":"):
		return errors.New("want a name without a colon, which ends names in Basic authentication")
	case c.Role != Admin && c.Role != TenantAdmin && c.Role != TenantUser && c.Role != Agent:
		return fmt.Errorf("got the role %q, want %s, %s, %s or %s", c.Role, Admin, TenantAdmin, TenantUser, Agent)
	case c.Role == Agent && c.Host == topology.ID{}:
		return fmt.Errorf("got no host for the role %s", c.Role)
	case c.Role != Agent && c.Host != topology.ID{}:
		return fmt.Errorf("got a host for the role %s", c.Role)
	case (c.Role == TenantAdmin || c.Role == TenantUser) && len(c.Tenants) == 0:
		return fmt.Errorf("got no tenants for the role %s", c.Role)
	case c.Token != "" && c.TokenHash != "", c.Password != "" && c.PasswordHash != "":
		return errors.New("got a secret and a hash, want one of them")
	}
	if c.TokenHash != "" {
		if _, ok := c.token(); !ok {
			return errors.New("got a tokenHash that is no SHA-256 in hexadecimal digits")
		}
	}
	if c.PasswordHash != "" {
		if _, _, _, err := parseHash(c.PasswordHash); err != nil {
			return fmt.Errorf("passwordHash: %w", err)
		}
	}
	return nil
}

// WriteAccounts replaces a file of accounts, which only its owner can read.
func WriteAccounts(path string, list []Account) error {
	for i := range list {
		if err := list[i].validate(); err != nil {
			return fmt.Errorf("account %q: %w", list[i].Name, err)
		}
	}
	b, err := json.MarshalIndent(accountFile{list}, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(b, '\n'))
}

// replaceFile writes a file beside the old one and puts it in its place.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// FirstAccount makes a file of accounts with one administrator, unless there is a file,
// and puts the administrator's token into a file of its own. It returns the token, and
// that of before if there was one.
func FirstAccount(accounts, token string) (string, error) {
	if _, err := os.Stat(accounts); !errors.Is(err, fs.ErrNotExist) {
		b, readErr := os.ReadFile(token)
		if errors.Is(readErr, fs.ErrNotExist) {
			readErr = nil
		}
		return strings.TrimSpace(string(b)), errors.Join(err, readErr)
	}
	if err := os.MkdirAll(filepath.Dir(accounts), 0o750); err != nil {
		return "", err
	}
	secret := NewToken()
	if err := replaceFile(token, []byte(secret+"\n")); err != nil {
		return "", err
	}
	return secret, WriteAccounts(accounts, []Account{{Name: "admin", Role: Admin, TokenHash: HashToken(secret)}})
}
