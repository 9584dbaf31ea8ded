package main_test

import "errors"

// freeBytes is not needed where no disk can be mounted.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
