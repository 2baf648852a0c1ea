// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-io/weir/changelog"
)

// postgres is a database of PostgreSQL. Rows go into temporary tables by COPY, and from
// there by one statement a kind.
type postgres struct {
	dialect

	config *pgx.ConnConfig
	conn   *pgx.Conn // nil: to be connected
}

// connectTimeout is how long a server may take to answer.
const connectTimeout = 15 * time.Second

func openPostgres(ctx context.Context, to, tables string, create bool) (database, error) {
	config, err := pgx.ParseConfig(to)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "weir feed sink"
	}
	// What is acknowledged must be on the server's disk.
	config.RuntimeParams["synchronous_commit"] = "on"
	p := &postgres{
		dialect: dialect{
			blob: "BYTEA", integer: "BIGINT", slash: `'\x2f'::bytea`, view: "CREATE OR REPLACE VIEW", numbered: true, tables: tables,
		},
		config: config,
	}
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	if create {
		if err := p.makeTables(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("tables %s*: %w", tables, err), p.close())
		}
	}
	return p, nil
}

// staging are the temporary tables that rows are copied to. They are empty whenever a
// transaction begins.
var staging = []string{
	`CREATE TEMPORARY TABLE weir_in_drop (pfid BYTEA, name BYTEA, fid BYTEA) ON COMMIT DELETE ROWS`,
	`CREATE TEMPORARY TABLE weir_in_gone (fid BYTEA, always BOOLEAN) ON COMMIT DELETE ROWS`,
	`CREATE TEMPORARY TABLE weir_in_ent (LIKE {ent}) ON COMMIT DELETE ROWS`,
	`CREATE TEMPORARY TABLE weir_in_obj (LIKE {obj}, made BOOLEAN) ON COMMIT DELETE ROWS`,
}

// connect connects if there is no connection.
func (p *postgres) connect(ctx context.Context) error {
	if p.conn != nil && !p.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	p.conn = conn
	return nil
}

// stage makes the temporary tables on a new connection.
func (p *postgres) stage(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	var there bool
	err := p.conn.QueryRow(ctx, `SELECT to_regclass('pg_temp.weir_in_obj') IS NOT NULL`).Scan(&there)
	if err != nil || there {
		return err
	}
	return pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		for _, text := range staging {
			if _, err := tx.Exec(ctx, p.sql(text)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *postgres) makeTables(ctx context.Context) error {
	return pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		for _, text := range schema {
			if _, err := tx.Exec(ctx, p.sql(text)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *postgres) close() error {
	if p.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	return p.conn.Close(ctx)
}

// passing errors are those of the connection, of a server that starts or ends, of locks
// and of what a server has not got now: classes 08, 40, 53, 57, 58.
func (p *postgres) passing(err error) bool {
	if errors.Is(err, errMoved) {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return passes(e)
	}
	return unreachable(err) || p.conn == nil || p.conn.IsClosed()
}

// passes reports whether what a server has answered is of one of those classes.
func passes(e *pgconn.PgError) bool {
	return slices.Contains([]string{"08", "40", "53", "55", "57", "58"}, e.Code[:min(2, len(e.Code))])
}

// unreachable reports whether an error is that of a server that was not connected to, and
// may be later.
func unreachable(err error) bool {
	var c *pgconn.ConnectError
	var e *pgconn.PgError
	return errors.As(err, &c) && (!errors.As(err, &e) || passes(e))
}

func (p *postgres) cursors(ctx context.Context) ([]Cursor, error) {
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	rows, err := p.conn.Query(ctx, p.sql(sqlCursors))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Cursor, error) {
		var feed, source, state string
		var top []byte
		var through, scan, updated int64
		err := row.Scan(&feed, &source, &top, &through, &state, &scan, &updated)
		return cursorOf(feed, source, top, through, state, scan, updated), err
	})
}

// move has the cursor be otherwise.
func (p *postgres) move(ctx context.Context, tx pgx.Tx, was, is *Cursor) error {
	if was.Feed == "" {
		if _, err := tx.Exec(ctx, p.sql(sqlForget), is.Feed); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, p.sql(sqlBegin), beginArgs(is)...)
		return err
	}
	tag, err := tx.Exec(ctx, p.sql(sqlMove), moveArgs(was, is)...)
	if err == nil && tag.RowsAffected() != 1 {
		err = errMoved
	}
	return err
}

// Statements that take rows from the temporary tables.
var postgresMerge = struct{ drop, put, gone, lost, make, change string }{
	drop: `DELETE FROM {ent} e USING weir_in_drop i WHERE e.pfid = i.pfid AND e.name = i.name AND (i.fid IS NULL OR e.fid = i.fid)`,
	put: `INSERT INTO {ent} (` + quoted(entryColumns) + `) SELECT DISTINCT ON (pfid, name) ` + quoted(entryColumns) + ` FROM weir_in_ent
		ON CONFLICT (pfid, name) DO UPDATE SET fid = excluded.fid, last = excluded.last, seen = excluded.seen`,
	make: `INSERT INTO {obj} AS o (` + quoted(objectColumns) + `) SELECT DISTINCT ON (fid) ` + quoted(objectColumns) + ` FROM weir_in_obj WHERE made
		ON CONFLICT (fid) DO UPDATE SET ` + setAll(objectColumns, "excluded", "o") + ` WHERE o.last <= excluded.last`,
	change: `UPDATE {obj} o SET ` + setAll(objectColumns[:14], "v", "o") + ` FROM weir_in_obj v
		WHERE NOT v.made AND o.fid = v.fid AND o.last <= v.last`,
	gone: `DELETE FROM {obj} o USING weir_in_gone i WHERE o.fid = i.fid AND i.always`,
	lost: `DELETE FROM {obj} o USING weir_in_gone i WHERE o.fid = i.fid AND NOT i.always
		AND NOT EXISTS (SELECT 1 FROM {ent} e WHERE e.fid = o.fid) AND o.fid NOT IN (SELECT top FROM {cursor} WHERE top IS NOT NULL)`,
}

func (p *postgres) commit(ctx context.Context, c *changes, was, is *Cursor) error {
	if err := p.stage(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		if err := p.move(ctx, tx, was, is); err != nil {
			return err
		}
		return p.apply(ctx, tx, c, is.Scan)
	})
}

// copied has rows come to a table by COPY.
func copied(ctx context.Context, tx pgx.Tx, table string, columns []string, n int, row func(dst []any, i int) []any) error {
	if n == 0 {
		return nil
	}
	var values []any
	_, err := tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
		values = row(values[:0], i)
		return values, nil
	}))
	return err
}

// apply makes changes: names first, for what becomes of objects depends on them.
func (p *postgres) apply(ctx context.Context, tx pgx.Tx, c *changes, seen int64) error {
	drops, gone, objs := len(c.drop)+len(c.dropIf), len(c.gone)+len(c.lost), len(c.make)+len(c.change)
	for _, in := range []struct {
		table   string
		columns []string
		n       int
		row     func([]any, int) []any
		merge   []string
	}{
		{"weir_in_drop", []string{"pfid", "name", "fid"}, drops, c.dropRow, []string{postgresMerge.drop}},
		{"weir_in_ent", entryColumns, len(c.put), func(d []any, i int) []any { return c.put[i].values(d, seen) }, []string{postgresMerge.put}},
		{
			"weir_in_obj", append(slices.Clone(objectColumns), "made"), objs,
			func(d []any, i int) []any { return c.objectRow(d, i, seen) },
			[]string{postgresMerge.make, postgresMerge.change},
		},
		{"weir_in_gone", []string{"fid", "always"}, gone, c.goneRow, []string{postgresMerge.gone, postgresMerge.lost}},
		{p.tables + "log", logColumns, len(c.records), func(d []any, i int) []any { return logValues(d, c.records[i]) }, nil},
	} {
		if in.n == 0 {
			continue
		}
		if err := copied(ctx, tx, in.table, in.columns, in.n, in.row); err != nil {
			return fmt.Errorf("%s: %w", in.table, err)
		}
		for _, text := range in.merge {
			if _, err := tx.Exec(ctx, p.sql(text)); err != nil {
				return fmt.Errorf("%s: %w", in.table, err)
			}
		}
	}
	return p.leave(ctx, tx, c.left)
}

// leave removes what is below a directory that left.
func (p *postgres) leave(ctx context.Context, tx pgx.Tx, left changelog.FID) error {
	if left.IsZero() {
		return nil
	}
	for _, text := range []string{sqlLeftObjects, sqlLeftEntries} {
		if _, err := tx.Exec(ctx, p.sql(text), fidBytes(left)); err != nil {
			return err
		}
	}
	return nil
}

// dropRow is a row of the names that stand for nothing.
func (c *changes) dropRow(dst []any, i int) []any {
	if i < len(c.drop) {
		return append(dst, fidBytes(c.drop[i].parent), []byte(c.drop[i].name), nil)
	}
	e := &c.dropIf[i-len(c.drop)]
	return append(dst, fidBytes(e.parent), []byte(e.name.name), fidBytes(e.fid))
}

// objectRow is a row of the objects.
func (c *changes) objectRow(dst []any, i int, seen int64) []any {
	if i < len(c.make) {
		return append(c.make[i].values(dst, seen), true)
	}
	return append(c.change[i-len(c.make)].values(dst, seen), false)
}

// goneRow is a row of the objects that may be gone.
func (c *changes) goneRow(dst []any, i int) []any {
	if i < len(c.gone) {
		return append(dst, fidBytes(c.gone[i]), true)
	}
	return append(dst, fidBytes(c.lost[i-len(c.gone)]), false)
}

func (p *postgres) sweep(ctx context.Context, was, is *Cursor) (swept int64, err error) {
	if err := p.connect(ctx); err != nil {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		if err := p.move(ctx, tx, was, is); err != nil {
			return err
		}
		for _, text := range []string{sqlSweepEntries, sqlSweepObjects} {
			tag, err := tx.Exec(ctx, p.sql(text), is.Scan)
			if err != nil {
				return err
			}
			swept += tag.RowsAffected()
		}
		return nil
	})
	return swept, err
}

func (p *postgres) unseen(ctx context.Context, fids []changelog.FID, scan int64) ([]changelog.FID, error) {
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	var not []changelog.FID
	for _, f := range fids {
		var seen bool
		err := p.conn.QueryRow(ctx, p.sql(`SELECT EXISTS (SELECT 1 FROM {obj} WHERE fid = ?1 AND seen >= ?2)`), fidBytes(f), scan).Scan(&seen)
		if err != nil {
			return nil, err
		}
		if !seen {
			not = append(not, f)
		}
	}
	return not, nil
}

func (p *postgres) query(ctx context.Context, text string, args []any, row func([]string, []any) error) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	rows, err := p.conn.Query(ctx, p.sql(strings.TrimSpace(text)), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var columns []string
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if err := row(columns, values); err != nil {
			return err
		}
	}
	return rows.Err()
}
