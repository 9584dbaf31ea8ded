package replica

import (
	"context"

	"mero/node/ident"
)

// ErrNotHolder says that a member may not change the application of a context
// (R10). It comes within a *VoidError.
var ErrNotHolder = errNotHolder

// HostManaged reports whether an application keeps its state in collections of the
// host. Errors: *AppMissingError, and those of compiling it.
func (s *Set) HostManaged(ctx context.Context, app ident.AppID) (bool, error) {
	module, release, err := s.module(ctx, app)
	if err != nil {
		return false, err
	}
	defer release()
	return module.HostManaged(), nil
}
