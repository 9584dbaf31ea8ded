package apps

import (
	"context"
	"sync"

	"mero/node/ident"
	"mero/node/manifest"
	"mero/node/vm"
)

// manifests keeps what applications say of themselves, by id: an id names code by
// its hash, so it says the same for ever.
type manifests struct {
	mu sync.Mutex
	of map[ident.AppID]*manifest.Manifest // nil: it says nothing
}

// Manifest is what an application says of itself in its code; nil: nothing.
func (l *Library) Manifest(ctx context.Context, id ident.AppID) (*manifest.Manifest, error) {
	module, release, err := l.Module(ctx, id)
	if err != nil {
		return nil, err
	}
	defer release()
	return l.manifest(id, module)
}

func (l *Library) manifest(id ident.AppID, module *vm.Module) (*manifest.Manifest, error) {
	l.manifests.mu.Lock()
	defer l.manifests.mu.Unlock()
	if m, known := l.manifests.of[id]; known {
		return m, nil
	}
	m, err := describe(module)
	if err != nil {
		return nil, err
	}
	if l.manifests.of == nil {
		l.manifests.of = make(map[ident.AppID]*manifest.Manifest)
	}
	l.manifests.of[id] = m
	return m, nil
}

// describe reads the description in an application's code.
func describe(module *vm.Module) (*manifest.Manifest, error) {
	raw := module.Description()
	if raw == nil {
		return nil, nil //nolint:nilnil // an application may say nothing
	}
	m, err := manifest.Parse(raw)
	if err != nil {
		return nil, &vm.InvalidModuleError{Reason: "its description: " + err.Error()}
	}
	return m, nil
}

// ArgumentsError says that the arguments of a call are not what the method takes: it
// was not run. It is a *vm.Error of KindMisuse too.
type ArgumentsError struct{ Cause error }

// Error names each wrong field.
func (e *ArgumentsError) Error() string { return e.Cause.Error() }

// Unwrap is the error as one of the call.
func (e *ArgumentsError) Unwrap() error {
	return &vm.Error{Kind: vm.KindMisuse, Message: e.Cause.Error()}
}

// Declared looks at a call in the light of what the application says of the method:
// reads tells that it changes nothing. Arguments that are not what it takes give an
// *ArgumentsError that names each wrong field. Nothing is declared by an
// application without a description, or of a method that is not in it.
func (l *Library) Declared(id ident.AppID, module *vm.Module, method string, input []byte) (reads bool, err error) {
	m, err := l.manifest(id, module)
	if err != nil || m == nil {
		return false, err
	}
	declared := m.Method(method)
	if declared == nil {
		return false, nil
	}
	if err := declared.CheckArgs(input); err != nil {
		return false, &ArgumentsError{Cause: err}
	}
	return declared.Reads, nil
}
