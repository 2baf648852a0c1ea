// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/weir-io/weir/client/agent"
)

// savedVersion is the version of the format of saved sessions.
const savedVersion = 1

// savedSuffix ends the names of files with saved sessions.
const savedSuffix = ".json"

// savedSession is the file of a saved session. Of the session only what a user
// can choose counts; the rest tells a reader how it was.
type savedSession struct {
	Version int                    `json:"weir_session"`
	Session agent.Session          `json:"session"`
	Outputs []agent.SnapshotOutput `json:"snapshot_outputs,omitempty"`

	skipped []string // what could not be read, for warnings
}

// newSaveCommand returns "weir save".
func newSaveCommand() *cobra.Command {
	var all, force bool
	var output string
	c := &cobra.Command{
		Use:   "save [SESSION]",
		Short: "Save how sessions are set up",
		Long: `Save how a session is set up, or all sessions, to files from which "weir load"
makes them again: channels, event rules, contexts, where data goes. Traces are
not saved. Files are in ~/.config/weir/sessions unless -o says otherwise.`,
		Example:           "  weir save demo\n  weir save -a -f -o backup",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: firstOnly(completeSessions),
	}
	fl := c.Flags()
	fl.BoolVarP(&all, "all", "a", false, "all sessions (default)")
	fl.BoolVarP(&force, "force", "f", false, "overwrite files that are there")
	fl.StringVarP(&output, "output-path", "o", "", "save into the directory `DIR`")
	return agentCommand(c, true, func(c *agentCall) error {
		dir, err := savedDirectory(os.Getenv, output)
		if err != nil {
			return err
		}
		sessions, err := chosenSessions(c, all)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("save: %w", err)
		}
		files := []string{}
		for _, s := range sessions {
			path, err := saveSession(c, s, dir, force)
			if err != nil {
				return err
			}
			files = append(files, path)
		}
		c.set("files", files)
		return nil
	})
}

// chosenSessions returns the session that is meant, or all.
func chosenSessions(c *agentCall, all bool) ([]agent.Session, error) {
	one := len(c.args) > 0 || c.session != ""
	if all && one {
		return nil, usageErrorf("-a and a session exclude each other")
	}
	if !one {
		return c.api.Sessions(c.ctx)
	}
	name, err := c.name()
	if err != nil {
		return nil, err
	}
	s, err := c.api.Session(c.ctx, name)
	return []agent.Session{s}, err
}

// savedDirectory returns where saved sessions are.
func savedDirectory(getenv func(string) string, chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	dir, err := configDirectory(getenv)
	if err != nil {
		return "", fmt.Errorf("saved sessions: %w", err)
	}
	return filepath.Join(dir, "sessions"), nil
}

func saveSession(c *agentCall, s agent.Session, dir string, force bool) (string, error) {
	saved := savedSession{Version: savedVersion, Session: s}
	if s.Mode == agent.Snapshot {
		var err error
		if saved.Outputs, err = c.api.SnapshotOutputs(c.ctx, s.Name); err != nil {
			return "", err
		}
	}
	var text bytes.Buffer
	if err := writeJSON(&text, saved); err != nil {
		return "", fmt.Errorf("save session %s: %w", s.Name, err)
	}
	path := filepath.Join(dir, s.Name+savedSuffix)
	if _, err := os.Lstat(path); err == nil && !force {
		return "", fmt.Errorf("save session %s: %s is there already; -f overwrites it", s.Name, path)
	}
	if err := replaceFile(path, text.Bytes()); err != nil {
		return "", err
	}
	c.say("Session %s saved successfully in %s.", s.Name, path)
	return path, nil
}

// readSaved reads the saved sessions of a file, of weir or of LTTng.
func readSaved(path string) ([]savedSession, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		all, err := parseLTTngSessions(text)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", path, err)
		}
		return all, nil
	}
	var saved savedSession
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&saved); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	if saved.Version != savedVersion {
		return nil, fmt.Errorf("load %s: format of version %d, want %d", path, saved.Version, savedVersion)
	}
	return []savedSession{saved}, nil
}

// findSaved returns the files to load: one file, or those of a directory.
func findSaved(path string) ([]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load: nothing saved at %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, suffix := range []string{savedSuffix, lttngSuffix} {
		found, err := filepath.Glob(filepath.Join(escapeGlob(path), "*"+suffix))
		if err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
		files = append(files, found...)
	}
	return files, nil
}

// escapeGlob makes a pattern that fits only the path itself.
func escapeGlob(path string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(path, `\$0`)
}
