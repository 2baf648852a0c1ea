// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/weir-io/weir/changelog"
)

// sqlite is a database of SQLite. One connection writes and reads: SQLite has one
// writer, and statements stay prepared on it.
type sqlite struct {
	dialect

	db   *sql.DB
	args []any
	seen int64
	// texts are the statements of a batch, for one row and for a group.
	texts map[*many][2]string
	// prepared statements by their text. They live as long as the database.
	prepared map[string]*sql.Stmt
}

// sqliteOptions are set on each connection. A lock is waited for, writers take it when
// they begin, and a commit is on the disk when it returns.
const sqliteOptions = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(4000)&_txlock=immediate"

func openSQLite(ctx context.Context, path, tables string, create bool) (database, error) {
	// Otherwise the kernel drops the locks when anything in this process closes
	// another descriptor of the file.
	if _, err := driver.OFDLocking(true); err != nil && !errors.Is(err, driver.ErrOFDLockingTooLate) && !errors.Is(err, driver.ErrOFDLockingUnavailable) {
		return nil, fmt.Errorf("locks of %s: %w", path, err)
	}
	if _, err := os.Stat(path); err != nil && !create {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + sqliteOptions
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(0)
	s := &sqlite{
		dialect: dialect{
			blob: "BLOB", integer: "INTEGER", noRowID: "WITHOUT ROWID", slash: "x'2f'", view: "CREATE VIEW IF NOT EXISTS", tables: tables,
		},
		db: db, prepared: map[string]*sql.Stmt{}, texts: map[*many][2]string{},
	}
	all := &sqliteMany
	for _, m := range []*many{&all.drop, &all.dropIf, &all.put, &all.make, &all.change, &all.gone, &all.lost, &all.log} {
		s.texts[m] = [2]string{m.of(1), m.of(group)}
	}
	if create {
		err = s.makeTables(ctx)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return s, nil
}

func (s *sqlite) makeTables(ctx context.Context) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		for _, text := range schema {
			if _, err := tx.ExecContext(ctx, s.sql(text)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *sqlite) close() error { return s.db.Close() }

// passing errors are those of locks, of the disk and of memory.
func (s *sqlite) passing(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_NOMEM, lib.SQLITE_CANTOPEN:
		return true
	}
	return false
}

func (s *sqlite) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// exec runs a prepared statement.
func (s *sqlite) exec(ctx context.Context, tx *sql.Tx, text string, args ...any) (int64, error) {
	p := s.prepared[text]
	if p == nil {
		var err error
		// Within the transaction: it has the only connection.
		if p, err = tx.PrepareContext(ctx, s.sql(text)); err != nil {
			return 0, fmt.Errorf("%w in %s", err, s.sql(text))
		}
		defer p.Close()
		r, err := p.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		return r.RowsAffected()
	}
	r, err := tx.StmtContext(ctx, p).ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// prepare keeps a statement prepared. It is called outside of transactions.
func (s *sqlite) prepare(ctx context.Context, text string) error {
	if s.prepared[text] != nil {
		return nil
	}
	p, err := s.db.PrepareContext(ctx, s.sql(text))
	if err != nil {
		return fmt.Errorf("%w in %s", err, s.sql(text))
	}
	s.prepared[text] = p
	return nil
}

// move has the cursor be otherwise.
func (s *sqlite) move(ctx context.Context, tx *sql.Tx, was, is *Cursor) error {
	if was.Feed == "" {
		if _, err := s.exec(ctx, tx, sqlForget, is.Feed); err != nil {
			return err
		}
		_, err := s.exec(ctx, tx, sqlBegin, beginArgs(is)...)
		return err
	}
	n, err := s.exec(ctx, tx, sqlMove, moveArgs(was, is)...)
	if err == nil && n != 1 {
		err = errMoved
	}
	return err
}

func (s *sqlite) cursors(ctx context.Context) ([]Cursor, error) {
	rows, err := s.db.QueryContext(ctx, s.sql(sqlCursors))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Cursor
	for rows.Next() {
		var feed, source, state string
		var top []byte
		var through, scan, updated int64
		if err := rows.Scan(&feed, &source, &top, &through, &state, &scan, &updated); err != nil {
			return nil, err
		}
		all = append(all, cursorOf(feed, source, top, through, state, scan, updated))
	}
	return all, rows.Err()
}

// group is how many rows a statement has; what is left over goes by ones.
const group = 32

// many is a statement for many rows: %s stands for their values.
type many struct {
	text    string
	columns int
}

// sqliteMany are the statements that a batch is made of.
var sqliteMany = struct{ drop, dropIf, put, make, change, gone, lost, log many }{
	drop:   many{`DELETE FROM {ent} WHERE (pfid, name) IN (VALUES %s)`, 2},
	dropIf: many{`DELETE FROM {ent} WHERE (pfid, name, fid) IN (VALUES %s)`, 3},
	put: many{`INSERT INTO {ent} (` + quoted(entryColumns) + `) VALUES %s
		ON CONFLICT (pfid, name) DO UPDATE SET fid = excluded.fid, last = excluded.last, seen = excluded.seen`, 5},
	make: many{`INSERT INTO {obj} (` + quoted(objectColumns) + `) VALUES %s ON CONFLICT (fid) DO UPDATE SET ` +
		setAll(objectColumns, "excluded", "{obj}") + ` WHERE {obj}.last <= excluded.last`, 15},
	change: many{`WITH v (` + quoted(objectColumns) + `) AS (VALUES %s) UPDATE {obj} SET ` +
		setAll(objectColumns[:14], "v", "{obj}") + ` FROM v WHERE {obj}.fid = v.fid AND {obj}.last <= v.last`, 15},
	gone: many{`DELETE FROM {obj} WHERE fid IN (VALUES %s)`, 1},
	lost: many{`DELETE FROM {obj} WHERE fid IN (VALUES %s) AND NOT EXISTS (SELECT 1 FROM {ent} e WHERE e.fid = {obj}.fid)
		AND fid NOT IN (SELECT top FROM {cursor} WHERE top IS NOT NULL)`, 1},
	log: many{`INSERT INTO {log} (` + quoted(logColumns) + `) VALUES %s`, 21},
}

// of is the statement for a number of rows.
func (m *many) of(rows int) string {
	one := "(" + strings.Repeat("?, ", m.columns-1) + "?)"
	return fmt.Sprintf(m.text, strings.Repeat(one+", ", rows-1)+one)
}

// prepareAll keeps the statements of a batch prepared.
func (s *sqlite) prepareAll(ctx context.Context) error {
	for _, texts := range s.texts {
		for _, text := range texts {
			if err := s.prepare(ctx, text); err != nil {
				return err
			}
		}
	}
	return s.prepare(ctx, sqlMove)
}

// rows runs a statement for n rows, whose values row appends.
func (s *sqlite) rows(ctx context.Context, tx *sql.Tx, m *many, n int, row func(dst []any, i int) []any) error {
	for i := 0; i < n; {
		text, take := s.texts[m][0], 1
		if n-i >= group {
			text, take = s.texts[m][1], group
		}
		s.args = s.args[:0]
		for range take {
			s.args = row(s.args, i)
			i++
		}
		if _, err := s.exec(ctx, tx, text, s.args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) commit(ctx context.Context, c *changes, was, is *Cursor) error {
	if err := s.prepareAll(ctx); err != nil {
		return err
	}
	s.seen = is.Scan
	return s.transact(ctx, func(tx *sql.Tx) error {
		if err := s.move(ctx, tx, was, is); err != nil {
			return err
		}
		return s.apply(ctx, tx, c)
	})
}

// apply makes changes: names first, for what becomes of objects depends on them.
func (s *sqlite) apply(ctx context.Context, tx *sql.Tx, c *changes) error {
	all := &sqliteMany
	pair := func(dst []any, n *name) []any { return append(dst, fidBytes(n.parent), []byte(n.name)) }
	fids := func(of []changelog.FID) func([]any, int) []any {
		return func(dst []any, i int) []any { return append(dst, fidBytes(of[i])) }
	}
	for _, step := range []struct {
		m   *many
		n   int
		row func([]any, int) []any
	}{
		{&all.drop, len(c.drop), func(d []any, i int) []any { return pair(d, &c.drop[i]) }},
		{&all.dropIf, len(c.dropIf), func(d []any, i int) []any { return append(pair(d, &c.dropIf[i].name), fidBytes(c.dropIf[i].fid)) }},
		{&all.put, len(c.put), func(d []any, i int) []any { return c.put[i].values(d, s.seen) }},
		{&all.make, len(c.make), func(d []any, i int) []any { return c.make[i].values(d, s.seen) }},
		{&all.change, len(c.change), func(d []any, i int) []any { return c.change[i].values(d, s.seen) }},
		{&all.gone, len(c.gone), fids(c.gone)},
		{&all.lost, len(c.lost), fids(c.lost)},
		{&all.log, len(c.records), func(d []any, i int) []any { return logValues(d, c.records[i]) }},
	} {
		if err := s.rows(ctx, tx, step.m, step.n, step.row); err != nil {
			return err
		}
	}
	if c.left.IsZero() {
		return nil
	}
	for _, text := range []string{sqlLeftObjects, sqlLeftEntries} {
		if _, err := s.exec(ctx, tx, text, fidBytes(c.left)); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) sweep(ctx context.Context, was, is *Cursor) (swept int64, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		if err := s.move(ctx, tx, was, is); err != nil {
			return err
		}
		for _, text := range []string{sqlSweepEntries, sqlSweepObjects} {
			n, err := s.exec(ctx, tx, text, is.Scan)
			if err != nil {
				return err
			}
			swept += n
		}
		return nil
	})
	return swept, err
}

func (s *sqlite) unseen(ctx context.Context, fids []changelog.FID, scan int64) ([]changelog.FID, error) {
	var not []changelog.FID
	for _, f := range fids {
		var one int
		err := s.db.QueryRowContext(ctx, s.sql(`SELECT 1 FROM {obj} WHERE fid = ?1 AND seen >= ?2`), fidBytes(f), scan).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			not = append(not, f)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return not, nil
}

func (s *sqlite) query(ctx context.Context, text string, args []any, row func([]string, []any) error) error {
	rows, err := s.db.QueryContext(ctx, s.sql(text), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if err := row(columns, values); err != nil {
			return err
		}
	}
	return rows.Err()
}
