// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weir-io/weir/internal/version"
)

// pageName returns the manual page's name: "weir-config-check".
func pageName(c *cobra.Command) string {
	return strings.ReplaceAll(c.CommandPath(), " ", "-")
}

// writeManPage writes the manual page of a command in man(7)'s macros. The page
// holds no date, so that it changes only when the command does.
func writeManPage(b *bytes.Buffer, c *cobra.Command) {
	c.InitDefaultHelpFlag()
	name := pageName(c)
	fmt.Fprintf(b, ".TH %s 1 \"\" \"weir %s\" \"weir manual\"\n", strings.ToUpper(name), version.Number)
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(b, ".SH SYNOPSIS\n\\fB%s\\fR%s\n", roff(c.CommandPath()), synopsis(c))
	b.WriteString(".SH DESCRIPTION\n")
	writeParagraphs(b, c.Long)
	writeFlags(b, "OPTIONS", c.NonInheritedFlags())
	writeFlags(b, "OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		writeVerbatim(b, c.Example)
	}
	if !c.HasParent() {
		b.WriteString(".SH EXIT STATUS\n0: success; 1: the command failed; 2: it was called wrongly.\n")
	}
	writeSeeAlso(b, c)
}

// synopsis returns what follows the command's path on its usage line.
func synopsis(c *cobra.Command) string {
	text := ""
	if c.HasAvailableSubCommands() {
		text += " \\fICOMMAND\\fR"
	}
	if c.HasAvailableFlags() {
		text += " [\\fIOPTIONS\\fR]"
	}
	if _, arguments, ok := strings.Cut(c.Use, " "); ok {
		text += " " + roff(arguments)
	}
	return text
}

// writeParagraphs writes plain text: blank lines separate paragraphs, indented
// lines stand as they are.
func writeParagraphs(b *bytes.Buffer, text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			writeVerbatim(b, paragraph)
			continue
		}
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roff(strings.TrimSpace(paragraph)) + "\n")
	}
}

// writeVerbatim writes lines that must not be filled.
func writeVerbatim(b *bytes.Buffer, text string) {
	fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(strings.TrimRight(text, "\n")))
}

// writeFlags writes a section of flags, if there are any.
func writeFlags(b *bytes.Buffer, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		argument, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(b, "\\fB\\-%s\\fR, ", roff(f.Shorthand))
		}
		fmt.Fprintf(b, "\\fB\\-\\-%s\\fR", roff(f.Name))
		if argument != "" {
			fmt.Fprintf(b, "=\\fI%s\\fR", roff(argument))
		}
		fmt.Fprintf(b, "\n%s", roff(usage))
		if !isZeroDefault(f.DefValue) {
			fmt.Fprintf(b, " (default %s)", roff(f.DefValue))
		}
		b.WriteByte('\n')
	})
}

// isZeroDefault reports whether a default is not worth printing.
func isZeroDefault(text string) bool {
	switch text {
	case "", "false", "0", "0s", "[]":
		return true
	}
	return false
}

// writeSeeAlso refers to the pages above and below.
func writeSeeAlso(b *bytes.Buffer, c *cobra.Command) {
	var pages []string
	if c.HasParent() {
		pages = append(pages, pageName(c.Parent()))
	}
	for _, child := range c.Commands() {
		if !child.Hidden {
			pages = append(pages, pageName(child))
		}
	}
	if len(pages) == 0 {
		return
	}
	for i, page := range pages {
		pages[i] = fmt.Sprintf("\\fB%s\\fR(1)", roff(page))
	}
	fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(pages, ", "))
}

// roff escapes text so that no character of it is a command: backslashes,
// hyphens (which would become typographic ones) and control lines.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
