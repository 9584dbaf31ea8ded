package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"mero/node/api"
	"mero/node/ident"
)

// clients is how many call at a time where a measure says "many".
const clients = 16

// caller posts to one address over connections that it keeps. It is what an
// ordinary Go client would be, without decoding of what is thrown away.
type caller struct {
	http  *http.Client
	url   string
	token string
}

func newCaller(url, token string) *caller {
	return &caller{
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}},
		url:  url + "/jsonrpc", token: token,
	}
}

func (c *caller) close() { c.http.CloseIdleConnections() }

// post sends a request; an answer that is no result is an error.
func (c *caller) post(ctx context.Context, body []byte) error {
	_, err := c.ask(ctx, body)
	return err
}

// ask is post for who wants to see the answer.
func (c *caller) ask(ctx context.Context, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"result":`)) {
		return nil, fmt.Errorf("the answer to %s is %d: %s", body, resp.StatusCode, answer)
	}
	return answer, nil
}

// instance is a context of an application, on a running node.
type instance struct {
	app     App
	context ident.ContextID
	member  ident.PublicKey
}

// args are the arguments of set and get.
type args struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

func (a args) json() []byte {
	doc, _ := json.Marshal(a) // two strings can be marshalled
	return doc
}

// request is the body of a call.
func (in instance) request(method string, a args) []byte {
	doc, _ := json.Marshal(map[string]any{ // of values that can be marshalled
		"jsonrpc": "2.0", "id": 1, "method": api.MethodExecute,
		"params": api.ExecuteParams{
			ContextID: in.context, ExecutorPublicKey: in.member, Method: method, ArgsJSON: a.json(),
		},
	})
	return doc
}

// key is the name of one of a map's keys.
func key(i int) string { return "key-" + strconv.Itoa(i) }

// valueSize is that of the values that are written, in bytes.
const valueSize = 32

// set is a write that changes the map: no two have the same value.
func (in instance) set(k, client, i int) []byte {
	value := fmt.Sprintf("%d/%d/", client, i)
	return in.request("set", args{key(k), value + "................................"[min(len(value), valueSize):]})
}

func (in instance) get(k int) []byte { return in.request("get", args{Key: key(k)}) }

// install puts an application on a node.
func (p *process) install(ctx context.Context, app App) (ident.AppID, error) {
	client, err := api.NewClient(api.ClientConfig{URL: p.url, Token: p.token})
	if err != nil {
		return ident.AppID{}, err
	}
	id, err := client.Upload(ctx, bytes.NewReader(app.Code), api.UploadOptions{Name: app.Name, Size: int64(len(app.Code))})
	if err != nil {
		return id, fmt.Errorf("install %s: %w", app.Name, err)
	}
	return id, nil
}

// instances installs an application and makes contexts of it.
func (p *process) instances(ctx context.Context, app App, n int) ([]instance, error) {
	id, err := p.install(ctx, app)
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(api.ClientConfig{URL: p.url, Token: p.token})
	if err != nil {
		return nil, err
	}
	list := make([]instance, n)
	err = each(ctx, n, func(ctx context.Context, i int) error {
		made, err := client.CreateContext(ctx, api.CreateContextRequest{ApplicationID: id, InitializationParams: api.Bytes("{}")})
		if err != nil {
			return fmt.Errorf("make a context of %s: %w", app.Name, err)
		}
		list[i] = instance{app: app, context: made.ContextID, member: made.MemberPublicKey}
		return nil
	})
	return list, err
}

// fill writes the first keys of each map once.
func fill(ctx context.Context, c *caller, list []instance, keys int) error {
	if len(list) == 0 {
		return errors.New("no context")
	}
	return each(ctx, keys*len(list), func(ctx context.Context, i int) error {
		return c.post(ctx, list[i%len(list)].set(i/len(list), clients, i))
	})
}
