// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

// Package screen is the terminal monitor: tables of hosts, keys, charts.
//
//	s, err := tcell.NewScreen()
//	err = screen.Run(ctx, s, cluster, screen.Options{View: view})
//
// # Drawing
//
// The screen is drawn at most ten times a second, when something has come in, a key
// was pressed or the size has changed; the terminal gets the cells that differ. A
// redraw fills the table anew and formats only the rows that are seen.
//
// # Terminal
//
// It is restored however Run ends, by a panic as well. The caller hands the
// signals over as the end of the context; suspending is Run's own.
//
// # Colours
//
// The palette is told apart by people who do not see all colours (blue, orange,
// grey, brightness), and nothing is said by colour alone: states have words, bars
// have numbers.
package screen
