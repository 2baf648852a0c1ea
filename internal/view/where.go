package view

import "github.com/weir-io/weir/ctf"

func globMatcher(pattern string) func(string) bool { return func(string) bool { return true } }
func compileWhere(text string) (func() func(*ctf.Event) bool, error) { return nil, nil }
