// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/weir-io/weir/changelog"
	"github.com/weir-io/weir/internal/feed"
)

// Tokens are the secrets by which others than users of this host may ask about feeds.
type Tokens struct {
	// By the hash of the secret: how long a look takes tells nothing of it.
	callers map[[sha256.Size]byte]feed.Caller
}

// Scopes of tokens.
const (
	scopeAdmin = "feed:admin"
	scopeRead  = "feed:read:" // and a feed
)

// leastToken is how many characters a secret must have.
const leastToken = 20

// ReadTokens reads a file of tokens, which nobody but its owner may read: a line a token,
// the secret and what it is for, as in "SECRET feed:read:audit". What # begins is a
// comment.
func ReadTokens(path string) (*Tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %#o: others could read the tokens; want 0600", path, st.Mode().Perm())
	}
	t, err := parseTokens(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func parseTokens(r io.Reader) (*Tokens, error) {
	t := &Tokens{callers: make(map[[sha256.Size]byte]feed.Caller)}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := bytes.Cut(lines.Bytes(), []byte{'#'})
		words := strings.Fields(string(text))
		if len(words) == 0 {
			continue
		}
		// The secret is not shown: errors go to logs.
		if len(words[0]) < leastToken {
			return nil, fmt.Errorf("line %d: a token of %d characters, want %d at least", n, len(words[0]), leastToken)
		}
		c, err := callerOf(words[1:])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		t.callers[sha256.Sum256([]byte(words[0]))] = c
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(t.callers) == 0 {
		return nil, fmt.Errorf("no token in it")
	}
	return t, nil
}

// callerOf is who may do what scopes say. It is no user: nothing is its own.
func callerOf(scopes []string) (feed.Caller, error) {
	c := feed.Caller{UID: changelog.Unknown, GID: changelog.Unknown}
	for _, s := range scopes {
		ref, read := strings.CutPrefix(s, scopeRead)
		switch {
		case s == scopeAdmin:
			c.Admin = true
		case read && ref != "":
			c.Feeds = append(c.Feeds, ref)
		default:
			return c, fmt.Errorf("scope %q: want %s, or %sFEED", s, scopeAdmin, scopeRead)
		}
	}
	if !c.Admin && len(c.Feeds) == 0 {
		return c, fmt.Errorf("a token without a scope: want %s, or %sFEED", scopeAdmin, scopeRead)
	}
	return c, nil
}

// tokenKey is that of the caller by a token in the context of a request.
type tokenKey struct{}

// bearer is the token of a request, empty if it has none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// authorize lets requests through that show a token.
func (t *Tokens) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" { // it tells nothing
			next.ServeHTTP(w, r)
			return
		}
		c, ok := t.callers[sha256.Sum256([]byte(bearer(r)))]
		if !ok {
			refuseToken(w, "%s %s", r.Method, r.URL.Path)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, c)))
	})
}

// refuseToken asks for a token.
func refuseToken(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="feeds"`)
	writeProblem(w, problemf(codeFeedToken, format, args...))
}
