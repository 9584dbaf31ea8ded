// Package syncer is every message between nodes: it makes replicas of one context
// on many nodes the same, and keeps them so (R13–R19). PROTOCOL.md says what is sent
// when; package wire is the bytes.
//
// # What it does
//
//   - When a peer connects, a hello finds the contexts that both hold, without telling
//     anything of others, and both show who they are in them (bindings, R14).
//   - What is committed here is published on the context's topic at once; what
//     others publish is verified and handed to replica.Set.
//   - A session compares two replicas and streams what each lacks to the other,
//     in both directions at once. It begins when a peer connects, when a delta came
//     whose parents did not, and when a heartbeat shows a difference.
//   - A heartbeat compares all contexts that two peers share by one digest.
//   - Code of applications and keys of epochs that deltas wait for are fetched from
//     members.
//   - A joining node shows its invitation to a member's node and becomes a member.
//   - A node that has nobody to talk to in a context looks for members in the DHT.
//
// # What it promises
//
// Gossip may lose anything: sessions make it good. A session ends with equal replicas
// or with a named reason, and is said to be a success only then (R19). What fails is
// tried again with a back-off per peer and context that is applied. Nothing from a
// peer is trusted (R24): frames are bounded by package wire, queues, lists and maps by
// the constants here, each with a metric for what is dropped; wrong frames end their
// stream with a reason and cost the peer score.
//
// # Life
//
// New starts nothing. Run does everything until its context ends, and waits for all
// goroutines it started; streams that peers opened are netkit's to wait for, and are
// refused from then on. Nothing is kept on disk: after a restart, peers come from
// netkit's peer book, and hellos find the rest.
//
// Where the reference's nouns went: SyncManager is Syncer; NodeClient's broadcast is
// Announce; key share is the keys protocol, blob share the blob protocol.
package syncer
