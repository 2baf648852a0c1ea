// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// referenceHead is what docs/configuration.md says before its tables.
const referenceHead = `# Configuration

Written by ` + "`weir gen config`" + `; do not edit. A test keeps it fresh.

weir reads one TOML file, then the environment, then the command line; each overrides the one before. The file is the one
named by ` + "`--config`" + ` or ` + "`WEIR_CONFIG`" + `, else the first that is there of ` + "`~/.config/weir/weir.toml`" + ` (or below ` + "`$XDG_CONFIG_HOME`" + `; not for
root) and ` + "`/etc/weir/weir.toml`" + `. No file is needed.

Every key is also an environment variable: ` + "`WEIR_SECTION_KEY`" + `, ` + "`workers`" + ` of ` + "`[relay]`" + ` is ` + "`WEIR_RELAY_WORKERS`" + `.
Durations carry a unit (` + "`10ms`, `5s`, `24h`" + `), sizes may (` + "`64MiB`, `500kB`, `4096`" + `); a list is an array in the file and
comma-separated in the environment. An unknown key or a wrong value is an error that names its line.

` + "```" + `sh
weir config defaults > weir.toml   # a commented file to start from
weir config check                  # the effective configuration, and where each value was set
` + "```" + `
`

// WriteReference writes the reference of all keys with their defaults as
// Markdown.
func WriteReference(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	for _, sec := range Default().sections() {
		fmt.Fprintf(&b, "\n## [%s]\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", sec.name, sec.doc)
		for _, s := range sec.settings {
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", s.name, s.kind(), s.text(), strings.ReplaceAll(s.doc, "|", `\|`))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
