package admit

import (
	"crypto/rand"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// Semantics is the version of what the host does for a guest during an apply; genesis
// fixes it for a context (R10).
const Semantics = 1

// DefaultStateQuota is the most state a new context may hold, in bytes (R10).
const DefaultStateQuota = 1 << 30

// Genesis makes the delta that begins a context of an application: by a member who
// writes its first delta, under a first epoch key, at a time.
func Genesis(
	app store.App, contextKey ident.PrivateKey, who *store.Identity, key delta.EpochKey, now time.Time,
) (*delta.Delta, members.Founder, error) {
	sealing, err := who.SealKey()
	if err != nil {
		return nil, members.Founder{}, err
	}
	var topic [32]byte
	_, _ = rand.Read(topic[:]) // never fails
	payload := delta.Genesis{
		Semantics: Semantics, App: app.ID, Code: app.Blob, Package: app.Package, Version: app.Version,
		SealKey: sealing.Public(), StateQuota: DefaultStateQuota, TopicSecret: topic,
	}
	form, err := delta.EncodeGenesis(payload)
	if err != nil {
		return nil, members.Founder{}, err
	}
	wrap, err := delta.WrapEpoch(who.Context, key, who.Public(), sealing.Public())
	if err != nil {
		return nil, members.Founder{}, err
	}
	d, err := delta.Seal(delta.Header{
		Context: who.Context, Kind: delta.KindGenesis, Author: who.Public(),
		Incarnation: who.Incarnation, Seq: 1, Time: delta.NextTime(now),
	}, form, key, []delta.Wrap{wrap}, who.PrivateKey(), &contextKey)
	if err != nil {
		return nil, members.Founder{}, err
	}
	return d, members.FounderOf(d, &payload), nil
}
