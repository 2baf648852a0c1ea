// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

package feed

// Door is the way to the manager. While there is none, as when the store cannot be opened,
// the error says why, in the form that callers are told.
type Door func() (*Manager, error)

// DoorTo is the door of a manager that is there.
func DoorTo(m *Manager) Door { return func() (*Manager, error) { return m, nil } }

// Through asks the manager behind a door.
func Through[T any](d Door, ask func(*Manager) (T, error)) (none T, err error) {
	m, err := d()
	if err != nil {
		return none, err
	}
	return ask(m)
}
