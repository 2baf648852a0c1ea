// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/weir-io/weir/changelog"
)

// database is SQLite or PostgreSQL, with the tables. After an error it may be used
// again: it connects anew if it must.
type database interface {
	// cursors are the rows of weir_cursor; there is one unless someone wrote others.
	cursors(context.Context) ([]Cursor, error)
	// commit makes changes and moves the cursor in one transaction. A zero was stands
	// for no cursor. It fails with errMoved when the cursor is not what it was.
	commit(ctx context.Context, c *changes, was, is *Cursor) error
	// sweep removes, in one transaction with the cursor, the rows that the last scan
	// and all that came after did not name.
	sweep(ctx context.Context, was, is *Cursor) (rows int64, err error)
	// unseen are those of some objects that the last scan has not seen.
	unseen(ctx context.Context, fids []changelog.FID, scan int64) ([]changelog.FID, error)
	// query hands out the rows of a question, whose parameters are ?1, ?2 and so on.
	query(ctx context.Context, text string, args []any, row func(columns []string, values []any) error) error
	// passing reports whether an error may be gone when the same is tried later.
	passing(error) bool
	close() error
}

// errMoved is of a cursor that somebody else has moved.
var errMoved = errors.New("the tables' cursor is not where it was: another sink writes them")

// tablesRule is what a prefix of tables may be.
var tablesRule = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// DefaultTables is what names of tables begin with.
const DefaultTables = "weir_"

// openDatabase connects to sqlite:PATH or to a URL of postgres: and makes the tables
// that are missing.
func openDatabase(ctx context.Context, to, tables string, create bool) (database, error) {
	if !tablesRule.MatchString(tables) {
		return nil, fmt.Errorf("prefix of tables %q: want a letter or _, then letters, digits and _, all small", tables)
	}
	scheme, rest, ok := strings.Cut(to, ":")
	switch {
	case ok && scheme == "sqlite" && rest != "":
		return openSQLite(ctx, rest, tables, create)
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(ctx, to, tables, create)
	}
	return nil, fmt.Errorf("database %q: want sqlite:PATH or postgres:URL", to)
}
