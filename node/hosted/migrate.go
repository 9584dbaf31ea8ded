package hosted

import (
	"errors"
	"fmt"

	"mero/node/manifest"
	"mero/node/vm"
)

// ErrMigration says that a method cannot be the migration of an update, on no replica.
var ErrMigration = errors.New("it cannot be a migration")

// CheckMigration reports whether a method may be the migration of an update (R10):
// nobody gives it arguments, it is not what only the node calls, and it has to write.
// What the code says of itself decides, so the answer is the same on every replica; a
// method that it says nothing of may be one. The error wraps ErrMigration, or is about
// a description that this release cannot read.
func CheckMigration(module *vm.Module, method string) error {
	raw := module.Description()
	if raw == nil {
		return nil
	}
	m, err := manifest.Parse(raw)
	if err != nil {
		return fmt.Errorf("the description of the application: %w", err)
	}
	switch declared := m.Method(method); {
	case declared == nil:
		return nil
	case declared.Init:
		return fmt.Errorf("%w: %s makes the first state of a context", ErrMigration, method)
	case declared.Reads:
		return fmt.Errorf("%w: %s reads only", ErrMigration, method)
	case len(declared.Args) > 0:
		return fmt.Errorf("%w: %s wants arguments (%s, %d in all), and a migration gets none", ErrMigration, method, declared.Args[0].Name, len(declared.Args))
	}
	return nil
}
