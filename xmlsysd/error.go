// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package xmlsysd

import "fmt"

// Code names a reason why a command was not carried out. It is what an ack says.
type Code string

// Codes. Reference section 18.
const (
	CodeLine   Code = "E_LINE"   // the line is too long; the session ends
	CodeVerb   Code = "E_VERB"   // no such verb
	CodeArg    Code = "E_ARG"    // arguments that the verb does not take
	CodeSel    Code = "E_SEL"    // a selector that matches nothing
	CodeRE     Code = "E_RE"     // a glob or regular expression that is none
	CodeDenied Code = "E_DENIED" // not exposed, or not allowed
	CodeLimit  Code = "E_LIMIT"  // one more than the limit
)

// CommandError says why a command was not carried out.
type CommandError struct {
	Code   Code
	Arg    string // what was refused; empty: the line as a whole
	Reason string
}

// Error gives the reason on one line, without a final dot.
func (e *CommandError) Error() string {
	if e.Arg == "" {
		return fmt.Sprintf("xmlsysd: %s: %s", e.Code, e.Reason)
	}
	return fmt.Sprintf("xmlsysd: %s: %.64q: %s", e.Code, e.Arg, e.Reason)
}

func refuse(code Code, arg, reason string) error {
	return &CommandError{Code: code, Arg: arg, Reason: reason}
}
