package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"mero/node/ident"
)

// InstallURL lets the node download and install an application.
func (c *Client) InstallURL(ctx context.Context, req InstallURLRequest) (ident.AppID, error) {
	out, err := data[InstalledResponse](ctx, c, request{method: http.MethodPost, path: admin("install-application"), body: req})
	return out.ApplicationID, err
}

// InstallPath installs from a file on the node's disk.
func (c *Client) InstallPath(ctx context.Context, req InstallPathRequest) (ident.AppID, error) {
	out, err := data[InstalledResponse](ctx, c, request{method: http.MethodPost, path: admin("install-dev-application"), body: req})
	return out.ApplicationID, err
}

// Upload installs the code that code yields.
func (c *Client) Upload(ctx context.Context, code io.Reader, opts UploadOptions) (ident.AppID, error) {
	out, err := data[InstalledResponse](ctx, c, request{
		method: http.MethodPut, path: admin("x", "applications"), query: opts.query(), stream: code, size: opts.Size,
	})
	return out.ApplicationID, err
}

func (o UploadOptions) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"name": o.Name, "package": o.Package, "version": o.Version,
		"metadata": base64.RawURLEncoding.EncodeToString(o.Metadata),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if o.Hash != nil {
		q.Set("hash", o.Hash.String())
	}
	return q
}

// Applications lists what is installed.
func (c *Client) Applications(ctx context.Context) ([]Application, error) {
	out, err := data[ApplicationsResponse](ctx, c, request{method: http.MethodGet, path: admin("applications")})
	return out.Apps, err
}

// Application describes one. One that is not installed is an *Error with
// KindApplicationNotFound, although the node answers 200 (http-api 4.3).
func (c *Client) Application(ctx context.Context, id ident.AppID) (Application, error) {
	out, err := data[ApplicationResponse](ctx, c, request{method: http.MethodGet, path: admin("applications", id.String())})
	if err != nil {
		return Application{}, err
	}
	if out.Application == nil {
		return Application{}, &Error{
			Status: http.StatusNotFound, Kind: KindApplicationNotFound,
			Message: fmt.Sprintf("application %s is not installed", id),
		}
	}
	return *out.Application, nil
}

// RemoveApplication forgets one; it is no error when it is not installed. One
// that contexts use is an *Error with KindApplicationInUse.
func (c *Client) RemoveApplication(ctx context.Context, id ident.AppID) error {
	_, err := data[InstalledResponse](ctx, c, request{method: http.MethodDelete, path: admin("applications", id.String())})
	return err
}

// Methods names what clients may call.
func (c *Client) Methods(ctx context.Context, id ident.AppID) ([]string, error) {
	out, err := data[MethodsResponse](ctx, c, request{method: http.MethodGet, path: admin("x", "applications", id.String(), "methods")})
	return out.Methods, err
}

// Describe is Methods with what the application says of itself.
func (c *Client) Describe(ctx context.Context, id ident.AppID) (MethodsResponse, error) {
	return data[MethodsResponse](ctx, c, request{method: http.MethodGet, path: admin("x", "applications", id.String(), "methods")})
}

// Contexts lists all contexts of the node.
func (c *Client) Contexts(ctx context.Context) ([]Context, error) {
	out, err := data[ContextsResponse](ctx, c, request{method: http.MethodGet, path: admin("contexts")})
	return out.Contexts, err
}

// ContextsOf lists the contexts that run an application.
func (c *Client) ContextsOf(ctx context.Context, id ident.AppID) ([]Context, error) {
	out, err := data[ContextsResponse](ctx, c, request{method: http.MethodGet, path: admin("contexts", "for-application", id.String())})
	return out.Contexts, err
}

// CreateContext makes a context.
func (c *Client) CreateContext(ctx context.Context, req CreateContextRequest) (CreatedContext, error) {
	return data[CreatedContext](ctx, c, request{method: http.MethodPost, path: admin("contexts"), body: req})
}

// Context describes one. An unknown one is an *Error with KindContextNotFound.
func (c *Client) Context(ctx context.Context, id ident.ContextID) (Context, error) {
	return data[Context](ctx, c, request{method: http.MethodGet, path: admin("contexts", id.String())})
}

// DeleteContext deletes a context on this node; false when there was none.
func (c *Client) DeleteContext(ctx context.Context, id ident.ContextID) (bool, error) {
	out, err := data[DeletedContext](ctx, c, request{method: http.MethodDelete, path: admin("contexts", id.String())})
	return out.IsDeleted, err
}

// Identities are the members of a context.
func (c *Client) Identities(ctx context.Context, id ident.ContextID) ([]ident.PublicKey, error) {
	out, err := data[IdentitiesResponse](ctx, c, request{method: http.MethodGet, path: admin("contexts", id.String(), "identities")})
	return out.Identities, err
}

// OwnedIdentities are the members that this node can act as.
func (c *Client) OwnedIdentities(ctx context.Context, id ident.ContextID) ([]ident.PublicKey, error) {
	out, err := data[IdentitiesResponse](ctx, c, request{method: http.MethodGet, path: admin("contexts", id.String(), "identities-owned")})
	return out.Identities, err
}

// NewIdentity makes a member key that belongs to no context yet.
func (c *Client) NewIdentity(ctx context.Context) (ident.PublicKey, error) {
	out, err := data[IdentityResponse](ctx, c, request{method: http.MethodPost, path: admin("identity", "context"), body: struct{}{}})
	return out.PublicKey, err
}

// aliasPath is /alias/VERB/KIND[/CONTEXT][/NAME].
func aliasPath(verb string, scope AliasScope, name ...string) string {
	segments := []string{"alias", verb, string(scope.Kind)}
	if scope.Kind == AliasIdentity {
		segments = append(segments, scope.Context.String())
	}
	return admin(append(segments, name...)...)
}

// CreateAlias gives value a name. A name that is taken is an *Error with
// KindAliasExists.
func (c *Client) CreateAlias(ctx context.Context, scope AliasScope, name string, value ID) error {
	if err := CheckAlias(name); err != nil {
		return err
	}
	doc, err := CreateAliasRequest{Alias: name, Value: value}.EncodeFor(scope.Kind)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	_, err = call[Void](ctx, c, request{method: http.MethodPost, path: aliasPath("create", scope), body: json.RawMessage(doc)})
	return err
}

// LookupAlias finds what a name stands for; false when it stands for nothing.
func (c *Client) LookupAlias(ctx context.Context, scope AliasScope, name string) (ID, bool, error) {
	if err := CheckAlias(name); err != nil {
		return ID{}, false, nil //nolint:nilerr // such a name cannot have been created, so it stands for nothing
	}
	out, err := data[LookupAliasResponse](ctx, c, request{method: http.MethodPost, path: aliasPath("lookup", scope, name), body: struct{}{}})
	if err != nil || out.Value == nil {
		return ID{}, false, err
	}
	return *out.Value, true, nil
}

// DeleteAlias forgets a name; it is no error when it stands for nothing.
func (c *Client) DeleteAlias(ctx context.Context, scope AliasScope, name string) error {
	if err := CheckAlias(name); err != nil {
		return err
	}
	_, err := call[Void](ctx, c, request{method: http.MethodPost, path: aliasPath("delete", scope, name), body: struct{}{}})
	return err
}

// Aliases lists all names of a scope.
func (c *Client) Aliases(ctx context.Context, scope AliasScope) (map[string]ID, error) {
	return data[map[string]ID](ctx, c, request{method: http.MethodGet, path: aliasPath("list", scope)})
}
