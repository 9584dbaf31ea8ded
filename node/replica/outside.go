package replica

import (
	"context"

	"mero/node/ident"
)

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
