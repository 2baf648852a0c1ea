// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"strings"
)

// ContextApp is a context that a program's own code tells: an AppContext.
const ContextApp ContextType = 7

// appContextLens is where the lengths of its names are in the body of a command.
const appContextLens = 20

// AppContext is what a part of a program, the provider, tells by a name.
type AppContext struct{ Provider, Name string }

// ParseAppContextName reads $app.PROVIDER:NAME.
func ParseAppContextName(text string) (c AppContext, ok bool) {
	rest, ok := strings.CutPrefix(text, "$app.")
	if !ok {
		return c, false
	}
	c.Provider, c.Name, ok = strings.Cut(rest, ":")
	return c, ok && c.Provider != "" && c.Name != "" && len(text) < NameLen && !strings.Contains(text, "\x00")
}

// String is LTTng's name of it.
func (c AppContext) String() string { return "$app." + c.Provider + ":" + c.Name }

// Append appends it, as the body of a command.
func (c AppContext) Append(b []byte) []byte {
	b = le.AppendUint32(b, uint32(ContextApp))
	b = appendPad(b, appContextLens-4)
	return appendWords(b, uint32(len(c.Provider)+1), uint32(len(c.Name)+1))
}

// AppendNames appends what follows the command.
func (c AppContext) AppendNames(b []byte) []byte {
	return append(append(append(append(b, c.Provider...), 0), c.Name...), 0)
}

// ParseAppContext reads the body of a command: the lengths of the names that follow.
func ParseAppContext(b []byte) (provider, name int, err error) {
	const what = "context"
	if len(b) < appContextLens+8 {
		return 0, 0, short(what, len(b), appContextLens+8)
	}
	p, n := le.Uint32(b[appContextLens:]), le.Uint32(b[appContextLens+4:])
	if p == 0 || p > NameLen || n == 0 || n > NameLen {
		return 0, 0, &Error{what, appContextLens, fmt.Sprintf("names of %d and %d bytes", p, n), fmt.Sprintf("1 to %d", NameLen)}
	}
	return int(p), int(n), nil
}

// ParseNames reads what follows the command, of which the provider has so many bytes.
func (c *AppContext) ParseNames(b []byte, provider int) (err error) {
	if provider > len(b) {
		return short("context", len(b), provider)
	}
	if c.Provider, err = text("context", b, 0, provider); err != nil {
		return err
	}
	c.Name, err = text("context", b, provider, len(b)-provider)
	return err
}
