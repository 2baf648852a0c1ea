// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/internal/peer"
	"github.com/weir-io/weir/internal/version"
)

func TestRoff(t *testing.T) {
	tests := map[string]string{
		"plain": "plain", "--flag": `\-\-flag`, `a\b`: `a\eb`, ".TH x\n'y\n z.": "\\&.TH x\n\\&'y\n z.",
	}
	for text, want := range tests {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestWriteManPage(t *testing.T) {
	root := &cobra.Command{Use: "weir", Short: "root"}
	c := &cobra.Command{
		Use: "do [FILE]...", Short: "Do - it", Long: "First\nparagraph.\n\n  as is\n\n.Second.", Example: "  weir do x",
		Run: func(*cobra.Command, []string) {},
	}
	c.Flags().IntP("count", "n", 3, "how `MANY`")
	root.AddCommand(c)
	var page bytes.Buffer
	writeManPage(&page, c)
	want := `.TH WEIR-DO 1 "" "weir ` + version.Number + `" "weir manual"
.SH NAME
weir\-do \- Do \- it
.SH SYNOPSIS
\fBweir do\fR [\fIOPTIONS\fR] [FILE]...
.SH DESCRIPTION
First
paragraph.
.PP
.nf
  as is
.fi
.PP
\&.Second.
.SH OPTIONS
.TP
\fB\-n\fR, \fB\-\-count\fR=\fIMANY\fR
how MANY (default 3)
.TP
\fB\-h\fR, \fB\-\-help\fR
help for do
.SH EXAMPLES
.PP
.nf
  weir do x
.fi
.SH SEE ALSO
\fBweir\fR(1)
`
	if got := page.String(); got != want {
		t.Errorf("page is\n%s\nwant\n%s", got, want)
	}
}

// The pages of the real commands must be free of groff's complaints.
func TestManualIsCleanForGroff(t *testing.T) {
	groff := peer.Need(t, "groff")
	dir := t.TempDir()
	if err := writeManual(newRootCommand(), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages, %v, want at least 5", len(pages), err)
	}
	for _, page := range pages {
		c := exec.CommandContext(t.Context(), groff, "-ww", "-z", "-Kutf8", "-man", "-Tutf8", page)
		c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v %s", filepath.Base(page), err, out)
		}
	}
}
